//! What keeps a network from learning its pictures by heart, besides augmentation.

use super::learner::Learner;
use super::soften::{check_mixup, check_smoothing};
use crate::Result;

impl Learner {
    /// Spreads this part of every training target over all classes (0.1 is usual; 0 stops it), so that no
    /// logit has to grow without end (Szegedy et al., *Rethinking the Inception architecture*, 2016). With
    /// several labels a picture each target moves that part of the way to a half.
    ///
    /// Training losses are then higher than validation losses, which are those of plain labels. It costs
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) unless it is at least 0 and below 1.
    pub fn label_smoothing(&mut self, part: f32) -> Result<()> {
        self.softening.smoothing = check_smoothing(part)?;
        Ok(())
    }

    /// Mixes every training picture with another one of its batch, and their targets alike: by shares drawn
    /// for each batch from the beta distribution with both parameters `alpha` (0.4 is usual; 0 stops it).
    /// Zhang et al., *mixup: beyond empirical risk minimization*, 2018. A precomputed head mixes activations.
    ///
    /// Training losses are then far above validation losses; it wants more epochs. It costs two passes over
    /// each batch of pictures, some thousandths of a step.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) unless it is a number of at least 0.
    pub fn mixup(&mut self, alpha: f32) -> Result<()> {
        self.softening.mixup = check_mixup(alpha)?;
        Ok(())
    }
}
