//! ONNX files: a network as it predicts, with its weights, for onnxruntime and its kin.
//!
//! Batch norms stay operators of their own, under the weights' names: runtimes fold them into the convolutions when
//! they load a file, and whoever wants to train on still can. What metadata means is the caller's business.

mod graph;
mod network;
mod protobuf;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use self::network::HeadKind;
use self::protobuf::Message;
use crate::head::HeadOptions;
use crate::weights::{match_names, write_atomically};
use crate::{Architecture, Error, Result, StateDict};

/// Version of the operators' definitions that the files state; runtimes since 2022 know it.
pub const OPSET: i64 = 17;
/// Version of the file format that goes with it.
const IR_VERSION: i64 = 8;

/// A network to be written as an ONNX file.
///
/// The input `pictures` is `[batch, 3, height, width]`, f32, normalised; the output `logits` is `[batch, classes]`.
/// Batch, height and width are free.
///
/// ```
/// use models::onnx::OnnxFile;
/// use models::{Arch, PlainNetwork, exchange};
/// use tensor_core::Device;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let architecture = Arch::ResNet18.architecture();
/// let (_, store) = PlainNetwork::new(architecture, 10, 42, &Device::best()?)?;
/// let state = exchange::export(&store)?;
/// let file = OnnxFile::plain(architecture, &state).metadata("classes", "[\"a\", \"b\"]");
/// file.write(folder.path().join("resnet18.onnx"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OnnxFile<'a> {
    architecture: &'a Architecture,
    state: &'a StateDict,
    head: HeadKind<'a>,
    metadata: BTreeMap<String, String>,
}

impl<'a> OnnxFile<'a> {
    /// A residual network with torchvision's head, `fc`.
    pub fn plain(architecture: &'a Architecture, state: &'a StateDict) -> OnnxFile<'a> {
        OnnxFile { architecture, state, head: HeadKind::Plain, metadata: BTreeMap::new() }
    }

    /// A residual body with the lesson's head.
    pub fn classifier(
        architecture: &'a Architecture,
        head: &'a HeadOptions,
        state: &'a StateDict,
    ) -> OnnxFile<'a> {
        OnnxFile { head: HeadKind::Lesson(head), ..OnnxFile::plain(architecture, state) }
    }

    /// Adds an entry to the file's metadata.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> OnnxFile<'a> {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Writes the file; it appears under its name only when it is whole and on disk.
    ///
    /// # Errors
    /// [`Error::WeightsDoNotFit`] if the body's weights are not the architecture's,
    /// [`Error::IncompleteWeights`] if the head lacks one, [`Error::WriteFile`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.architecture.check()?;
        self.check_body()?;
        let graph = network::graph(self.architecture, self.head, self.classes()?, self.state)?;
        // ModelProto: ir_version = 1, producer_name = 2, producer_version = 3, graph = 7, opset_import = 8,
        // metadata_props = 14. An operator set's version = 2, its domain empty.
        let mut head = Message::new()
            .number(1, IR_VERSION)
            .text(2, "fastlearn")
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(8, Message::new().text(1, "").number(2, OPSET));
        for (key, value) in &self.metadata {
            head = head.message(14, Message::new().text(1, key).text(2, value));
        }
        head.header(7, graph.as_bytes().len());
        write_atomically(path.as_ref(), |writer| {
            writer.write_all(head.as_bytes())?;
            writer.write_all(graph.as_bytes())
        })
    }

    /// The body's names and shapes; the head's are looked up one by one.
    fn check_body(&self) -> Result<()> {
        let expected = self.architecture.tensor_shapes(None);
        let mut report = match_names(&expected, self.state);
        report.unused.clear();
        report.into_result("the network to be exported").map(drop)
    }

    /// The last layer's outputs.
    fn classes(&self) -> Result<usize> {
        let name = match self.head {
            HeadKind::Plain => "fc.bias".to_owned(),
            HeadKind::Lesson(options) => format!("head.{}.linear.bias", options.hidden.len()),
        };
        match self.state.get(&name) {
            Some(bias) => Ok(bias.values.len()),
            None => Err(Error::IncompleteWeights { name }),
        }
    }
}
