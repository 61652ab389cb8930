//! A copy of everything that training changes in a store: one copy a buffer.

use tensor_core::Tensor;

use super::ParameterStore;
use crate::Result;

/// Parameters and running statistics at one moment.
#[derive(Clone)]
pub struct Snapshot {
    values: Tensor,
    running: Tensor,
}

impl ParameterStore {
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
