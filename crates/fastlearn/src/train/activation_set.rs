//! Activations of a split on the host, and batches of them on the device. How they are computed and kept
//! is `activations`' business.

use tensor_core::{Device, Tensor};

use crate::Result;
use crate::data::{Draws, Labels};
use crate::input::Input;

/// `[rows, columns]` activations with their labels, on the host.
pub(crate) struct ActivationSet {
    pub values: Vec<f32>,
    pub columns: usize,
    pub labels: Labels,
    /// How often each comes in an epoch of training.
    pub draws: Draws,
}

impl ActivationSet {
    /// How many pictures there are.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// Some rows, on the device.
    pub fn gather(&self, device: &Device, rows: &[usize]) -> Result<Input> {
        let mut values = Vec::with_capacity(rows.len() * self.columns);
        for &row in rows {
            values.extend_from_slice(&self.values[row * self.columns..(row + 1) * self.columns]);
        }
        let tensor = Tensor::from_f32(device, [rows.len(), self.columns], &values)?;
        Ok(Input { tensor, labels: self.labels.select(rows), soft: None })
    }
}
