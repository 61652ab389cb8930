//! What a learner says of pictures: those of the validation set, or any others.

use super::learner::Learner;
use crate::Result;
use crate::data::{Loader, Split};
use crate::metrics::Temperature;
use crate::predict::{Predictions, TestTimeAugmentation, Tta, predict_loader};

impl Learner {
    /// Probabilities of the validation pictures, seen plainly.
    ///
    /// # Errors
    /// A picture that cannot be read; out of memory.
    pub fn predict(&self) -> Result<Predictions> {
        self.predict_split(self.data.valid())
    }

    /// Probabilities of the validation pictures by test-time augmentation: the mean over a plain view
    /// and so many augmented ones (4 in the lesson), or over the views of any other [`Tta`].
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn tta(&self, tta: impl Into<Tta>) -> Result<Predictions> {
        self.tta_split(self.data.valid(), tta)
    }

    /// Every view of [`tta`](Self::tta) by itself.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn tta_stack(&self, tta: impl Into<Tta>) -> Result<TestTimeAugmentation> {
        self.tta_stack_split(self.data.valid(), tta)
    }

    /// Judges every epoch from now on by test-time augmentation as well: the columns `tta` (accuracy, or F2 of
    /// several labels) and `tta_loss` of the table. It costs as many more validations as there are views. Epochs
    /// of a precomputed head have no pictures to view, and no such columns.
    pub fn tta_each_epoch(&mut self, tta: Option<Tta>) {
        self.epoch_tta = tta;
    }

    /// As [`predict`](Self::predict), of any pictures: the test set
    /// ([`ImageData::test`](crate::ImageData::test)), or files ([`Split::unlabelled`]).
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_split(&self, split: &Split) -> Result<Predictions> {
        self.predict_batches(self.data.loading().plain(split, self.data.transforms(), true)?)
    }

    /// As [`tta`](Self::tta), of any pictures.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn tta_split(&self, split: &Split, tta: impl Into<Tta>) -> Result<Predictions> {
        Ok(self.tta_stack_split(split, tta)?.mean())
    }

    /// Every view of [`tta_split`](Self::tta_split) by itself.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn tta_stack_split(
        &self,
        split: &Split,
        tta: impl Into<Tta>,
    ) -> Result<TestTimeAugmentation> {
        let (loading, transforms) = (self.data.loading(), self.data.transforms());
        TestTimeAugmentation::collect(&tta.into(), transforms, |view| {
            self.predict_batches(loading.viewed(split, transforms, view)?)
        })
    }

    /// Probabilities of whatever a loader brings.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_batches(&self, loader: Loader) -> Result<Predictions> {
        let (store, kind) = (&self.state.store, self.data.label_kind());
        let check = || self.state.interruption.check();
        let predictions = predict_loader(&self.classifier, store, kind, loader, check)?;
        Ok(match self.temperature {
            Some(temperature) => predictions.at(temperature),
            None => predictions,
        })
    }

    /// Fits one number by which logits are divided from now on, so that probabilities mean what they say
    /// (temperature scaling): on the plain validation pictures, of which it takes one pass. The model file
    /// keeps it; training forgets it. No order changes, so no accuracy, and the log loss of those pictures
    /// never rises.
    ///
    /// # Errors
    /// As [`predict`](Self::predict), and if there are no validation pictures.
    pub fn calibrate(&mut self) -> Result<Temperature> {
        let before = self.temperature.take();
        let found = self.predict().and_then(|predictions| predictions.temperature());
        self.temperature = found.as_ref().ok().copied().or(before);
        found
    }

    /// What logits are divided by, if it was fitted.
    pub fn temperature(&self) -> Option<Temperature> {
        self.temperature
    }
}
