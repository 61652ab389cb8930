//! Adam; AdamW with decoupled weight decay.

use std::collections::BTreeMap;
use std::ops::Range;

use tensor_core::Tensor;
use tensor_core::ops::optimizer::{AdamStep, adam_step, gradient_scale};

use super::{Optimizer, Segment, StepSettings, restored};
use crate::store::FlatBuffers;
use crate::{ParameterStore, Result};

/// Names of the state's buffers.
const MEAN: &str = "mean";
const MEAN_SQUARE: &str = "mean_square";

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
    fn numbers(&self, settings: &StepSettings, segments: &[Segment]) -> Vec<f32> {
        let step = AdamStep {
            beta1: settings.momentum.unwrap_or(self.beta1),
            beta2: self.beta2,
            epsilon: self.epsilon,
            step: self.steps + 1,
            decay: settings.decay,
            clip_norm: settings.clip_norm,
        };
        step.numbers(segments)
    }

    fn apply(
        &mut self,
        store: &mut ParameterStore,
        ranges: &[Range<usize>],
        numbers: &Tensor,
    ) -> Result<Tensor> {
        let (mean, square) = match &mut self.moments {
            Some(moments) => moments,
            empty => empty.insert((store.zeros_like_values()?, store.zeros_like_values()?)),
        };
        let FlatBuffers { gradients, values, twin } = store.flat_buffers()?;
        let scale = gradient_scale(ranges, numbers, gradients)?;
        adam_step(ranges, numbers, &scale, gradients, values, twin, mean, square)?;
        store.commit_statistics(&scale)?;
        Ok(scale)
    }

    fn count(&mut self) {
        self.steps += 1;
    }

    fn state(&self) -> Vec<(&'static str, &Tensor)> {
        let buffers = self.moments.iter();
        buffers.flat_map(|(mean, square)| [(MEAN, mean), (MEAN_SQUARE, square)]).collect()
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn restore(
        &mut self,
        store: &ParameterStore,
        buffers: &BTreeMap<String, Vec<f32>>,
        steps: u64,
    ) -> Result<()> {
        self.moments = match buffers.is_empty() {
            true => None,
            false => {
                Some((restored(store, buffers, MEAN)?, restored(store, buffers, MEAN_SQUARE)?))
            }
        };
        self.steps = steps;
        Ok(())
    }

    fn reset(&mut self) {
        self.steps = 0;
        self.moments = None;
    }
}
