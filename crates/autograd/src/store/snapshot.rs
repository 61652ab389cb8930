//! A copy of everything that training changes in a store: one copy a buffer, on the device or on the host.

use tensor_core::Tensor;

use super::ParameterStore;
use crate::{Error, Result};

/// Parameters and running statistics at one moment.
#[derive(Clone)]
pub struct Snapshot {
    values: Tensor,
    running: Tensor,
}

/// A snapshot on the host: the flat buffers as they lie, padding included, for files that the same
/// network reads again.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSnapshot {
    /// Parameters.
    pub values: Vec<f32>,
    /// Running means and variances.
    pub running: Vec<f32>,
}

impl Snapshot {
    /// Copies it to the host.
    ///
    /// # Errors
    /// If the device fails.
    pub fn to_host(&self) -> Result<HostSnapshot> {
        Ok(HostSnapshot { values: self.values.to_f32()?, running: self.running.to_f32()? })
    }
}

impl ParameterStore {
    /// Copies parameters and running statistics to the host, without memory of the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn host_snapshot(&self) -> Result<HostSnapshot> {
        Ok(HostSnapshot { values: self.values.to_f32()?, running: self.running.to_f32()? })
    }

    /// Brings what was on the host to the device, as a snapshot of this store.
    ///
    /// # Errors
    /// [`Error::ParameterSize`] if it is that of another network; out of memory.
    pub fn upload(&self, host: &HostSnapshot) -> Result<Snapshot> {
        Ok(Snapshot {
            values: uploaded(&self.values, "all parameters", &host.values)?,
            running: uploaded(&self.running, "all running statistics", &host.running)?,
        })
    }

    /// Copies parameters and running statistics.
    ///
    /// # Errors
    /// Out of memory.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot { values: self.values.duplicate()?, running: self.running.duplicate()? })
    }

    /// Brings parameters and running statistics back and forgets gradients.
    ///
    /// # Errors
    /// A mismatch in size, if the snapshot is another store's.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.values.copy_from(&snapshot.values)?;
        self.running.copy_from(&snapshot.running)?;
        self.edits += 1;
        self.write_whole_twin()?;
        self.versions.iter_mut().for_each(|version| *version += 1);
        self.clear_gradients();
        Ok(())
    }
}

/// A tensor like `like` with these values.
pub(crate) fn uploaded(like: &Tensor, name: &str, values: &[f32]) -> Result<Tensor> {
    let (expected, found) = (like.shape().elements(), values.len());
    if expected != found {
        return Err(Error::ParameterSize { name: name.to_owned(), expected, found });
    }
    Ok(Tensor::from_f32_as(like.device(), like.shape(), like.dtype(), values)?)
}
