//! A parameter as a value of its own, for losses and layers that no other function covers.

use tensor_core::Tensor;
use tensor_core::ops::pointwise::copy_into;

use crate::{Backward, Function, ParameterId, ParameterStore, Result, Tape, Var};

/// A copy of a parameter's values whose gradient goes back to the parameter.
///
/// # Errors
/// Out of memory.
pub fn parameter(tape: &mut Tape, store: &ParameterStore, id: ParameterId) -> Result<Var> {
    let value = store.value(id)?.duplicate()?;
    if !tape.records(store, &[], &[id]) {
        return Ok(Var::constant(value));
    }
    Ok(tape.record(value, &[], Read { id }))
}

struct Read {
    id: ParameterId,
}

impl Function for Read {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        backward.parameter_gradient(self.id, |target| copy_into(&gradient, target))
    }
}
