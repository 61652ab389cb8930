//! A learner into a model file, and a model file's weights into a learner.

use std::path::Path;

use models::exchange::{Part, export, import};

use super::learner::Learner;
use crate::model_file::{ModelDescription, read_described};
use crate::{Error, Result};

impl Learner {
    /// Writes weights, classes and transforms into one `.safetensors` file that predicts by itself.
    ///
    /// # Errors
    /// If the file cannot be written; nothing half-written is left.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write(self, path.as_ref())
    }

    /// What a model file says of this learner besides its weights.
    pub fn description(&self) -> ModelDescription {
        ModelDescription {
            architecture: self.architecture.clone(),
            head: self.head.clone(),
            classes: self.data.classes().to_vec(),
            label_kind: self.data.label_kind(),
            transforms: self.data.transforms().describe(),
            temperature: self.temperature,
        }
    }

    /// Brings back the weights of a file that [`save`](Self::save) wrote for the same architecture
    /// and classes. Nothing changes unless all of it fits.
    ///
    /// # Errors
    /// If the file cannot be read or is another model's.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        read_into(self, path.as_ref())
    }
}

/// Writes a learner's model beside its final name and renames it.
fn write(learner: &Learner, path: &Path) -> Result<()> {
    let description = learner.description();
    let mut state = export(&learner.state.store)?;
    state.metadata_mut().extend(description.metadata()?);
    Ok(state.write(path)?)
}

/// Brings a model file's weights into a learner of the same classes.
fn read_into(learner: &mut Learner, path: &Path) -> Result<()> {
    let (description, state) = read_described(path)?;
    if description.classes != learner.data.classes() {
        return Err(Error::Model {
            path: path.to_owned(),
            reason: format!(
                "its classes are {}, not those of the data",
                description.classes.join(", ")
            ),
        });
    }
    if description.label_kind != learner.data.label_kind() {
        return Err(Error::Model {
            path: path.to_owned(),
            reason: format!(
                "it was trained with {}, the data has {}",
                description.label_kind,
                learner.data.label_kind()
            ),
        });
    }
    import(&mut learner.state.store, &state, Part::Whole, &path.display().to_string())?;
    learner.temperature = description.temperature;
    Ok(())
}
