//! What happens to one picture, in order: presize, zoom, pad, the list of transforms, crop,
//! normalise. Settings and their meaning are in the module above; nothing is stored here.

use std::sync::Arc;

use tensor_core::backend::augment::{AugmentShape, Border};
use tensor_core::random::{Philox, RandomStream};

use super::{Canvas, Colour, Crop, Normalisation, Transform};
use crate::picture::{Picture, shrink};

/// What random numbers are drawn for. Each purpose has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The order of an epoch.
    Shuffle = 1,
    /// Augmented training pictures.
    Train = 2,
    /// Test-time augmentation.
    TestTime = 3,
    /// Pictures through the validation transform, which draws nothing.
    Plain = 4,
    /// Which training pictures are mixed, and how.
    Mixup = 5,
    /// The size of a training batch's pictures.
    Size = 6,
    /// Which pictures an epoch draws, where they are weighted.
    Draw = 7,
}

/// With the position of a picture in the epoch's order this fixes every random number drawn for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawKey {
    /// Seed of the run.
    pub seed: u64,
    /// What for.
    pub purpose: Purpose,
    /// Pass of test-time augmentation.
    pub pass: u32,
    /// Epoch, from 0.
    pub epoch: u32,
}

impl DrawKey {
    /// One of so many choices for a whole batch.
    pub(crate) fn choose(&self, batch: usize, choices: usize) -> usize {
        let family = Philox::new(self.seed).derive(Purpose::Size as u64);
        family.stream([batch as u32, self.epoch, 0]).below(choices)
    }

    /// Numbers for one picture and one use, independent of those for any other.
    fn stream(&self, position: usize, use_number: usize) -> RandomStream {
        let family =
            Philox::new(self.seed).derive(self.purpose as u64).derive(u64::from(self.pass));
        family.stream([position as u32, self.epoch, use_number as u32])
    }
}

/// To which size pictures are shrunk once, after decoding. Smaller ones stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presize {
    /// The short side gets this length, the long side in proportion.
    ShortSide(usize),
    /// Both sides get this length.
    Square(usize),
}

/// Sides in proportion with the short one at `short`: fastai's rounding.
fn short_side_to(height: usize, width: usize, short: usize) -> (usize, usize) {
    let ratio = short as f64 / height.min(width) as f64;
    let side = |length: usize| ((length as f64 * ratio) as usize).max(short);
    (side(height), side(width))
}

/// A decoded picture, shrunk to what the transforms need: what is kept between epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The pixels.
    pub picture: Picture,
    /// Height and width before shrinking.
    pub original: (usize, usize),
    /// Mean of each channel in 0..1.
    pub mean: [f64; 3],
}

/// How one prepared picture is sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// The pixels, if a transform has changed them.
    pub picture: Option<Picture>,
    /// Centre of an output pixel to its place in the picture; row-major 2x3.
    pub geometry: [f32; 6],
    /// Row-major 3x4 on RGB in 0..1.
    pub colour: [f32; 12],
    /// What lies beyond the edge.
    pub border: Border,
}

/// The way of a picture to the network: made by [`Transforms`](super::Transforms), for training or
/// for validation.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) size: usize,
    pub(super) zoom: Option<(f64, f64)>,
    pub(super) pad: usize,
    pub(super) border: Border,
    pub(super) crop: Crop,
    /// A window at a fixed place instead of what is drawn.
    pub(super) place: Option<Place>,
    /// Mirrored left and right, last of all.
    pub(super) mirrored: bool,
    pub(super) list: Vec<Arc<dyn Transform>>,
    pub(super) normalisation: Normalisation,
}

/// A window of the picture whose short side is `zoom` times the window's; `down` and `across` say where it
/// lies between one end (0) and the other (1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub zoom: f64,
    pub down: f64,
    pub across: f64,
}

/// Use numbers of the plan's own draws; those of the list come after.
const ZOOM: usize = 0;
const CROP: usize = 1;
const LIST: usize = 2;
/// Points at which a transform of the list draws.
const POINTS: usize = 3;
/// How often zooming is drawn, as in fastai.
const ZOOM_PROBABILITY: f32 = 0.75;

impl Plan {
    /// Side of the pictures that the network gets.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Shape and normalisation of a batch of `n`.
    pub fn shape(&self, n: usize) -> AugmentShape {
        let Normalisation { mean, std } = self.normalisation;
        AugmentShape { n, height: self.size, width: self.size, mean, std }
    }

    /// To which size pictures are shrunk after decoding: what the largest zoom needs, so that
    /// one size serves every draw.
    pub fn presize(&self) -> Presize {
        let zoom = self.place.map(|place| place.zoom).or(self.zoom.map(|(_, high)| high));
        let largest = zoom.map_or(self.size, |zoom| zoomed(self.size, zoom));
        match self.crop {
            Crop::Squash => Presize::Square(largest),
            // Windows reach from a twelfth of the picture to all of it. Twice the size bounds
            // both the enlargement of the small and the aliasing of the large.
            Crop::GoogleNet => Presize::ShortSide(2 * self.size),
            Crop::Random | Crop::Center => Presize::ShortSide(largest),
        }
    }

    /// The part that draws nothing: shrink, and note the mean.
    pub fn prepare(&self, picture: Picture) -> Prepared {
        let original = (picture.height, picture.width);
        let (height, width) = match self.presize() {
            Presize::Square(side) => (side, side),
            Presize::ShortSide(side) => short_side_to(original.0, original.1, side),
        };
        let shrinks = height.min(width) < original.0.min(original.1) || self.crop == Crop::Squash;
        let picture = if shrinks { shrink(picture, height, width) } else { picture };
        let mean = channel_means(&picture);
        Prepared { picture, original, mean }
    }

    /// The part that draws: where to sample and how to colour, for the picture at this position
    /// of the epoch's order.
    pub fn sample(&self, prepared: &Prepared, key: &DrawKey, position: usize) -> Sampling {
        let mut canvas = self.canvas(prepared, &mut key.stream(position, ZOOM));
        // A window at the end of the picture shows no rim.
        if self.crop != Crop::GoogleNet && self.place.is_none() {
            canvas.pad(self.pad);
        }
        let mut changed: Option<Picture> = None;
        let mut colour = Colour::unchanged(prepared.mean);
        for (number, transform) in self.list.iter().enumerate() {
            let [mut pixels, mut place, mut paint] =
                [0, 1, 2].map(|point| key.stream(position, LIST + number * POINTS + point));
            let current = changed.as_ref().unwrap_or(&prepared.picture);
            if let Some(next) = transform.prepare(current, &mut pixels) {
                colour = Colour::unchanged(channel_means(&next));
                changed = Some(next);
            }
            transform.geometry(&mut canvas, &mut place);
            transform.colour(&mut colour, &mut paint);
        }
        self.cut(&mut canvas, &mut key.stream(position, CROP));
        if self.mirrored {
            canvas.flip();
        }
        Sampling {
            picture: changed,
            geometry: canvas.to_source().0.map(|value| value as f32),
            colour: colour.matrix().map(|value| value as f32),
            border: self.border,
        }
    }

    /// The whole picture at the size it is zoomed to.
    fn canvas(&self, prepared: &Prepared, random: &mut RandomStream) -> Canvas {
        let Picture { height, width, .. } = prepared.picture;
        if self.crop == Crop::GoogleNet {
            return Canvas::showing(height, width, height, width);
        }
        let factor = match (self.place, self.zoom) {
            (Some(place), _) => place.zoom,
            (None, Some((low, high))) if random.chance(ZOOM_PROBABILITY) => {
                low + (high - low) * f64::from(random.unit())
            }
            _ => 1.0,
        };
        let (rows, columns) = prepared.original;
        let (rows, columns) = short_side_to(rows, columns, zoomed(self.size, factor));
        Canvas::showing(rows, columns, height, width)
    }

    fn cut(&self, canvas: &mut Canvas, random: &mut RandomStream) {
        let size = self.size;
        let (down, across) =
            (canvas.height() as f64 - size as f64, canvas.width() as f64 - size as f64);
        if let Some(place) = self.place {
            let (top, left) = ((down * place.down).ceil(), (across * place.across).ceil());
            return canvas.window(top, left, size, size);
        }
        match self.crop {
            Crop::Random => {
                let [top, left] =
                    [down, across].map(|room| (f64::from(random.unit()) * room).trunc());
                canvas.window(top, left, size, size);
            }
            Crop::Center => canvas.window((down / 2.0).ceil(), (across / 2.0).ceil(), size, size),
            Crop::Squash => canvas.resize(size, size),
            Crop::GoogleNet => google_net_window(canvas, size, random),
        }
    }
}

fn zoomed(size: usize, factor: f64) -> usize {
    ((factor * size as f64) as usize).max(1)
}

/// A window of 8 to 100 % of the area and of an aspect between 3:4 and 4:3, squashed to a square;
/// failing ten times, the middle square (Szegedy et al., *Going deeper with convolutions*, 2015).
fn google_net_window(canvas: &mut Canvas, size: usize, random: &mut RandomStream) {
    let (height, width) = (canvas.height(), canvas.width());
    let area = height as f64 * width as f64;
    for _ in 0..10 {
        let part = area * f64::from(random.uniform(0.08, 1.0));
        let aspect = f64::from(random.uniform(0.75, 4.0 / 3.0));
        let mut sides =
            [(part / aspect).sqrt(), (part * aspect).sqrt()].map(|side| side.round() as usize);
        if random.chance(0.5) {
            sides.reverse();
        }
        let [rows, columns] = sides;
        if (1..=height).contains(&rows) && (1..=width).contains(&columns) {
            let (top, left) = (random.below(height - rows + 1), random.below(width - columns + 1));
            canvas.window(top as f64, left as f64, rows, columns);
            return canvas.resize(size, size);
        }
    }
    let side = height.min(width);
    let (top, left) = ((height - side).div_ceil(2), (width - side).div_ceil(2));
    canvas.window(top as f64, left as f64, side, side);
    canvas.resize(size, size);
}

fn channel_means(picture: &Picture) -> [f64; 3] {
    let mut sums = [0u64; 3];
    for pixel in picture.pixels.chunks_exact(3) {
        (0..3).for_each(|channel| sums[channel] += u64::from(pixel[channel]));
    }
    let count = (picture.height * picture.width).max(1) as f64;
    sums.map(|sum| sum as f64 / (255.0 * count))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
