//! What is done to a picture between decoding and the network.
//!
//! A transform acts on the decoded pixels (`prepare`), on where the network's pixels are sampled
//! (`geometry`), or on colour (`colour`). The last two compose to one matrix each, so that a
//! picture is sampled once however long the list is; the `augment` op does that, not this module.

mod augmentations;
mod canvas;
mod colour;
mod plan;
mod view;

use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tensor_core::backend::augment::Border;
use tensor_core::random::RandomStream;

pub use augmentations::Augmentation;
pub use canvas::{Affine, Canvas};
pub use colour::Colour;
pub use plan::{DrawKey, Plan, Prepared, Presize, Purpose, Sampling};
pub use view::{Frame, View};

use crate::picture::Picture;
use crate::{Error, Result};

/// Largest side of the pictures that a network gets.
const MAX_SIZE: usize = 8192;

/// One step of augmentation. Implement the points at which it acts; each has random numbers of its
/// own, which depend on the picture's place in the epoch and on nothing else.
///
/// ```
/// use fastlearn::transforms::{Canvas, Transform};
/// use tensor_core::random::RandomStream;
///
/// /// Shifts to the right by up to a tenth of the width.
/// #[derive(Debug)]
/// struct Shift;
///
/// impl Transform for Shift {
///     fn geometry(&self, canvas: &mut Canvas, random: &mut RandomStream) {
///         let left = f64::from(random.uniform(-0.1, 0.0)) * canvas.width() as f64;
///         canvas.window(0.0, left, canvas.height(), canvas.width());
///     }
/// }
/// ```
pub trait Transform: Debug + Send + Sync {
    /// Changes the pixels of the prepared picture; `None` leaves them alone. The copy costs time
    /// in every epoch: what a matrix can do belongs to the other points.
    fn prepare(&self, _picture: &Picture, _random: &mut RandomStream) -> Option<Picture> {
        None
    }

    /// Moves, turns or stretches what the canvas shows.
    fn geometry(&self, _canvas: &mut Canvas, _random: &mut RandomStream) {}

    /// Changes colour.
    fn colour(&self, _colour: &mut Colour, _random: &mut RandomStream) {}

    /// The same as data, for model files. `None` for transforms that are code.
    fn ready_made(&self) -> Option<Augmentation> {
        None
    }
}

/// What lies beyond the edge of a picture, where padding and turning show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    /// The picture mirrored.
    #[default]
    Reflect,
    /// Black.
    Zero,
    /// Its edge pixel.
    Edge,
}

/// How the square for the network is taken from the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// Anywhere; validation takes the middle.
    #[default]
    Random,
    /// The middle.
    Center,
    /// The whole picture, its aspect lost; in validation too.
    Squash,
    /// A window of random area and aspect, squashed; validation takes the middle. Zoom and padding
    /// have no effect.
    GoogleNet,
}

/// Subtracted from and dividing each channel in 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// Mean of red, green, blue.
    pub mean: [f32; 3],
    /// Standard deviation of red, green, blue.
    pub std: [f32; 3],
}

impl Normalisation {
    /// Of ImageNet, on which the pre-trained networks have learnt.
    pub const IMAGENET: Normalisation =
        Normalisation { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

/// How pictures come to the network: augmented for training, plain for validation.
///
/// ```
/// use fastlearn::Transforms;
/// use fastlearn::transforms::{Augmentation, PadMode};
/// let ready_made = Transforms::side_on(224).max_zoom(1.1);
/// let own = Transforms::custom(64, vec![
///     Box::new(Augmentation::RotateZoom { degrees: 9.0, zoom: 0.18, stretch: 0.1 }),
///     Box::new(Augmentation::lighting(0.05, 0.1)),
///     Box::new(Augmentation::Dihedral),
/// ]).pad(64 / 12).pad_mode(PadMode::Reflect);
/// # let _ = (ready_made, own);
/// ```
#[derive(Debug, Clone)]
pub struct Transforms {
    size: usize,
    zoom: Option<(f64, f64)>,
    pad: usize,
    pad_mode: PadMode,
    crop: Crop,
    list: Vec<Arc<dyn Transform>>,
    normalisation: Normalisation,
}

impl Transforms {
    /// No augmentation but the random crop, to squares of this side.
    pub fn none(size: usize) -> Transforms {
        Transforms {
            size,
            zoom: None,
            pad: 0,
            pad_mode: PadMode::default(),
            crop: Crop::default(),
            list: Vec::new(),
            normalisation: Normalisation::IMAGENET,
        }
    }

    /// Turns by up to 10 degrees and light changes of 5 %: where left and right matter.
    pub fn basic(size: usize) -> Transforms {
        Transforms::custom(
            size,
            vec![
                Box::new(Augmentation::rotate(10.0)),
                Box::new(Augmentation::lighting(0.05, 0.05)),
            ],
        )
    }

    /// Things photographed from the side: [`basic`](Transforms::basic) and mirroring.
    pub fn side_on(size: usize) -> Transforms {
        Transforms::basic(size).and(Augmentation::flip())
    }

    /// Things photographed from above: [`basic`](Transforms::basic) and the eight symmetries of
    /// the square.
    pub fn top_down(size: usize) -> Transforms {
        Transforms::basic(size).and(Augmentation::Dihedral)
    }

    /// A list of one's own, applied in order.
    pub fn custom(size: usize, list: Vec<Box<dyn Transform>>) -> Transforms {
        Transforms { list: list.into_iter().map(Arc::from).collect(), ..Transforms::none(size) }
    }

    /// A ready-made list by its name on the command line: `none`, `basic`, `side-on`, `top-down`.
    ///
    /// # Errors
    /// If the name is none of these.
    pub fn named(name: &str, size: usize) -> Result<Transforms> {
        match name {
            "none" => Ok(Transforms::none(size)),
            "basic" => Ok(Transforms::basic(size)),
            "side-on" | "side_on" => Ok(Transforms::side_on(size)),
            "top-down" | "top_down" => Ok(Transforms::top_down(size)),
            _ => Err(Error::setting(
                "transforms",
                name,
                "they are one of none, basic, side-on, top-down",
            )),
        }
    }

    /// One more transform at the end of the list.
    pub fn and(mut self, transform: impl Transform + 'static) -> Transforms {
        self.list.push(Arc::new(transform));
        self
    }

    /// Zooms in by 1 to `factor`, three times out of four. 1.1 suits photographs.
    pub fn max_zoom(self, factor: f64) -> Transforms {
        self.zoom_range(1.0, factor)
    }

    /// Zooms by `low` to `high`, three times out of four; below 1 the border shows.
    pub fn zoom_range(mut self, low: f64, high: f64) -> Transforms {
        self.zoom = Some((low, high));
        self
    }

    /// Adds a rim of so many pixels before the crop.
    pub fn pad(mut self, rim: usize) -> Transforms {
        self.pad = rim;
        self
    }

    /// What the rim and the corners of turned pictures show; mirrored unless told otherwise.
    pub fn pad_mode(mut self, mode: PadMode) -> Transforms {
        self.pad_mode = mode;
        self
    }

    /// How the square is taken from the picture; anywhere unless told otherwise.
    pub fn crop(mut self, crop: Crop) -> Transforms {
        self.crop = crop;
        self
    }

    /// What normalises the channels; that of ImageNet unless told otherwise.
    pub fn normalise(mut self, normalisation: Normalisation) -> Transforms {
        self.normalisation = normalisation;
        self
    }

    /// The same at another size.
    pub fn resized(mut self, size: usize) -> Transforms {
        self.size = size;
        self
    }

    /// Side of the pictures that the network gets.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The way of a training picture.
    ///
    /// # Errors
    /// If size, zoom, padding or normalisation is out of range.
    pub fn training(&self) -> Result<Plan> {
        self.check()?;
        Ok(Plan {
            size: self.size,
            zoom: self.zoom,
            pad: self.pad,
            border: self.border(),
            crop: self.crop,
            place: None,
            mirrored: false,
            list: self.list.clone(),
            normalisation: self.normalisation,
        })
    }

    /// The way of a validation picture: short side to the size, middle square, as fastai has it.
    /// Draws nothing.
    ///
    /// # Errors
    /// As [`training`](Transforms::training).
    pub fn validation(&self) -> Result<Plan> {
        let crop = if self.crop == Crop::Squash { Crop::Squash } else { Crop::Center };
        // Without a rim nothing beyond the edge is seen but the half pixel next to it.
        let border = if self.pad == 0 { Border::Edge } else { self.border() };
        Ok(Plan { zoom: None, crop, border, list: Vec::new(), ..self.training()? })
    }

    /// As data, for model files.
    pub fn describe(&self) -> TransformsDescription {
        let own = self.list.iter().filter(|transform| transform.ready_made().is_none());
        TransformsDescription {
            size: self.size,
            zoom: self.zoom,
            pad: self.pad,
            pad_mode: self.pad_mode,
            crop: self.crop,
            augmentations: self
                .list
                .iter()
                .filter_map(|transform| transform.ready_made())
                .collect(),
            own: own.map(|transform| format!("{transform:?}")).collect(),
            normalisation: self.normalisation,
        }
    }

    fn border(&self) -> Border {
        match self.pad_mode {
            PadMode::Reflect => Border::Reflect,
            PadMode::Zero => Border::Zero,
            PadMode::Edge => Border::Edge,
        }
    }

    fn check(&self) -> Result<()> {
        if !(1..=MAX_SIZE).contains(&self.size) {
            return Err(Error::setting("picture size", self.size, "it must be 1 to 8192 pixels"));
        }
        if self.pad > MAX_SIZE {
            return Err(Error::setting("padding", self.pad, "it must be 0 to 8192 pixels"));
        }
        if let Some((low, high)) = self.zoom
            && !(low >= 0.1 && low <= high && high <= 10.0)
        {
            let rule = "it must lie between 0.1 and 10, the smaller value first";
            return Err(Error::setting("zoom", format!("{low} to {high}"), rule));
        }
        let Normalisation { mean, std } = self.normalisation;
        if mean.iter().any(|value| !value.is_finite()) || std.iter().any(|value| !value.is_normal())
        {
            let rule = "means must be finite, deviations finite and not zero";
            return Err(Error::setting("normalisation", format!("{mean:?}, {std:?}"), rule));
        }
        Ok(())
    }
}

/// [`Transforms`] as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformsDescription {
    /// Side of the pictures that the network gets.
    pub size: usize,
    /// Smallest and largest zoom, if any.
    pub zoom: Option<(f64, f64)>,
    /// Rim in pixels.
    pub pad: usize,
    /// What lies beyond the edge.
    pub pad_mode: PadMode,
    /// How the square is taken.
    pub crop: Crop,
    /// The ready-made transforms of the list, in order.
    pub augmentations: Vec<Augmentation>,
    /// The other transforms of the list, as their `Debug` shows them. They are code and cannot be
    /// restored.
    #[serde(default)]
    pub own: Vec<String>,
    /// What normalises the channels.
    pub normalisation: Normalisation,
}

impl TransformsDescription {
    /// The transforms described. Validation and prediction are exactly as before; training and
    /// test-time augmentation lack what [`own`](TransformsDescription::own) names.
    pub fn restore(&self) -> Transforms {
        let list = self.augmentations.iter().map(|one| Arc::new(*one) as Arc<dyn Transform>);
        Transforms {
            size: self.size,
            zoom: self.zoom,
            pad: self.pad,
            pad_mode: self.pad_mode,
            crop: self.crop,
            list: list.collect(),
            normalisation: self.normalisation,
        }
    }
}

#[cfg(test)]
#[path = "transforms_tests.rs"]
mod tests;
