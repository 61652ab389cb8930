//! Adam; AdamW with decoupled weight decay.

use tensor_core::Tensor;
use tensor_core::ops::optimizer::{AdamStep, adam_step};

use super::{Optimizer, Outcome, StepSettings, begin_step};
use crate::store::FlatBuffers;
use crate::{ParameterStore, Result};

/// Kingma and Ba 2015, in PyTorch's form. With [`Decay::Decoupled`](super::Decay::Decoupled) in the
/// settings it is AdamW (Loshchilov and Hutter 2019).
#[derive(Debug)]
pub struct Adam {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    steps: u64,
    moments: Option<(Tensor, Tensor)>,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, steps: 0, moments: None }
    }
}

impl Adam {
    /// Betas 0.9 and 0.999, epsilon 1e-8.
    pub fn new() -> Adam {
        Adam::default()
    }

    /// Other decays of mean and mean square.
    pub fn betas(self, beta1: f32, beta2: f32) -> Adam {
        Adam { beta1, beta2, ..self }
    }

    /// Another summand of the denominator.
    pub fn epsilon(self, epsilon: f32) -> Adam {
        Adam { epsilon, ..self }
    }
}

impl Optimizer for Adam {
    fn step(&mut self, store: &mut ParameterStore, settings: &StepSettings) -> Result<Outcome> {
        let Some((segments, gradient_scale)) = begin_step(store, settings)? else {
            return Ok(Outcome::NotFinite);
        };
        if self.moments.is_none() {
            self.moments = Some((store.zeros_like_values()?, store.zeros_like_values()?));
        }
        let step = AdamStep {
            beta1: settings.momentum.unwrap_or(self.beta1),
            beta2: self.beta2,
            epsilon: self.epsilon,
            step: self.steps + 1,
            decay: settings.decay,
            gradient_scale,
        };
        if let (Some(FlatBuffers { gradients, values, twin }), Some((mean, square))) =
            (store.flat_buffers(), &mut self.moments)
        {
            adam_step(&step, &segments, gradients, values, twin, mean, square)?;
        }
        self.steps += 1;
        store.finish_step()?;
        Ok(Outcome::Stepped)
    }

    fn state(&self) -> Vec<(&'static str, &Tensor)> {
        let buffers = self.moments.iter();
        buffers.flat_map(|(mean, square)| [("mean", mean), ("mean_square", square)]).collect()
    }

    fn reset(&mut self) {
        self.steps = 0;
        self.moments = None;
    }
}
