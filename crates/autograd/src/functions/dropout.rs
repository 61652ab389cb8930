//! Dropout; its mask is made again from its counters on the way back.

use tensor_core::ops::dropout::{DropoutMask, dropout as drop_elements, dropout_into};
use tensor_core::{Shape, Tensor};

use crate::{Backward, Function, Result, Tape, Var};

/// Drops elements and scales the others up.
///
/// # Errors
/// If the probability is not in `[0, 1)`; out of memory.
pub fn dropout(tape: &mut Tape, mask: DropoutMask, input: &Var) -> Result<Var> {
    let output = drop_elements(&mask, input.value())?;
    let shape = input.shape();
    Ok(tape.record_if_needed(output, &[input], || Box::new(Dropout { mask, shape })))
}

struct Dropout {
    mask: DropoutMask,
    shape: Shape,
}

impl Function for Dropout {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        let Dropout { mask, shape } = *self;
        backward.input_gradient(0, shape, |target| dropout_into(&mask, &gradient, target))
    }
}
