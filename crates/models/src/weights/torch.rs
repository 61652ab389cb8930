//! Files for PyTorch: the state dict that `load_state_dict(strict=True)` expects, as `.pth` or `.safetensors`.
//!
//! PyTorch's batch norms count the batches that they have seen (`num_batches_tracked`, a 64-bit integer), which
//! nothing here does. Every norm gets its counter, 0 if the state has none.

use std::collections::BTreeMap;
use std::path::Path;

use super::entry::{Entry, Values};
use super::{StateDict, pth, safetensors};
use crate::error::Result;

const COUNTER: &str = "num_batches_tracked";

/// The container of a file for PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TorchFormat {
    /// What `torch.load(PATH, weights_only=True)` reads.
    Pth,
    /// What `safetensors.torch.load_file(PATH)` reads; keeps the metadata.
    Safetensors,
}

impl StateDict {
    /// Writes all tensors as PyTorch's modules expect them, with a counter for every batch norm.
    ///
    /// # Errors
    /// [`Error::WriteFile`](crate::Error::WriteFile) names the path; nothing half-written is left.
    pub fn write_for_torch(&self, path: impl AsRef<Path>, format: TorchFormat) -> Result<()> {
        let entries = entries(self);
        match format {
            TorchFormat::Pth => pth::write(&entries, path.as_ref()),
            TorchFormat::Safetensors => {
                safetensors::write(&entries, self.metadata(), path.as_ref())
            }
        }
    }
}

fn entries(state: &StateDict) -> Vec<Entry<'_>> {
    let mut entries: BTreeMap<String, Entry<'_>> = BTreeMap::new();
    for (name, tensor) in state.iter() {
        if let Some(norm) = name.strip_suffix("running_var") {
            let counter = format!("{norm}{COUNTER}");
            let count = state.get(&counter).and_then(|tensor| tensor.values.first());
            let values = Values::Integer(count.map_or(0, |&count| count as i64));
            entries.insert(counter.clone(), Entry { name: counter.into(), shape: &[], values });
        }
        if !name.ends_with(COUNTER) {
            entries.insert(name.to_owned(), Entry::of(name, tensor));
        }
    }
    entries.into_values().collect()
}
