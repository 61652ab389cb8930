//! Stochastic gradient descent with momentum: the lesson's optimiser.

use tensor_core::Tensor;
use tensor_core::ops::optimizer::{SgdStep, sgd_step};

use super::{Optimizer, Outcome, StepSettings, begin_step};
use crate::store::FlatBuffers;
use crate::{ParameterStore, Result};

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
    fn step(&mut self, store: &mut ParameterStore, settings: &StepSettings) -> Result<Outcome> {
        let Some((segments, gradient_scale)) = begin_step(store, settings)? else {
            return Ok(Outcome::NotFinite);
        };
        let velocity = match &mut self.velocity {
            Some(velocity) => velocity,
            empty => empty.insert(store.zeros_like_values()?),
        };
        let momentum = settings.momentum.unwrap_or(self.momentum);
        let step = SgdStep { momentum, decay: settings.decay, gradient_scale };
        if let Some(FlatBuffers { gradients, values, twin }) = store.flat_buffers() {
            sgd_step(&step, &segments, gradients, values, twin, velocity)?;
        }
        store.finish_step()?;
        Ok(Outcome::Stepped)
    }

    fn state(&self) -> Vec<(&'static str, &Tensor)> {
        self.velocity.iter().map(|velocity| ("velocity", velocity)).collect()
    }

    fn reset(&mut self) {
        self.velocity = None;
    }
}
