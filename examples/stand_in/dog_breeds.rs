//! Dog breeds as Kaggle has them: `labels.csv` with `id,breed`, `train/ID.jpg`, `test/ID.jpg`.
//!
//! A breed here is one of three forms of ears on one of four forms of face.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::drawn::world::distance::{Point, disc, ellipse, polygon, sector, union, without};
use super::drawn::world::{pixels, random_stream, shapes::Kind};
use super::{Amount, Result, write_jpeg};

const SIZE: usize = 64;
const SEED: u64 = 11;

const UPRIGHT: u8 = 0;
const HANGING: u8 = 1;
const BAT: u8 = 2;
const ROUND: u8 = 0;
const LONG: u8 = 1;
const BROAD: u8 = 2;
const CURLY: u8 = 3;

const BREEDS: [Kind; 12] = [
    Kind { name: "akita", outline: head::<UPRIGHT, BROAD> },
    Kind { name: "beagle", outline: head::<HANGING, ROUND> },
    Kind { name: "bloodhound", outline: head::<HANGING, LONG> },
    Kind { name: "chihuahua", outline: head::<BAT, ROUND> },
    Kind { name: "collie", outline: head::<UPRIGHT, LONG> },
    Kind { name: "french_bulldog", outline: head::<BAT, BROAD> },
    Kind { name: "mastiff", outline: head::<HANGING, BROAD> },
    Kind { name: "papillon", outline: head::<BAT, CURLY> },
    Kind { name: "pomeranian", outline: head::<UPRIGHT, ROUND> },
    Kind { name: "samoyed", outline: head::<UPRIGHT, CURLY> },
    Kind { name: "standard_poodle", outline: head::<HANGING, CURLY> },
    Kind { name: "whippet", outline: head::<BAT, LONG> },
];

/// Draws the competition's folder.
pub fn draw(folder: &Path, amount: Amount) -> Result<()> {
    let mut labels = String::from("id,breed\n");
    for (part, pictures) in [("train", amount.train), ("test", amount.test)] {
        fs::create_dir_all(folder.join(part))?;
        for number in 0..pictures {
            let kind = breed(number, pictures);
            let id = id(part, number);
            let file = folder.join(part).join(format!("{id}.jpg"));
            let offset = if part == "test" { amount.train } else { 0 };
            write_jpeg(&file, &pixels(kind, offset + number, SIZE, SEED), SIZE)?;
            if part == "train" {
                writeln!(labels, "{id},{}", kind.name)?;
            }
        }
    }
    Ok(fs::write(folder.join("labels.csv"), labels)?)
}

/// Some breeds are four times as common as others, as in the competition some are twice.
fn breed(number: usize, pictures: usize) -> &'static Kind {
    let part = (number as f32 / pictures as f32).powf(1.6);
    &BREEDS[(part * BREEDS.len() as f32) as usize]
}

/// Thirty-two hexadecimal digits that tell nothing.
fn id(part: &str, number: usize) -> String {
    let mut random = random_stream(part, number, SEED);
    (0..32).map(|_| char::from_digit(random.below(16) as u32, 16).unwrap_or('0')).collect()
}

fn head<const EARS: u8, const FACE: u8>(p: Point) -> f32 {
    let half = [p[0].abs(), p[1]];
    let (face, width) = match FACE {
        ROUND => (disc(half, [0.0, -0.1], 0.6), 0.6),
        LONG => (ellipse(half, [0.0, -0.2], [0.38, 0.78]), 0.38),
        BROAD => {
            let jowls = ellipse(half, [0.36, -0.55], [0.4, 0.34]);
            (union([ellipse(half, [0.0, -0.05], [0.66, 0.5]), jowls]), 0.62)
        }
        CURLY => {
            let curl = sector([p[0], p[1] + 0.1], 11);
            (union([disc(half, [0.0, -0.1], 0.55), disc(curl, [0.55, 0.0], 0.16)]), 0.6)
        }
        _ => (f32::INFINITY, 0.0),
    };
    let ears = match EARS {
        UPRIGHT => polygon(half, &[[0.1, 0.3], [width * 0.7, 1.0], [width * 1.05, 0.1]]),
        HANGING => ellipse(half, [width + 0.1, -0.05], [0.17, 0.52]),
        _ => ellipse(half, [width * 0.75 + 0.1, 0.58], [0.28, 0.36]),
    };
    let eyes = disc(half, [width * 0.42, 0.08], 0.09);
    let nose = ellipse(half, [0.0, -0.45], [0.16, 0.1]);
    without(without(union([face, ears]), eyes), nose)
}
