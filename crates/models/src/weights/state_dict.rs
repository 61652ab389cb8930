//! Named tensors in memory, in torchvision's names and layout. Files are the business of the format modules.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::weights::entry::Entry;
use crate::weights::format::Format;
use crate::weights::{pth, safetensors};

/// One tensor: `values` in row-major order of `shape`, in torchvision's layout
/// (convolutions `[out, in / groups, rows, columns]`, linear layers `[out, in]`).
#[derive(Debug, Clone, PartialEq)]
pub struct WeightTensor {
    /// Lengths of the dimensions, outermost first; empty for a single value.
    pub shape: Vec<usize>,
    /// As many values as the product of `shape`.
    pub values: Vec<f32>,
}

impl WeightTensor {
    /// A tensor of `values` in the given shape.
    ///
    /// # Errors
    /// [`Error::TensorShape`] if the product of `shape` is not the number of values.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Result<Self> {
        let tensor = Self { shape, values };
        tensor.check("unnamed")?;
        Ok(tensor)
    }

    pub(super) fn check(&self, name: &str) -> Result<()> {
        let product =
            self.shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length));
        if product == Some(self.values.len()) {
            return Ok(());
        }
        Err(Error::TensorShape {
            name: name.to_owned(),
            shape: self.shape.clone(),
            values: self.values.len(),
            problem: "the product of the shape must be the number of values".to_owned(),
        })
    }
}

/// Named tensors in alphabetical order, with a map of short texts beside them.
///
/// ```
/// use models::{StateDict, WeightTensor};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("tiny.safetensors");
///
/// let mut state = StateDict::new();
/// state.insert("fc.weight", WeightTensor::new(vec![1, 2], vec![0.5, -1.0])?)?;
/// state.metadata_mut().insert("classes".into(), "cat".into());
/// state.write(&path)?;
///
/// assert_eq!(StateDict::read(&path)?, state);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateDict {
    tensors: BTreeMap<String, WeightTensor>,
    metadata: BTreeMap<String, String>,
}

impl StateDict {
    /// No tensors, no metadata.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor and returns the one that had the name before.
    ///
    /// # Errors
    /// [`Error::TensorShape`] if the product of its shape is not its number of values.
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        tensor: WeightTensor,
    ) -> Result<Option<WeightTensor>> {
        let name = name.into();
        tensor.check(&name)?;
        Ok(self.tensors.insert(name, tensor))
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&WeightTensor> {
        self.tensors.get(name)
    }

    /// Takes the tensor of that name out.
    pub fn remove(&mut self, name: &str) -> Option<WeightTensor> {
        self.tensors.remove(name)
    }

    /// All names and tensors, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &WeightTensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The texts stored beside the tensors (`__metadata__` in a safetensors file).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The texts stored beside the tensors, to be changed.
    pub fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.metadata
    }

    /// Reads a whole file: `.safetensors`, or a `.pth` in any of the three containers that `torch.save` has used.
    /// What the file is called does not matter. F32, F16, BF16, F64 and the integers I64 and I32 (torchvision's
    /// batch counters) become `f32`, rounded where `f32` is coarser.
    ///
    /// Of a `.pth` nothing is executed. Its state dict may lie under a key such as `state_dict`, and `module.` before
    /// every name is taken off.
    ///
    /// # Errors
    /// [`Error::ReadFile`], [`Error::UnsupportedFormat`] (for example Keras's `.h5`), [`Error::CorruptWeights`] (cut
    /// short, or sizes that contradict each other), [`Error::RefusedWeights`] (a `.pth` with more than tensors in it)
    /// and [`Error::UnsupportedElementType`], each with the file's name. No memory is taken for a tensor before its
    /// size has been checked against the file's.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match Format::of(path)? {
            (Format::Safetensors, file) => safetensors::read(file, path),
            (Format::Pth(container), file) => pth::read(container, &file, path),
        }
    }

    /// Reads only the texts beside the tensors; a safetensors file's sizes are checked as by [`StateDict::read`]. A
    /// `.pth` has no texts.
    ///
    /// # Errors
    /// As [`StateDict::read`], without [`Error::UnsupportedElementType`].
    pub fn read_metadata(path: impl AsRef<Path>) -> Result<BTreeMap<String, String>> {
        let path = path.as_ref();
        match Format::of(path)? {
            (Format::Safetensors, file) => safetensors::read_metadata(file, path),
            (Format::Pth(_), _) => Ok(BTreeMap::new()),
        }
    }

    /// Writes a `.safetensors` file with all tensors as F32. The file appears under its name only when it is whole
    /// and on disk; the same contents always give the same bytes.
    ///
    /// # Errors
    /// [`Error::WriteFile`] names the path, for example on a read-only or full disk.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let entries: Vec<Entry<'_>> =
            self.iter().map(|(name, tensor)| Entry::of(name, tensor)).collect();
        safetensors::write(&entries, &self.metadata, path.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_must_fill_its_shape() {
        assert!(WeightTensor::new(vec![2, 3], vec![0.0; 6]).is_ok());
        assert!(WeightTensor::new(vec![], vec![0.0]).is_ok());
        assert!(WeightTensor::new(vec![usize::MAX, 2], vec![0.0; 2]).is_err());
        let wrong = WeightTensor { shape: vec![2, 3], values: vec![0.0; 5] };
        let message = StateDict::new().insert("conv1.weight", wrong).unwrap_err().to_string();
        assert!(message.contains("conv1.weight") && message.contains("[2, 3]"), "{message}");
    }
}
