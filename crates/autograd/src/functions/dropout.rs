//! Dropout; its mask is made again from its counters on the way back.

use tensor_core::memory::Destination;
use tensor_core::ops::dropout::{DropoutMask, dropout_at_into};
use tensor_core::{Shape, Tensor};

use crate::{Backward, Function, Result, Tape, Var};

/// Drops elements and scales the others up.
///
/// # Errors
/// If the probability is not in `[0, 1)`; out of memory.
pub fn dropout(tape: &mut Tape, mask: DropoutMask, input: &Var) -> Result<Var> {
    dropout_at(tape, mask, None, input)
}

/// [`dropout`] at a step that lies on the device (`[2]` words of type `I32`, the lower first) instead of
/// the mask's.
///
/// # Errors
/// As [`dropout`].
pub fn dropout_at(
    tape: &mut Tape,
    mask: DropoutMask,
    step: Option<&Tensor>,
    input: &Var,
) -> Result<Var> {
    let x = input.value();
    let mut output = Tensor::uninitialised(x.device(), x.shape(), x.dtype())?;
    dropout_at_into(&mask, step, x, Destination::write(output.as_slice_mut()))?;
    let (step, shape) = (step.cloned(), input.shape());
    Ok(tape.record_if_needed(output, &[input], || Box::new(Dropout { mask, step, shape })))
}

struct Dropout {
    mask: DropoutMask,
    step: Option<Tensor>,
    shape: Shape,
}

impl Function for Dropout {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        let Dropout { mask, step, shape } = *self;
        backward.input_gradient(0, shape, |target| {
            dropout_at_into(&mask, step.as_ref(), &gradient, target)
        })
    }
}
