//! `fastlearn export`: a model as a file for PyTorch or ONNX.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fastlearn::export::{ExportFormat, export};

use super::error::{CommandError, Result};
use super::output::write_out;

/// Writes a model for PyTorch with torchvision, or as ONNX.
///
/// `torchvision` is a .pth and `safetensors` a .safetensors with the same tensors: the body under
/// torchvision's names, the head as `head.*`. `onnx` is the network as it predicts, with classes and
/// normalisation in its metadata. Plain weights under torchvision's names, a .pth for example, are
/// taken as well as models. docs/export.md shows how to load the files.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The file that `train` left, or plain weights
    model: PathBuf,
    /// What to write
    #[arg(long, value_name = "NAME")]
    format: FormatName,
    /// The file to write; beside the model unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What a model is written as.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    /// A .pth for torch.load
    Torchvision,
    /// A .safetensors for safetensors.torch.load_file
    Safetensors,
    /// For onnxruntime and its kin
    Onnx,
}

impl From<FormatName> for ExportFormat {
    fn from(name: FormatName) -> ExportFormat {
        match name {
            FormatName::Torchvision => ExportFormat::Torchvision,
            FormatName::Safetensors => ExportFormat::Safetensors,
            FormatName::Onnx => ExportFormat::Onnx,
        }
    }
}

pub fn run(arguments: &ExportArguments) -> Result<()> {
    let format = ExportFormat::from(arguments.format);
    let model = &arguments.model;
    let out = arguments.out.clone().unwrap_or_else(|| format.beside(model));
    // Whatever way the two are written, a model is never replaced by its export.
    if out.canonicalize().is_ok_and(|out| model.canonicalize().is_ok_and(|model| model == out)) {
        return Err(CommandError::Request(format!(
            "{} is the model itself; choose another file with --out",
            out.display()
        )));
    }
    export(model, format, &out)?;
    write_out(|writer| writeln!(writer, "{}", out.display()))
}
