//! Contract of the losses: one value a sample, and the gradient of the logits; all floats.

use crate::Result;
use crate::memory::{Destination, Slice, SliceMut};

/// How logits are held against targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Log-softmax and negative log-likelihood: one class a sample.
    CrossEntropy,
    /// Sigmoid and binary cross entropy, the mean over the classes of a sample: any number of them.
    BinaryCrossEntropy,
}

/// What the logits should have said.
#[derive(Clone, Copy)]
pub enum Targets<'a> {
    /// `[n]` class indices (`I32`); only for [`Loss::CrossEntropy`].
    Classes(Slice<'a>),
    /// `[n, classes]` probabilities.
    Probabilities(Slice<'a>),
}

/// `n` samples of `classes` logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LossShape {
    /// Samples.
    pub n: usize,
    /// Classes.
    pub classes: usize,
}

/// Losses.
pub trait LossKernels {
    /// `values` is `[n]`; `log_probabilities` is `[n, classes]`: log-softmax, or the logits
    /// themselves for [`Loss::BinaryCrossEntropy`].
    fn loss(
        &self,
        loss: Loss,
        shape: &LossShape,
        logits: Slice,
        targets: Targets,
        values: SliceMut,
        log_probabilities: SliceMut,
    ) -> Result<()>;

    /// `[n, classes]` gradient of the logits from the `[n]` gradients of the values.
    fn loss_gradient(
        &self,
        loss: Loss,
        shape: &LossShape,
        log_probabilities: Slice,
        targets: Targets,
        value_gradients: Slice,
        logit_gradient: Destination,
    ) -> Result<()>;

    /// `[n, classes]` probabilities of logits: softmax or sigmoid.
    fn probabilities(
        &self,
        loss: Loss,
        shape: &LossShape,
        logits: Slice,
        probabilities: SliceMut,
    ) -> Result<()>;
}
