//! Pooling over windows and whole pictures.

use tensor_core::Tensor;
use tensor_core::backend::pool::{GlobalPool, MaxPoolShape};
use tensor_core::ops;

use crate::{Backward, Function, Result, Tape, Var};

/// The largest element of each window of an `[n, h, w, c]` input.
///
/// # Errors
/// If a window does not fit; out of memory.
pub fn max_pool(
    tape: &mut Tape,
    window: usize,
    stride: usize,
    padding: usize,
    input: &Var,
) -> Result<Var> {
    let shape = ops::pool::max_pool_shape(input.shape(), window, stride, padding)?;
    let output = ops::pool::max_pool(&shape, input.value())?;
    Ok(tape.record_if_needed(output, &[input], || {
        Box::new(MaxPool { shape, input: input.value().clone() })
    }))
}

struct MaxPool {
    shape: MaxPoolShape,
    input: Tensor,
}

impl Function for MaxPool {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        let MaxPool { shape, input } = *self;
        backward.input_gradient(0, input.shape(), |target| {
            ops::pool::max_pool_gradient_into(&shape, &input, &gradient, target)
        })
    }
}

/// Mean or maximum of each channel of an `[n, h, w, c]` input over its pixels, or both.
///
/// # Errors
/// If the input has no pixels; out of memory.
pub fn global_pool(tape: &mut Tape, kind: GlobalPool, input: &Var) -> Result<Var> {
    let output = ops::pool::global_pool(kind, input.value())?;
    Ok(tape.record_if_needed(output, &[input], || {
        Box::new(WholePicture { kind, input: input.value().clone() })
    }))
}

struct WholePicture {
    kind: GlobalPool,
    input: Tensor,
}

impl Function for WholePicture {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        let WholePicture { kind, input } = *self;
        backward.input_gradient(0, input.shape(), |target| {
            ops::pool::global_pool_gradient_into(kind, &input, &gradient, target)
        })
    }
}
