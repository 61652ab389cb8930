//! The ready-made random transforms, with fastai 0.7's ranges and meanings.

use serde::{Deserialize, Serialize};
use tensor_core::random::RandomStream;

use super::{Canvas, Colour, Transform};

/// A ready-made random transform. It can be stored in a model file, unlike one of your own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Augmentation {
    /// Turns by an angle within `-degrees..degrees`.
    Rotate {
        /// Largest angle.
        degrees: f32,
        /// How often it is applied.
        probability: f32,
    },
    /// Adds up to `brightness` and changes contrast by up to `contrast`, either way, about the
    /// mean of the picture.
    Lighting {
        /// Largest change of brightness, of the range 0..1.
        brightness: f32,
        /// Largest change `c` of contrast: the factor goes from `1 / (1 + c)` to `1 + c`.
        contrast: f32,
    },
    /// Mirrors left and right.
    Flip {
        /// How often it is applied.
        probability: f32,
    },
    /// One of the eight symmetries of the square, alike likely.
    Dihedral,
    /// Enlarges about the middle by `1 + low..1 + high`, keeping the size.
    Zoom {
        /// Smallest.
        low: f32,
        /// Largest.
        high: f32,
    },
    /// Stretches one of the axes about the middle by `1..1 + most`, keeping the size.
    Stretch {
        /// Largest.
        most: f32,
    },
    /// One of: turn, zoom, stretch, nothing; a quarter of the time each.
    RotateZoom {
        /// Largest angle, in degrees.
        degrees: f32,
        /// Largest enlargement beyond 1.
        zoom: f32,
        /// Largest stretch beyond 1.
        stretch: f32,
    },
}

impl Augmentation {
    /// [`Rotate`](Augmentation::Rotate) three times out of four.
    pub fn rotate(degrees: f32) -> Augmentation {
        Augmentation::Rotate { degrees, probability: 0.75 }
    }

    /// [`Lighting`](Augmentation::Lighting), always applied.
    pub fn lighting(brightness: f32, contrast: f32) -> Augmentation {
        Augmentation::Lighting { brightness, contrast }
    }

    /// [`Flip`](Augmentation::Flip) every other time.
    pub fn flip() -> Augmentation {
        Augmentation::Flip { probability: 0.5 }
    }
}

impl Transform for Augmentation {
    fn geometry(&self, canvas: &mut Canvas, random: &mut RandomStream) {
        match *self {
            Augmentation::Rotate { degrees, probability } => {
                if random.chance(probability) {
                    rotate(canvas, random, degrees);
                }
            }
            Augmentation::Lighting { .. } => {}
            Augmentation::Flip { probability } => {
                if random.chance(probability) {
                    canvas.flip();
                }
            }
            Augmentation::Dihedral => {
                canvas.quarter_turns(random.below(4));
                if random.chance(0.5) {
                    canvas.flip();
                }
            }
            Augmentation::Zoom { low, high } => zoom(canvas, random, low, high),
            Augmentation::Stretch { most } => stretch(canvas, random, most),
            Augmentation::RotateZoom { degrees, zoom: most_zoom, stretch: most_stretch } => {
                match random.below(4) {
                    0 => rotate(canvas, random, degrees),
                    1 => zoom(canvas, random, 0.0, most_zoom),
                    2 => stretch(canvas, random, most_stretch),
                    _ => {}
                }
            }
        }
    }

    fn colour(&self, colour: &mut Colour, random: &mut RandomStream) {
        if let Augmentation::Lighting { brightness, contrast } = *self {
            let add = f64::from(random.uniform(-brightness, brightness));
            let change = f64::from(random.uniform(-contrast, contrast));
            let factor = if change >= 0.0 { 1.0 + change } else { 1.0 / (1.0 - change) };
            colour.light(factor, add);
        }
    }

    fn ready_made(&self) -> Option<Augmentation> {
        Some(*self)
    }
}

fn rotate(canvas: &mut Canvas, random: &mut RandomStream, degrees: f32) {
    canvas.rotate(f64::from(random.uniform(-degrees, degrees)));
}

fn zoom(canvas: &mut Canvas, random: &mut RandomStream, low: f32, high: f32) {
    let factor = 1.0 + f64::from(random.uniform(low, high));
    canvas.enlarge(factor, factor);
}

fn stretch(canvas: &mut Canvas, random: &mut RandomStream, most: f32) {
    let factor = 1.0 + f64::from(random.uniform(0.0, most));
    match random.below(2) {
        0 => canvas.enlarge(factor, 1.0),
        _ => canvas.enlarge(1.0, factor),
    }
}

#[cfg(test)]
#[path = "augmentations_tests.rs"]
mod tests;
