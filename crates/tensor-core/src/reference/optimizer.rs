//! Optimiser steps, parameter by parameter; no twin of the values, because activations are f64 too.

use std::ops::Range;

use super::Reference;
use crate::Result;
use crate::backend::optimizer::{AdamStep, Decay, OptimizerKernels, Segment, SgdStep};
use crate::memory::{Slice, SliceMut};

impl OptimizerKernels for Reference {
    fn sgd_step(
        &self,
        step: &SgdStep,
        segments: &[Segment],
        gradients: Slice,
        values: SliceMut,
        _twin: Option<SliceMut>,
        velocity: SliceMut,
    ) -> Result<()> {
        let gradients = gradients.host::<f64>();
        let (values, velocity) = (values.host::<f64>(), velocity.host::<f64>());
        for segment in segments {
            for i in segment.range.clone() {
                let scaled = f64::from(step.gradient_scale) * gradients[i];
                let gradient = decayed(step.decay, segment, scaled, &mut values[i]);
                velocity[i] = f64::from(step.momentum) * velocity[i] + gradient;
                values[i] -= f64::from(segment.rate) * velocity[i];
            }
        }
        Ok(())
    }

    fn adam_step(
        &self,
        step: &AdamStep,
        segments: &[Segment],
        gradients: Slice,
        values: SliceMut,
        _twin: Option<SliceMut>,
        mean: SliceMut,
        mean_square: SliceMut,
    ) -> Result<()> {
        let (beta1, beta2) = (f64::from(step.beta1), f64::from(step.beta2));
        let correction1 = 1.0 - beta1.powf(step.step as f64);
        let correction2 = 1.0 - beta2.powf(step.step as f64);
        let (gradients, values) = (gradients.host::<f64>(), values.host::<f64>());
        let (mean, mean_square) = (mean.host::<f64>(), mean_square.host::<f64>());
        for segment in segments {
            for i in segment.range.clone() {
                let scaled = f64::from(step.gradient_scale) * gradients[i];
                let gradient = decayed(step.decay, segment, scaled, &mut values[i]);
                mean[i] = beta1 * mean[i] + (1.0 - beta1) * gradient;
                mean_square[i] = beta2 * mean_square[i] + (1.0 - beta2) * gradient * gradient;
                let root = (mean_square[i] / correction2).sqrt();
                let direction = mean[i] / correction1 / (root + f64::from(step.epsilon));
                values[i] -= f64::from(segment.rate) * direction;
            }
        }
        Ok(())
    }

    fn sum_of_squares(&self, ranges: &[Range<usize>], gradients: Slice) -> Result<f64> {
        let gradients = gradients.host::<f64>();
        Ok(ranges.iter().flat_map(|range| &gradients[range.clone()]).map(|g| g * g).sum())
    }
}

/// The gradient with weight decay in it; decoupled decay shrinks the value at once instead.
fn decayed(decay: Decay, segment: &Segment, gradient: f64, value: &mut f64) -> f64 {
    let weight_decay = f64::from(segment.weight_decay);
    match decay {
        Decay::L2 => gradient + weight_decay * *value,
        Decay::Decoupled => {
            *value -= f64::from(segment.rate) * weight_decay * *value;
            gradient
        }
    }
}
