//! Contract of optimiser steps over ranges of the flat parameter buffer. Gradients, values and state
//! are floats; a backend whose activations are `Bf16` has a flat twin of the values in that type.

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

/// Stochastic gradient descent: `v = momentum v + g; w -= rate v`. Source: PyTorch's `SGD`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdStep {
    /// Share of the old velocity.
    pub momentum: f32,
    /// How weight decay acts.
    pub decay: Decay,
    /// Factor on every gradient: below 1 where clipping asks for it.
    pub gradient_scale: f32,
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
    /// Factor on every gradient.
    pub gradient_scale: f32,
}

/// Optimiser steps. Buffers are the whole flat ones; only the segments are read or written. `twin`,
/// where there is one, gets the new values rounded to its type, in the same pass.
pub trait OptimizerKernels {
    /// One step of [`SgdStep`].
    fn sgd_step(
        &self,
        step: &SgdStep,
        segments: &[Segment],
        gradients: Slice,
        values: SliceMut,
        twin: Option<SliceMut>,
        velocity: SliceMut,
    ) -> Result<()>;

    /// One step of [`AdamStep`].
    fn adam_step(
        &self,
        step: &AdamStep,
        segments: &[Segment],
        gradients: Slice,
        values: SliceMut,
        twin: Option<SliceMut>,
        mean: SliceMut,
        mean_square: SliceMut,
    ) -> Result<()>;

    /// The sum of squares over ranges, in a fixed order and in f64; not finite if any element is not.
    fn sum_of_squares(&self, ranges: &[Range<usize>], gradients: Slice) -> Result<f64>;
}
