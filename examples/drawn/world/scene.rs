//! One picture: a thing in some pose, colour and light, among clutter and partly hidden.
//!
//! Nothing but the outline depends on the kind: colours, patterns and the background are drawn by
//! lot, so that only form tells the kinds apart.

use std::f32::consts::{PI, TAU};

use tensor_core::random::RandomStream;

use super::distance::{Point, disc, line, rectangle};
use super::paint::{Canvas, Colour, any_colour, contrasting_colour, mix};
use super::shapes::Kind;

/// Paints one picture of `kind` as RGB bytes of `size` by `size` pixels.
pub fn paint(kind: &Kind, size: usize, random: &mut RandomStream) -> Vec<u8> {
    let mut canvas = Canvas::new(size);
    let ground = any_colour(random);
    paint_background(&mut canvas, ground, random);
    for _ in 0..3 + random.below(4) {
        paint_clutter(&mut canvas, ground, random);
    }
    let pose = Pose::draw(random);
    paint_thing(&mut canvas, kind, &pose, ground, random);
    if random.chance(0.3) {
        paint_obstacle(&mut canvas, &pose, random);
    }
    light(&mut canvas, random);
    canvas.add_noise(random.uniform(0.01, 0.03), random);
    canvas.to_bytes()
}

/// Where a thing is and how it is turned.
struct Pose {
    centre: Point,
    /// Half its width and half its height on the canvas; the width is negative if it is mirrored.
    half: Point,
    angle: f32,
}

impl Pose {
    fn draw(random: &mut RandomStream) -> Pose {
        let scale = random.uniform(0.6, 0.85);
        let stretch = random.uniform(0.87, 1.15);
        let side = if random.chance(0.5) { -1.0 } else { 1.0 };
        let room = (0.95 - scale).max(0.1);
        Pose {
            centre: [random.uniform(-room, room), random.uniform(-room, room)],
            half: [side * scale * stretch, scale / stretch],
            angle: random.uniform(-0.45, 0.45),
        }
    }

    /// A place on the canvas as the thing sees it.
    fn to_thing(&self, place: Point) -> Point {
        let (x, y) = (place[0] - self.centre[0], place[1] - self.centre[1]);
        let (sine, cosine) = self.angle.sin_cos();
        [(cosine * x + sine * y) / self.half[0], (cosine * y - sine * x) / self.half[1]]
    }

    fn scale(&self) -> f32 {
        self.half[1]
    }
}

fn paint_background(canvas: &mut Canvas, ground: Colour, random: &mut RandomStream) {
    let (other, waves) = (near_colour(ground, 0.22, random), [(); 3].map(|()| Wave::draw(random)));
    canvas.repaint(|place, _| {
        let height: f32 = waves.iter().map(|wave| wave.at(place)).sum();
        mix(ground, other, (0.5 + height / 3.0).clamp(0.0, 1.0))
    });
}

fn paint_clutter(canvas: &mut Canvas, ground: Colour, random: &mut RandomStream) {
    let centre = [random.uniform(-1.0, 1.0), random.uniform(-1.0, 1.0)];
    let (size, angle) = (random.uniform(0.04, 0.12), random.uniform(0.0, PI));
    let colour = mix(ground, any_colour(random), 0.7);
    let form = random.below(3);
    let distance = move |place: Point| match form {
        0 => disc(place, centre, size),
        1 => rectangle(turned(place, centre, angle), [0.0, 0.0], [size, size * 0.7], 0.0),
        _ => {
            let reach = [angle.cos() * size * 2.5, angle.sin() * size * 2.5];
            let end = [centre[0] + reach[0], centre[1] + reach[1]];
            line(place, centre, end, size * 0.25)
        }
    };
    canvas.fill(distance, 0.0, random.uniform(0.6, 1.0), |_| colour);
}

fn paint_thing(
    canvas: &mut Canvas,
    kind: &Kind,
    pose: &Pose,
    ground: Colour,
    random: &mut RandomStream,
) {
    let distance = |place: Point| (kind.outline)(pose.to_thing(place)) * pose.scale();
    if random.chance(0.5) {
        let shift = [random.uniform(-0.1, 0.1), random.uniform(-0.12, -0.04)];
        let shadow = |place: Point| distance([place[0] - shift[0], place[1] - shift[1]]);
        canvas.fill(shadow, 0.14, 0.45, |_| [0.0; 3]);
    }
    let colour = contrasting_colour(ground, 0.35, random);
    let second = near_colour(colour, 0.12, random);
    let pattern = Pattern::draw(random);
    canvas.fill(distance, 0.0, 1.0, |place| mix(colour, second, pattern.at(pose.to_thing(place))));
}

/// Something in front: a bar or a disc that hides a part of the thing.
fn paint_obstacle(canvas: &mut Canvas, pose: &Pose, random: &mut RandomStream) {
    let (angle, reach) = (random.uniform(0.0, TAU), random.uniform(0.3, 0.9) * pose.scale());
    let centre = [pose.centre[0] + reach * angle.cos(), pose.centre[1] + reach * angle.sin()];
    let (colour, size) = (any_colour(random), random.uniform(0.07, 0.15));
    let (bar, slope) = (random.chance(0.5), random.uniform(0.0, PI));
    let distance = |place: Point| match bar {
        true => turned(place, centre, slope)[1].abs() - size * 0.4,
        false => disc(place, centre, size),
    };
    canvas.fill(distance, 0.0, 1.0, |_| colour);
}

/// Light that falls in from one side.
fn light(canvas: &mut Canvas, random: &mut RandomStream) {
    let (angle, slope) = (random.uniform(0.0, TAU), random.uniform(0.0, 0.3));
    let exposure = random.uniform(0.75, 1.2);
    let (x, y) = (slope * angle.cos(), slope * angle.sin());
    canvas.repaint(|place, old| {
        let factor = exposure * (1.0 + x * place[0] + y * place[1]);
        old.map(|channel| channel * factor)
    });
}

/// A wave across the plane.
struct Wave {
    x: f32,
    y: f32,
    phase: f32,
}

impl Wave {
    fn draw(random: &mut RandomStream) -> Wave {
        let (angle, frequency) = (random.uniform(0.0, TAU), random.uniform(1.0, 6.0));
        let phase = random.uniform(0.0, TAU);
        Wave { x: frequency * angle.cos(), y: frequency * angle.sin(), phase }
    }

    fn at(&self, place: Point) -> f32 {
        (self.x * place[0] + self.y * place[1] + self.phase).sin()
    }
}

/// How a thing's second colour lies on the first.
enum Pattern {
    Plain,
    Stripes(Wave),
    Checks(Wave),
}

impl Pattern {
    fn draw(random: &mut RandomStream) -> Pattern {
        let wave = Wave::draw(random);
        let dense = Wave { x: wave.x * 2.0, y: wave.y * 2.0, ..wave };
        match random.below(3) {
            0 => Pattern::Plain,
            1 => Pattern::Stripes(dense),
            _ => Pattern::Checks(dense),
        }
    }

    fn at(&self, place: Point) -> f32 {
        match self {
            Pattern::Plain => 0.0,
            Pattern::Stripes(wave) => 0.5 + 0.5 * wave.at(place),
            Pattern::Checks(wave) => {
                let across = Wave { x: -wave.y, y: wave.x, phase: wave.phase };
                if wave.at(place) * across.at(place) > 0.0 { 1.0 } else { 0.0 }
            }
        }
    }
}

fn near_colour(colour: Colour, distance: f32, random: &mut RandomStream) -> Colour {
    colour.map(|channel| (channel + random.uniform(-distance, distance)).clamp(0.0, 1.0))
}

/// A place seen from `centre`, turned by `angle`.
fn turned(place: Point, centre: Point, angle: f32) -> Point {
    let (x, y) = (place[0] - centre[0], place[1] - centre[1]);
    let (sine, cosine) = angle.sin_cos();
    [cosine * x + sine * y, cosine * y - sine * x]
}
