//! The Amazon from space as Kaggle has it: `train_v2.csv` with `image_name,tags`, `train-jpg/NAME.jpg`,
//! `test-jpg-v2/NAME.jpg`. A picture has one tag of weather and any number of tags of land.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tensor_core::random::RandomStream;

use super::drawn::world::distance::{Point, disc, line, rectangle};
use super::drawn::world::paint::{Canvas, Colour, mix};
use super::drawn::world::random_stream;
use super::{Amount, Result, write_jpeg};

const SIZE: usize = 64;
const SEED: u64 = 13;

const FOREST: Colour = [0.13, 0.27, 0.14];
const SOIL: Colour = [0.52, 0.4, 0.27];
const FIELD: Colour = [0.42, 0.5, 0.22];
const WATER: Colour = [0.16, 0.22, 0.3];
const ROAD: Colour = [0.66, 0.57, 0.45];
const ROOF: Colour = [0.75, 0.72, 0.7];
const CLOUD: Colour = [0.93, 0.94, 0.95];

/// Draws the competition's folder.
pub fn draw(folder: &Path, amount: Amount) -> Result<()> {
    let mut rows = String::from("image_name,tags\n");
    for (part, name, pictures) in
        [("train-jpg", "train", amount.train), ("test-jpg-v2", "test", amount.test)]
    {
        fs::create_dir_all(folder.join(part))?;
        for number in 0..pictures {
            let (tags, pixels) = picture(name, number);
            let file = folder.join(part).join(format!("{name}_{number}.jpg"));
            write_jpeg(&file, &pixels, SIZE)?;
            if name == "train" {
                writeln!(rows, "{name}_{number},{}", tags.join(" "))?;
            }
        }
    }
    Ok(fs::write(folder.join("train_v2.csv"), rows)?)
}

/// A picture's tags and its RGB bytes.
fn picture(name: &str, number: usize) -> (Vec<&'static str>, Vec<u8>) {
    let random = &mut random_stream(name, number, SEED);
    let mut canvas = Canvas::new(SIZE);
    let weather = match random.unit() {
        part if part < 0.6 => "clear",
        part if part < 0.8 => "partly_cloudy",
        part if part < 0.9 => "haze",
        _ => "cloudy",
    };
    let mut tags = vec![weather];
    paint_forest(&mut canvas, random);
    if weather != "cloudy" {
        paint_land(&mut canvas, &mut tags, random);
    }
    paint_weather(&mut canvas, weather, random);
    canvas.add_noise(0.02, random);
    (tags, canvas.to_bytes())
}

fn paint_forest(canvas: &mut Canvas, random: &mut RandomStream) {
    let ground = near(FOREST, random);
    canvas.repaint(|_, _| ground);
    for _ in 0..60 {
        let (centre, tree) = (place(random, 1.0), near(ground, random));
        let radius = random.uniform(0.03, 0.09);
        canvas.fill(|p| disc(p, centre, radius), 0.05, 0.6, |_| tree);
    }
}

fn paint_land(canvas: &mut Canvas, tags: &mut Vec<&'static str>, random: &mut RandomStream) {
    tags.push("primary");
    let is_farmed = random.chance(0.35);
    if is_farmed {
        tags.push("agriculture");
        paint_fields(canvas, random);
    }
    if random.chance(0.12) {
        tags.push("bare_ground");
        let (centre, soil) = (place(random, 0.6), near(SOIL, random));
        canvas.fill(|p| disc(p, centre, 0.35), 0.1, 1.0, |_| soil);
    }
    if random.chance(0.25) {
        tags.push("water");
        paint_river(canvas, random);
    }
    let is_lived_in = random.chance(if is_farmed { 0.35 } else { 0.1 });
    if is_lived_in || random.chance(0.15) {
        tags.push("road");
        let (start, end) = ([-1.2, random.uniform(-0.8, 0.8)], [1.2, random.uniform(-0.8, 0.8)]);
        canvas.fill(|p| line(p, start, end, 0.03), 0.0, 0.9, |_| ROAD);
    }
    if is_lived_in {
        tags.push("habitation");
        paint_houses(canvas, random);
    }
}

/// Oblong fields side by side, each of one colour.
fn paint_fields(canvas: &mut Canvas, random: &mut RandomStream) {
    let corner = place(random, 0.5);
    for column in 0..3 {
        for row in 0..2 {
            let colour = near(if random.chance(0.5) { FIELD } else { SOIL }, random);
            let centre = [corner[0] + 0.34 * column as f32, corner[1] + 0.5 * row as f32];
            canvas.fill(|p| rectangle(p, centre, [0.16, 0.24], 0.0), 0.0, 1.0, |_| colour);
        }
    }
}

fn paint_river(canvas: &mut Canvas, random: &mut RandomStream) {
    let (width, bend) = (random.uniform(0.08, 0.2), random.uniform(0.1, 0.35));
    let (phase, middle) = (random.uniform(0.0, 6.3), random.uniform(-0.5, 0.5));
    let is_upright = random.chance(0.5);
    let distance = |[x, y]: Point| {
        let (along, across) = if is_upright { (y, x) } else { (x, y) };
        (across - middle - bend * (2.5 * along + phase).sin()).abs() - width
    };
    canvas.fill(distance, 0.03, 1.0, |_| WATER);
}

fn paint_houses(canvas: &mut Canvas, random: &mut RandomStream) {
    let town = place(random, 0.5);
    for _ in 0..14 {
        let [x, y] = place(random, 0.35);
        let (centre, roof) = ([town[0] + x, town[1] + y], near(ROOF, random));
        canvas.fill(|p| rectangle(p, centre, [0.05, 0.04], 0.0), 0.0, 1.0, |_| roof);
    }
}

fn paint_weather(canvas: &mut Canvas, weather: &str, random: &mut RandomStream) {
    let (clouds, opacity) = match weather {
        "partly_cloudy" => (5, 0.9),
        "cloudy" => (60, 0.95),
        _ => (0, 0.0),
    };
    for _ in 0..clouds {
        let (centre, radius) = (place(random, 1.0), random.uniform(0.15, 0.35));
        canvas.fill(|p| disc(p, centre, radius), 0.25, opacity, |_| CLOUD);
    }
    if weather == "haze" {
        let part = random.uniform(0.45, 0.6);
        canvas.repaint(|_, old| mix(old, CLOUD, part));
    }
}

fn place(random: &mut RandomStream, reach: f32) -> Point {
    [random.uniform(-reach, reach), random.uniform(-reach, reach)]
}

fn near(colour: Colour, random: &mut RandomStream) -> Colour {
    let light = random.uniform(0.8, 1.2);
    colour.map(|channel| (channel * light + random.uniform(-0.03, 0.03)).clamp(0.0, 1.0))
}
