//! A model as one `.safetensors` file: weights, and as metadata everything that prediction needs.
//!
//! Writing a learner into such a file, or reading one into it, is the learner's business.

use std::collections::BTreeMap;
use std::path::Path;

use autograd::ParameterStore;
use models::exchange::{Part, import};
use models::head::HeadOptions;
use models::{Architecture, Classifier, StateDict};
use tensor_core::Device;

use crate::data::LabelKind;
use crate::metrics::Temperature;
use crate::transforms::TransformsDescription;
use crate::{Error, Result};

const VERSION: &str = "1";
const VERSION_KEY: &str = "fastlearn.version";
const ARCHITECTURE_KEY: &str = "fastlearn.architecture";
const HEAD_KEY: &str = "fastlearn.head";
const CLASSES_KEY: &str = "fastlearn.classes";
/// `"one"` or `"several"` (as JSON); a file without it has one class a picture.
const LABELS_KEY: &str = "fastlearn.labels";
const TRANSFORMS_KEY: &str = "fastlearn.transforms";
/// A number; a file without it predicts as it was trained.
const TEMPERATURE_KEY: &str = "fastlearn.temperature";

/// What a model file says about its model besides the weights.
#[derive(Debug, Clone)]
pub struct ModelDescription {
    /// The body.
    pub architecture: Architecture,
    /// The head.
    pub head: HeadOptions,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// Whether a picture has one class or several: a softmax over the logits, or a sigmoid of each.
    pub label_kind: LabelKind,
    /// How pictures are brought to the network.
    pub transforms: TransformsDescription,
    /// What predictions divide logits by, if it was fitted.
    pub temperature: Option<Temperature>,
}

impl ModelDescription {
    /// What stands beside the weights.
    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, String>> {
        let entries = [
            (VERSION_KEY, VERSION.to_string()),
            (ARCHITECTURE_KEY, self.architecture.to_json()),
            (HEAD_KEY, json(&self.head)?),
            (CLASSES_KEY, json(&self.classes)?),
            (LABELS_KEY, json(&self.label_kind)?),
            (TRANSFORMS_KEY, json(&self.transforms)?),
        ];
        let temperature = self.temperature.map(|one| (TEMPERATURE_KEY, one.value().to_string()));
        let entries = entries.into_iter().chain(temperature);
        Ok(entries.map(|(key, value)| (key.to_string(), value)).collect())
    }

    /// What a model file's metadata says; `path` is for messages.
    pub(crate) fn of(state: &StateDict, path: &Path) -> Result<Self> {
        Self::from_metadata(state.metadata(), path)
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
        let label_kind = match metadata.get(LABELS_KEY) {
            None => LabelKind::One,
            Some(kind) => {
                serde_json::from_str(kind).map_err(|error| unreadable(LABELS_KEY, &error))?
            }
        };
        let transforms = serde_json::from_str(text(TRANSFORMS_KEY)?)
            .map_err(|error| unreadable(TRANSFORMS_KEY, &error))?;
        let temperature = match metadata.get(TEMPERATURE_KEY) {
            None => None,
            Some(number) => {
                let number = number.parse().map_err(|error| unreadable(TEMPERATURE_KEY, &error))?;
                let found = Temperature::new(number);
                Some(found.map_err(|error| unreadable(TEMPERATURE_KEY, &error))?)
            }
        };
        Ok(ModelDescription { architecture, head, classes, label_kind, transforms, temperature })
    }
}

/// Whether these are a model of this program, and not weights alone.
pub(crate) fn describes_model(state: &StateDict) -> bool {
    state.metadata().contains_key(VERSION_KEY)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Serialise(error.to_string()))
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
    let (description, state) = read_described(path)?;
    let ModelDescription { architecture, head, classes, .. } = &description;
    let (classifier, mut store) = Classifier::new(architecture, classes.len(), head, 0, device)?;
    import(&mut store, &state, Part::Whole, &path.display().to_string())?;
    Ok((description, classifier, store))
}

/// The description and the weights, in no network yet.
pub(crate) fn read_described(path: &Path) -> Result<(ModelDescription, StateDict)> {
    let state = StateDict::read(path)?;
    let description = ModelDescription::of(&state, path)?;
    Ok((description, state))
}
