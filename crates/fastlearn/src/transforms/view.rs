//! One way to look at a picture that is to be predicted: plainly, as in training, or through a window at
//! a fixed place. Which views are taken together is `predict`'s business.

use std::sync::Arc;

use super::plan::Place;
use super::{Augmentation, Crop, Plan, Transform, Transforms};
use crate::{Error, Result};

/// Angles and changes of light that a view draws, unless the transforms do: those of
/// [`Transforms::basic`].
const DEGREES: f32 = 10.0;
const LIGHT: f32 = 0.05;

/// What of the picture is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Frame {
    /// What validation sees.
    Plain,
    /// What training sees, drawn anew for every pass.
    Training,
    /// A window of the picture whose short side is `zoom` times the size of the window's.
    Window {
        /// At least 1.
        zoom: f64,
        /// Where the window lies between the top (0) and the bottom (1).
        down: f64,
        /// Where the window lies between left (0) and right (1).
        across: f64,
    },
}

/// A frame and what is done to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// What of the picture is seen.
    pub frame: Frame,
    /// Mirrored left and right, exactly.
    pub mirrored: bool,
    /// Brightness and contrast drawn within 5 %.
    pub lighting: bool,
    /// Turned by an angle drawn within 10 degrees, three times out of four.
    pub rotation: bool,
    /// Makes its draws differ from other views'.
    pub pass: usize,
}

impl View {
    /// What validation sees.
    pub const PLAIN: View =
        View { frame: Frame::Plain, mirrored: false, lighting: false, rotation: false, pass: 0 };

    /// Whether it is what validation sees, so that it draws nothing.
    pub fn is_plain(&self) -> bool {
        *self == View { pass: self.pass, ..View::PLAIN }
    }
}

impl Transforms {
    /// The way of a picture to this view. One affine map holds window, angle and mirror, so that pixels
    /// are sampled once as always.
    ///
    /// # Errors
    /// As [`training`](Transforms::training), and for a window of transforms that squash: those see the
    /// whole picture already.
    pub fn viewing(&self, view: &View) -> Result<Plan> {
        let mut plan = match view.frame {
            Frame::Training => self.training()?,
            Frame::Plain | Frame::Window { .. } => self.validation()?,
        };
        if let Frame::Window { zoom, down, across } = view.frame {
            if plan.crop == Crop::Squash {
                let rule = "squashed pictures are seen whole already; take random views";
                return Err(Error::setting("test-time augmentation", "crops", rule));
            }
            plan.place = Some(Place { zoom, down, across });
        }
        let mut add = |augmentation| plan.list.push(Arc::new(augmentation) as Arc<dyn Transform>);
        if view.rotation {
            add(Augmentation::rotate(DEGREES));
            plan.border = self.border();
        }
        if view.lighting {
            add(Augmentation::lighting(LIGHT, LIGHT));
        }
        plan.mirrored = view.mirrored;
        Ok(plan)
    }

    /// The largest zoom of training, if it zooms in.
    pub(crate) fn largest_zoom(&self) -> Option<f64> {
        self.zoom.map(|(_, high)| high).filter(|&high| high > 1.0)
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
