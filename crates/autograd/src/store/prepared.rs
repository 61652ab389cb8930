//! Weights in the layouts that plans read, kept until the parameter is written.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tensor_core::backend::Plan;
use tensor_core::backend::conv::{ConvDirection, ConvShape};
use tensor_core::ops::conv;
use tensor_core::{DType, Tensor};

use super::{ParameterId, ParameterStore};
use crate::Result;

#[derive(Default)]
pub(super) struct PreparedWeights {
    kept: Mutex<HashMap<Key, Kept>>,
}

/// The layout depends on the plan's variant and type and on the kernel, not on the pictures' number or
/// size.
type Key = (ParameterId, ConvDirection, &'static str, DType, usize);

struct Kept {
    version: u64,
    tensor: Tensor,
}

impl ParameterStore {
    /// A convolution's weights as `plan` reads them: prepared now, or when they were last written.
    ///
    /// # Errors
    /// Out of memory.
    pub fn prepared(
        &self,
        id: ParameterId,
        plan: &Plan,
        shape: &ConvShape,
        direction: ConvDirection,
    ) -> Result<Tensor> {
        if plan.prepared == 0 {
            return self.value(id);
        }
        if plan.reads_twin
            && let Some(twin) = self.twin_value(id, plan.dtype)?
        {
            return Ok(twin);
        }
        let key = (id, direction, plan.variant, plan.dtype, plan.prepared);
        let version = self.versions[id.0];
        let mut kept = self.prepared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.get(&key).filter(|found| found.version == version) {
            return Ok(found.tensor.clone());
        }
        // The outdated layout goes back to the pool first, so that the new one can take its place.
        kept.remove(&key);
        let tensor = conv::prepare(plan, shape, direction, &self.value(id)?)?;
        kept.insert(key, Kept { version, tensor: tensor.clone() });
        Ok(tensor)
    }
}
