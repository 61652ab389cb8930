//! Models as files for other programs: PyTorch with torchvision, and whatever runs ONNX.
//!
//! How such files are written is the business of `models`; here a model file's description becomes what they say of
//! themselves.

use std::fmt;
use std::path::{Path, PathBuf};

use models::onnx::OnnxFile;
use models::weights::{TorchFormat, recognise};
use models::{Architecture, StateDict};

use crate::data::LabelKind;
use crate::model_file::{ModelDescription, describes_model};
use crate::{Error, Result};

/// What a model is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// A `.pth` that `torch.load(PATH, weights_only=True)` reads: the body under torchvision's names, the head as
    /// `head.*` (a plain network's as `fc.*`), a counter for every batch norm.
    Torchvision,
    /// The same tensors as `.safetensors`, with the model's description as metadata.
    Safetensors,
    /// The network as it predicts, from normalised pictures `[batch, 3, height, width]` to logits `[batch, classes]`.
    Onnx,
}

impl ExportFormat {
    /// How files of this format end.
    pub fn extension(self) -> &'static str {
        match self {
            ExportFormat::Torchvision => "pth",
            ExportFormat::Safetensors => "safetensors",
            ExportFormat::Onnx => "onnx",
        }
    }

    /// The name of the exported file beside its model: `model.onnx`, and never the model's own name.
    pub fn beside(self, model: &Path) -> PathBuf {
        let path = model.with_extension(self.extension());
        if path == model {
            model.with_extension(format!("torch.{}", self.extension()))
        } else {
            path
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ExportFormat::Torchvision => "torchvision",
            ExportFormat::Safetensors => "safetensors",
            ExportFormat::Onnx => "onnx",
        })
    }
}

/// Writes a model for another program. `model` is a file that [`Learner::save`](crate::Learner::save) wrote, or plain
/// weights under torchvision's names in any format that [`StateDict::read`] reads.
///
/// An ONNX file's metadata has `architecture`, `mean` and `std` (what normalises channels, as JSON lists); a
/// learner's also `size` (pixels of the side it was trained with), `classes` (a JSON list in the order of the logits),
/// `labels` (`one` or `several`), `activation` (`softmax` or `sigmoid`: what makes probabilities of logits) and, if one
/// was fitted, `temperature` (what logits are divided by before).
///
/// # Errors
/// If `model` cannot be read, `out` cannot be written, or plain weights for ONNX are of no known architecture.
///
/// ```no_run
/// use fastlearn::export::{ExportFormat, export};
///
/// export("runs/dogscats/001/model.safetensors", ExportFormat::Onnx, "dogscats.onnx")?;
/// # Ok::<(), fastlearn::Error>(())
/// ```
pub fn export(model: impl AsRef<Path>, format: ExportFormat, out: impl AsRef<Path>) -> Result<()> {
    let (model, out) = (model.as_ref(), out.as_ref());
    let state = StateDict::read(model)?;
    match format {
        ExportFormat::Torchvision => state.write_for_torch(out, TorchFormat::Pth)?,
        ExportFormat::Safetensors => state.write_for_torch(out, TorchFormat::Safetensors)?,
        ExportFormat::Onnx if describes_model(&state) => {
            learner_onnx(&ModelDescription::of(&state, model)?, &state, out)?;
        }
        ExportFormat::Onnx => plain_onnx(model, &state, out)?,
    }
    Ok(())
}

fn learner_onnx(description: &ModelDescription, state: &StateDict, out: &Path) -> Result<()> {
    let ModelDescription { architecture, head, classes, label_kind, transforms, temperature } =
        description;
    let (labels, activation) = match label_kind {
        LabelKind::One => ("one", "softmax"),
        LabelKind::Several => ("several", "sigmoid"),
    };
    let normalisation = transforms.normalisation;
    let mut file = OnnxFile::classifier(architecture, head, state)
        .metadata("architecture", &*architecture.name)
        .metadata("mean", json(&normalisation.mean)?)
        .metadata("std", json(&normalisation.std)?)
        .metadata("size", transforms.size.to_string())
        .metadata("classes", json(classes)?)
        .metadata("labels", labels)
        .metadata("activation", activation);
    if let Some(temperature) = temperature {
        file = file.metadata("temperature", temperature.value().to_string());
    }
    Ok(file.write(out)?)
}

fn plain_onnx(model: &Path, state: &StateDict, out: &Path) -> Result<()> {
    let Some(arch) = recognise(state) else {
        return Err(Error::Model {
            path: model.to_owned(),
            reason: "it is neither a model of this program nor a whole network under \
                     torchvision's names (with `fc`), so there is no graph to write"
                .to_owned(),
        });
    };
    let architecture: &Architecture = arch.architecture();
    let file = OnnxFile::plain(architecture, state)
        .metadata("architecture", &*architecture.name)
        .metadata("mean", json(&architecture.normalisation.mean)?)
        .metadata("std", json(&architecture.normalisation.std)?);
    Ok(file.write(out)?)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Serialise(error.to_string()))
}
