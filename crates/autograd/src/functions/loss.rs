//! Losses of logits, one value a sample: weight them, then take their mean.

use tensor_core::Tensor;
use tensor_core::ops::loss::{Loss, Target, loss as sample_losses, loss_gradient_into};

use crate::{Backward, Function, Result, Tape, Var};

/// The `[n]` losses of `[n, classes]` logits.
///
/// # Errors
/// If logits and targets do not fit together; out of memory.
pub fn loss(tape: &mut Tape, kind: Loss, logits: &Var, target: &Target) -> Result<Var> {
    let computed = sample_losses(kind, logits.value(), target)?;
    let log_probabilities = computed.log_probabilities;
    Ok(tape.record_if_needed(computed.values, &[logits], || {
        Box::new(SavedLoss { kind, log_probabilities, target: target.clone() })
    }))
}

struct SavedLoss {
    kind: Loss,
    log_probabilities: Tensor,
    target: Target,
}

impl Function for SavedLoss {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        let SavedLoss { kind, log_probabilities, target } = *self;
        backward.input_gradient(0, log_probabilities.shape(), |destination| {
            loss_gradient_into(kind, &log_probabilities, &target, &gradient, destination)
        })
    }
}
