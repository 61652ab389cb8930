//! Sum and mean of everything: how per-sample losses become one number.

use tensor_core::ops::reduce::{Axis, Reduction, reduce};
use tensor_core::{Shape, Tensor};

use crate::{Backward, Function, Result, Tape, Var};

/// The `[1]` sum of all elements.
///
/// # Errors
/// If there are no elements; out of memory.
pub fn sum(tape: &mut Tape, input: &Var) -> Result<Var> {
    let output = reduce(Reduction::Sum, Axis::All, input.value())?;
    let shape = input.shape();
    Ok(tape.record_if_needed(output, &[input], || Box::new(All { shape, factor: 1.0 })))
}

/// The `[1]` mean of all elements.
///
/// # Errors
/// If there are no elements; out of memory.
pub fn mean(tape: &mut Tape, input: &Var) -> Result<Var> {
    let output = reduce(Reduction::Mean, Axis::All, input.value())?;
    let shape = input.shape();
    let factor = 1.0 / shape.elements() as f32;
    Ok(tape.record_if_needed(output, &[input], || Box::new(All { shape, factor })))
}

struct All {
    shape: Shape,
    factor: f32,
}

impl Function for All {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        use tensor_core::ops::pointwise::{Binary, binary, constant};
        let (device, dtype) = (gradient.device(), gradient.dtype());
        let spread = constant(device, self.shape, dtype, self.factor)?;
        backward.pass(0, binary(Binary::Multiply, &spread, &gradient)?)
    }
}
