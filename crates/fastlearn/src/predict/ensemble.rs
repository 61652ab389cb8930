//! Several trained models of one opinion: the mean of what each says.

use std::path::{Path, PathBuf};

use tensor_core::Device;

use super::{Predictions, Predictor, Tta, mean};
use crate::data::{Loading, Split};
use crate::model_file::ModelDescription;
use crate::{Error, Result};

/// Models that were read from files and know the same classes; they may differ in everything else, such
/// as their size of pictures. One model alone is an ensemble too.
///
/// ```no_run
/// # fn main() -> fastlearn::Result<()> {
/// use fastlearn::{Device, predict::Ensemble};
/// let ensemble = Ensemble::open(["run/snapshot-003.safetensors", "run/snapshot-007.safetensors"], &Device::best()?)?;
/// let predictions = ensemble.predict(vec!["cat.jpg".into()])?;
/// # Ok(())
/// # }
/// ```
pub struct Ensemble {
    /// Never empty.
    members: Vec<Predictor>,
}

impl Ensemble {
    /// Reads files that [`Learner::save`](crate::Learner::save) wrote. All models are in memory at once.
    ///
    /// # Errors
    /// As [`Predictor::open`], and unless all know the same classes in the same way; if there are none.
    pub fn open(
        paths: impl IntoIterator<Item = impl AsRef<Path>>,
        device: &Device,
    ) -> Result<Ensemble> {
        let mut members: Vec<Predictor> = Vec::new();
        for path in paths {
            let member = Predictor::open(&path, device)?;
            if let Some(first) = members.first() {
                check_same(first.description(), member.description(), path.as_ref())?;
            }
            members.push(member);
        }
        match members.is_empty() {
            false => Ok(Ensemble { members }),
            true => Err(Error::setting("the number of models", 0, "there must be at least one")),
        }
    }

    /// Batch size, threads and seed.
    pub fn loading(mut self, loading: Loading) -> Ensemble {
        let members = std::mem::take(&mut self.members).into_iter();
        Ensemble { members: members.map(|one| one.loading(loading.clone())).collect() }
    }

    /// How many models there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What the first file says about its model; classes are those of all.
    pub fn description(&self) -> &ModelDescription {
        self.members[0].description()
    }

    /// The mean of all models' probabilities of any picture files.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn predict(&self, files: Vec<PathBuf>) -> Result<Predictions> {
        self.tta(&Split::unlabelled(files), 0)
    }

    /// As [`predict`](Self::predict), of a split, each model by test-time augmentation.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn tta(&self, split: &Split, tta: impl Into<Tta>) -> Result<Predictions> {
        let tta = tta.into();
        let opinions: Result<Vec<Predictions>> =
            self.members.iter().map(|member| member.tta(split, tta)).collect();
        Ok(mean(&opinions?))
    }
}

fn check_same(first: &ModelDescription, other: &ModelDescription, path: &Path) -> Result<()> {
    if first.classes == other.classes && first.label_kind == other.label_kind {
        return Ok(());
    }
    let reason = format!(
        "its classes are {} ({}), those of the first model {} ({}): only models of the same classes can \
         be averaged",
        other.classes.join(", "),
        other.label_kind,
        first.classes.join(", "),
        first.label_kind,
    );
    Err(Error::Model { path: path.to_owned(), reason })
}
