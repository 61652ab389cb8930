//! Contract of optimiser steps over ranges of the flat parameter buffer. Gradients, values and state
//! are floats; a backend whose activations are `Bf16` has a flat twin of the values in that type.
//!
//! What a step has to know of the moment lies in device memory, so that recorded work sees new numbers
//! when it runs again: see [`SgdStep::numbers`] and [`AdamStep::numbers`], which make them.

use std::ops::Range;

use crate::Result;
use crate::memory::{Slice, SliceMut};

/// A trainable range of the flat buffers and what its layer group asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Elements of the flat buffers.
    pub range: Range<usize>,
    /// Learning rate.
    pub rate: f32,
    /// Weight decay.
    pub weight_decay: f32,
}

/// How weight decay acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decay {
    /// `g += decay * w` before everything else (L2).
    #[default]
    L2,
    /// `w -= rate * decay * w` before the step (Loshchilov and Hutter 2019).
    Decoupled,
}

/// Floats before those of the ranges in a step's numbers: momentum (or beta1), beta2, epsilon,
/// `1 / sqrt(1 - beta2^step)`, and the largest norm of the gradients.
pub const HEADER: usize = 5;

/// Where among them the largest norm of the gradients is.
pub const LIMIT: usize = 4;

/// Floats of a range in a step's numbers: its rate (Adam's is divided by `1 - beta1^step`), what is
/// added to its gradients for each unit of the value, and what is kept of the value.
pub const PER_RANGE: usize = 3;

/// Stochastic gradient descent: `v = momentum v + g; w -= rate v`. Source: PyTorch's `SGD`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdStep {
    /// Share of the old velocity.
    pub momentum: f32,
    /// How weight decay acts.
    pub decay: Decay,
    /// The largest norm of all gradients together, if there is one.
    pub clip_norm: Option<f32>,
}

impl SgdStep {
    /// The step in numbers, as the kernels read them: [`HEADER`] floats, then [`PER_RANGE`] a segment.
    pub fn numbers(&self, segments: &[Segment]) -> Vec<f32> {
        let header = [self.momentum, 0.0, 0.0, 0.0, limit(self.clip_norm)];
        numbers(header, segments, self.decay, 1.0)
    }
}

/// Adam and AdamW. Source: Kingma and Ba 2015; PyTorch's `Adam` and `AdamW`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Decay of the mean.
    pub beta1: f32,
    /// Decay of the mean square.
    pub beta2: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// How many steps there have been, this one included: for the bias corrections.
    pub step: u64,
    /// How weight decay acts.
    pub decay: Decay,
    /// The largest norm of all gradients together, if there is one.
    pub clip_norm: Option<f32>,
}

impl AdamStep {
    /// The step in numbers, as [`SgdStep::numbers`].
    pub fn numbers(&self, segments: &[Segment]) -> Vec<f32> {
        let steps = i32::try_from(self.step).unwrap_or(i32::MAX);
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(steps);
        let root_scale = (1.0 / correction(self.beta2).sqrt()) as f32;
        let header = [self.beta1, self.beta2, self.epsilon, root_scale, limit(self.clip_norm)];
        numbers(header, segments, self.decay, correction(self.beta1))
    }
}

fn limit(clip_norm: Option<f32>) -> f32 {
    clip_norm.unwrap_or(f32::INFINITY)
}

fn numbers(
    header: [f32; HEADER],
    segments: &[Segment],
    decay: Decay,
    rate_correction: f64,
) -> Vec<f32> {
    let of_segment = |segment: &Segment| -> [f32; PER_RANGE] {
        let (rate, weight_decay) = (f64::from(segment.rate), segment.weight_decay);
        let corrected = (rate / rate_correction) as f32;
        match decay {
            Decay::L2 => [corrected, weight_decay, 1.0],
            Decay::Decoupled => [corrected, 0.0, (1.0 - rate * f64::from(weight_decay)) as f32],
        }
    };
    header.into_iter().chain(segments.iter().flat_map(of_segment)).collect()
}

/// Optimiser steps. Buffers are the whole flat ones; only the ranges, which do not overlap, are read or
/// written. `numbers` are those of a step. `scale` is what [`gradient_scale`](Self::gradient_scale)
/// made: where its factor is not a number, nothing is written. `twin`, where there is one, gets the new
/// values rounded to its type, in the same pass.
pub trait OptimizerKernels {
    /// `scale` is `[2]`: the factor on every gradient, and the norm of all of them. The factor is 1, or
    /// `limit / norm` where the norm is larger than the `[1]` limit, or not-a-number where the sum of
    /// squares is not finite. Sums have a fixed order.
    fn gradient_scale(
        &self,
        ranges: &[Range<usize>],
        limit: Slice,
        gradients: Slice,
        scale: SliceMut,
    ) -> Result<()>;

    /// `g' = factor g + added w; v = momentum v + g'; w = kept w - rate v`.
    fn sgd_step(
        &self,
        ranges: &[Range<usize>],
        numbers: Slice,
        scale: Slice,
        gradients: Slice,
        values: SliceMut,
        twin: Option<SliceMut>,
        velocity: SliceMut,
    ) -> Result<()>;

    /// `g' = factor g + added w; m = beta1 m + (1 - beta1) g'; s = beta2 s + (1 - beta2) g'^2;`
    /// `w = kept w - rate m / (sqrt(s) root_scale + epsilon)`.
    fn adam_step(
        &self,
        ranges: &[Range<usize>],
        numbers: Slice,
        scale: Slice,
        gradients: Slice,
        values: SliceMut,
        twin: Option<SliceMut>,
        mean: SliceMut,
        mean_square: SliceMut,
    ) -> Result<()>;

    /// Copies floats, unless the step is not taken.
    fn commit(&self, scale: Slice, from: Slice, to: SliceMut) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Segment = Segment { range: 0..1, rate: 0.5, weight_decay: 0.1 };

    #[test]
    fn decay_is_added_to_gradients_or_taken_from_values() {
        let step = |decay| SgdStep { momentum: 0.9, decay, clip_norm: Some(2.0) };
        let header = [0.9, 0.0, 0.0, 0.0, 2.0];
        let l2 = step(Decay::L2).numbers(&[SEGMENT]);
        assert_eq!((&l2[..HEADER], &l2[HEADER..]), (&header[..], &[0.5, 0.1, 1.0][..]));
        let decoupled = step(Decay::Decoupled).numbers(&[SEGMENT]);
        assert_eq!(decoupled[HEADER..], [0.5, 0.0, 0.95]);
    }

    #[test]
    fn adam_corrects_its_moments_for_their_beginning() {
        let (beta1, beta2, epsilon) = (0.9, 0.99, 1e-8);
        let step = AdamStep { beta1, beta2, epsilon, step: 2, decay: Decay::L2, clip_norm: None };
        let numbers = step.numbers(&[SEGMENT, SEGMENT]);
        assert_eq!(numbers.len(), HEADER + 2 * PER_RANGE);
        assert_eq!(numbers[LIMIT], f32::INFINITY);
        let close = |found: f32, wanted: f64| (f64::from(found) - wanted).abs() < 1e-6 * wanted;
        assert!(close(numbers[3], 1.0 / (1.0 - 0.99_f64.powi(2)).sqrt()), "{numbers:?}");
        assert!(close(numbers[HEADER], 0.5 / (1.0 - 0.9_f64.powi(2))), "{numbers:?}");
    }
}
