//! A trained model from its file: nothing else is needed to predict.

use std::path::{Path, PathBuf};

use autograd::ParameterStore;
use models::Classifier;
use tensor_core::Device;

use super::{Predictions, TestTimeAugmentation, Tta, predict_loader};
use crate::Result;
use crate::data::{Loader, Loading, Split};
use crate::model_file::{ModelDescription, read_model};
use crate::transforms::Transforms;

/// A model that was read from a file.
pub struct Predictor {
    description: ModelDescription,
    classifier: Classifier,
    store: ParameterStore,
    transforms: Transforms,
    loading: Loading,
}

impl Predictor {
    /// Reads a file that [`Learner::save`](crate::Learner::save) wrote.
    ///
    /// # Errors
    /// As [`read_model`].
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Predictor> {
        let (description, classifier, store) = read_model(path, device)?;
        let transforms = description.transforms.restore();
        let loading = Loading::default();
        Ok(Predictor { description, classifier, store, transforms, loading })
    }

    /// Batch size, threads and seed.
    pub fn loading(self, loading: Loading) -> Predictor {
        Predictor { loading, ..self }
    }

    /// What the file says about the model.
    pub fn description(&self) -> &ModelDescription {
        &self.description
    }

    /// Probabilities of any picture files, with the files' names as ids.
    ///
    /// # Errors
    /// A picture that cannot be read, by name; out of memory.
    pub fn predict(&self, files: Vec<PathBuf>) -> Result<Predictions> {
        self.predict_split(&Split::unlabelled(files))
    }

    /// Probabilities of a split's pictures, with its labels if it has any.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_split(&self, split: &Split) -> Result<Predictions> {
        let loader = self.loading.plain(split, &self.transforms, false)?;
        self.predict_batches(loader)
    }

    /// As [`predict_split`](Self::predict_split), by test-time augmentation: a number of random views, or
    /// any other [`Tta`].
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn tta(&self, split: &Split, tta: impl Into<Tta>) -> Result<Predictions> {
        Ok(self.tta_stack(split, tta)?.mean())
    }

    /// Every view of [`tta`](Self::tta) by itself.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn tta_stack(&self, split: &Split, tta: impl Into<Tta>) -> Result<TestTimeAugmentation> {
        TestTimeAugmentation::collect(&tta.into(), &self.transforms, |view| {
            let loader = self.loading.viewed(split, &self.transforms, view)?;
            self.predict_batches(loader)
        })
    }

    fn predict_batches(&self, loader: Loader) -> Result<Predictions> {
        let ModelDescription { label_kind, temperature, .. } = self.description;
        let predictions =
            predict_loader(&self.classifier, &self.store, label_kind, loader, || Ok(()))?;
        Ok(match temperature {
            Some(temperature) => predictions.at(temperature),
            None => predictions,
        })
    }
}
