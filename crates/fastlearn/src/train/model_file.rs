//! A model as one `.safetensors` file: weights, and as metadata everything that prediction needs.

use std::collections::BTreeMap;
use std::path::Path;

use autograd::ParameterStore;
use models::exchange::{Part, export, import};
use models::head::HeadOptions;
use models::{Architecture, Classifier, StateDict};
use tensor_core::Device;

use super::learner::Learner;
use crate::transforms::TransformsDescription;
use crate::{Error, Result};

const VERSION: &str = "1";
const VERSION_KEY: &str = "fastlearn.version";
const ARCHITECTURE_KEY: &str = "fastlearn.architecture";
const HEAD_KEY: &str = "fastlearn.head";
const CLASSES_KEY: &str = "fastlearn.classes";
const TRANSFORMS_KEY: &str = "fastlearn.transforms";

/// What a model file says about its model besides the weights.
#[derive(Debug, Clone)]
pub struct ModelDescription {
    /// The body.
    pub architecture: Architecture,
    /// The head.
    pub head: HeadOptions,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// How pictures are brought to the network.
    pub transforms: TransformsDescription,
}

impl ModelDescription {
    fn metadata(&self) -> Result<BTreeMap<String, String>> {
        let entries = [
            (VERSION_KEY, VERSION.to_string()),
            (ARCHITECTURE_KEY, self.architecture.to_json()),
            (HEAD_KEY, json(&self.head)?),
            (CLASSES_KEY, json(&self.classes)?),
            (TRANSFORMS_KEY, json(&self.transforms)?),
        ];
        Ok(entries.map(|(key, value)| (key.to_string(), value)).into())
    }

    fn from_metadata(metadata: &BTreeMap<String, String>, path: &Path) -> Result<Self> {
        let fault = |reason: String| Error::Model { path: path.to_owned(), reason };
        let text = |key: &str| {
            metadata.get(key).ok_or_else(|| {
                fault(format!(
                    "it has no `{key}`: it holds weights alone, or another program's model"
                ))
            })
        };
        let version = text(VERSION_KEY)?;
        if version != VERSION {
            return Err(fault(format!(
                "it is of format version {version}, this program reads version {VERSION}; \
                 use the fastlearn that wrote it, or train again"
            )));
        }
        let unreadable = |key: &str, error: &dyn std::fmt::Display| {
            fault(format!("its `{key}` cannot be read: {error}"))
        };
        let architecture = Architecture::from_json(text(ARCHITECTURE_KEY)?)
            .map_err(|error| unreadable(ARCHITECTURE_KEY, &error))?;
        let head =
            serde_json::from_str(text(HEAD_KEY)?).map_err(|error| unreadable(HEAD_KEY, &error))?;
        let classes = serde_json::from_str(text(CLASSES_KEY)?)
            .map_err(|error| unreadable(CLASSES_KEY, &error))?;
        let transforms = serde_json::from_str(text(TRANSFORMS_KEY)?)
            .map_err(|error| unreadable(TRANSFORMS_KEY, &error))?;
        Ok(ModelDescription { architecture, head, classes, transforms })
    }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Serialise(error.to_string()))
}

/// Writes a learner's model beside its final name and renames it.
pub(super) fn write(learner: &Learner, path: &Path) -> Result<()> {
    let description = ModelDescription {
        architecture: learner.architecture.clone(),
        head: learner.head.clone(),
        classes: learner.data.classes().to_vec(),
        transforms: learner.data.transforms().describe(),
    };
    let mut state = export(&learner.state.store)?;
    state.metadata_mut().extend(description.metadata()?);
    Ok(state.write(path)?)
}

/// Reads a model file: its description, its network and a store on `device`.
///
/// # Errors
/// If the file cannot be read, is cut short, is no model of this program or of another version.
pub fn read_model(
    path: impl AsRef<Path>,
    device: &Device,
) -> Result<(ModelDescription, Classifier, ParameterStore)> {
    let path = path.as_ref();
    let state = StateDict::read(path)?;
    let description = ModelDescription::from_metadata(state.metadata(), path)?;
    let ModelDescription { architecture, head, classes, .. } = &description;
    let (classifier, mut store) = Classifier::new(architecture, classes.len(), head, 0, device)?;
    import(&mut store, &state, Part::Whole, &path.display().to_string())?;
    Ok((description, classifier, store))
}

/// Brings a model file's weights into a learner of the same classes.
pub(super) fn read_into(learner: &mut Learner, path: &Path) -> Result<()> {
    let state = StateDict::read(path)?;
    let description = ModelDescription::from_metadata(state.metadata(), path)?;
    if description.classes != learner.data.classes() {
        return Err(Error::Model {
            path: path.to_owned(),
            reason: format!(
                "its classes are {}, not those of the data",
                description.classes.join(", ")
            ),
        });
    }
    import(&mut learner.state.store, &state, Part::Whole, &path.display().to_string())?;
    Ok(())
}
