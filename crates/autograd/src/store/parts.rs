//! Batch statistics of a step that went forward and backward in parts of its batch.

use tensor_core::Tensor;
use tensor_core::ops::norm::Running;
use tensor_core::ops::pointwise::{Binary, Unary, binary, unary};

use super::{ParameterStore, StatisticsId};
use crate::Result;

impl ParameterStore {
    /// Makes one of the statistics that are held for each part of a batch: their mean, weighted by the
    /// parts' shares (which add up to 1), in the order in which the parts went backward. All parts began
    /// with the same running values, so these move once a step, as they do for a whole batch: the mean by
    /// exactly as much, the variance by what is found within parts, without that between them.
    ///
    /// # Errors
    /// Out of memory; then nothing has changed.
    pub fn average_held_statistics(&mut self, shares: &[f64]) -> Result<()> {
        let mut averaged: Vec<(StatisticsId, Running)> = Vec::new();
        for (id, _) in self.pending.iter() {
            if averaged.iter().any(|(other, _)| other == id) {
                continue;
            }
            let parts = || self.pending.iter().filter(|(other, _)| other == id).zip(shares);
            let mean = weighted(parts().map(|((_, new), share)| (&new.mean, *share)))?;
            let var = weighted(parts().map(|((_, new), share)| (&new.var, *share)))?;
            if let (Some(mean), Some(var)) = (mean, var) {
                averaged.push((*id, Running { mean, var }));
            }
        }
        self.pending = averaged;
        Ok(())
    }
}

/// The sum of tensors times their weights; `None` of none.
fn weighted<'a>(parts: impl Iterator<Item = (&'a Tensor, f64)>) -> Result<Option<Tensor>> {
    let mut sum: Option<Tensor> = None;
    for (tensor, scale) in parts {
        let scaled = unary(Unary::Affine { scale, shift: 0.0 }, tensor)?;
        sum = Some(match sum {
            Some(sum) => binary(Binary::Add, &sum, &scaled)?,
            None => scaled,
        });
    }
    Ok(sum)
}
