//! The linear layer.

use tensor_core::Tensor;
use tensor_core::ops::matmul::{multiply_into, plan, shape};
use tensor_core::ops::pointwise::copy_into;
use tensor_core::ops::reduce::{Axis, Reduction, reduce};

use crate::{Backward, Function, ParameterId, ParameterStore, Result, Tape, Var};

/// `input [n, in] x weight [out, in] transposed + bias [out]`.
///
/// # Errors
/// If the shapes do not fit together; out of memory.
pub fn linear(
    tape: &mut Tape,
    store: &ParameterStore,
    weight: ParameterId,
    bias: ParameterId,
    input: &Var,
) -> Result<Var> {
    let (weights, summand) = (store.value(weight)?, store.value(bias)?);
    let output = tensor_core::ops::matmul::linear(input.value(), &weights, Some(&summand))?;
    if !tape.records(store, &[input], &[weight, bias]) {
        return Ok(Var::constant(output));
    }
    let saved = Linear { weight, bias, input: input.value().clone() };
    Ok(tape.record(output, &[input], saved))
}

struct Linear {
    weight: ParameterId,
    bias: ParameterId,
    input: Tensor,
}

impl Function for Linear {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        let Linear { weight, bias, input } = *self;
        let (device, dtype) = (gradient.device().clone(), gradient.dtype());
        backward.parameter_gradient(weight, |target| {
            let product = shape(&gradient, &input, true, false)?;
            let plan = plan(&device, &product, dtype)?;
            multiply_into(&plan, &product, &gradient, &input, None, target)
        })?;
        backward.parameter_gradient(bias, |target| {
            let sums = reduce(Reduction::Sum, Axis::Rows, &gradient)?;
            copy_into(&sums, target)
        })?;
        let weights = backward.store().value(weight)?;
        backward.input_gradient(0, input.shape(), |target| {
            let product = shape(&gradient, &weights, false, false)?;
            let plan = plan(&device, &product, dtype)?;
            multiply_into(&plan, &product, &gradient, &weights, None, target)
        })
    }
}
