//! Stochastic gradient descent with momentum: the lesson's optimiser.

use std::collections::BTreeMap;
use std::ops::Range;

use tensor_core::Tensor;
use tensor_core::ops::optimizer::{SgdStep, gradient_scale, sgd_step};

use super::{Optimizer, Segment, StepSettings, restored};
use crate::store::FlatBuffers;
use crate::{ParameterStore, Result};

/// Name of the state's one buffer.
const VELOCITY: &str = "velocity";

/// `v = momentum v + g; w -= rate v`. Source: PyTorch's `SGD` without dampening or Nesterov.
#[derive(Debug)]
pub struct Sgd {
    momentum: f32,
    velocity: Option<Tensor>,
}

impl Sgd {
    /// SGD with this momentum, such as 0.9.
    pub fn new(momentum: f32) -> Sgd {
        Sgd { momentum, velocity: None }
    }
}

impl Optimizer for Sgd {
    fn numbers(&self, settings: &StepSettings, segments: &[Segment]) -> Vec<f32> {
        let momentum = settings.momentum.unwrap_or(self.momentum);
        let &StepSettings { decay, clip_norm, .. } = settings;
        SgdStep { momentum, decay, clip_norm }.numbers(segments)
    }

    fn apply(
        &mut self,
        store: &mut ParameterStore,
        ranges: &[Range<usize>],
        numbers: &Tensor,
    ) -> Result<Tensor> {
        let velocity = match &mut self.velocity {
            Some(velocity) => velocity,
            empty => empty.insert(store.zeros_like_values()?),
        };
        let FlatBuffers { gradients, values, twin } = store.flat_buffers()?;
        let scale = gradient_scale(ranges, numbers, gradients)?;
        sgd_step(ranges, numbers, &scale, gradients, values, twin, velocity)?;
        store.commit_statistics(&scale)?;
        Ok(scale)
    }

    fn count(&mut self) {}

    fn state(&self) -> Vec<(&'static str, &Tensor)> {
        self.velocity.iter().map(|velocity| (VELOCITY, velocity)).collect()
    }

    fn restore(
        &mut self,
        store: &ParameterStore,
        buffers: &BTreeMap<String, Vec<f32>>,
        _steps: u64,
    ) -> Result<()> {
        self.velocity = match buffers.is_empty() {
            true => None,
            false => Some(restored(store, buffers, VELOCITY)?),
        };
        Ok(())
    }

    fn reset(&mut self) {
        self.velocity = None;
    }
}
