//! Functions of one or two elements at a time, casts, and reshaping.

use tensor_core::ops::pointwise::{self, Binary, Unary};
use tensor_core::ops::reduce::{Axis, Reduction, reduce};
use tensor_core::{DType, Shape, Tensor};

use crate::{Backward, Function, Result, Tape, Var};

/// A function of each element.
///
/// # Errors
/// Out of memory.
pub fn unary(tape: &mut Tape, function: Unary, input: &Var) -> Result<Var> {
    let output = pointwise::unary(function, input.value())?;
    Ok(tape.record_if_needed(output, &[input], || {
        Box::new(SavedUnary { function, input: input.value().clone() })
    }))
}

struct SavedUnary {
    function: Unary,
    input: Tensor,
}

impl Function for SavedUnary {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        let SavedUnary { function, input } = *self;
        backward.input_gradient(0, input.shape(), |target| {
            pointwise::unary_gradient_into(function, &input, &gradient, target)
        })
    }
}

/// A function of the elements of two inputs; `right` may be shorter and is then repeated along
/// `left` (a row for every row, or one number for all).
///
/// # Errors
/// If `right` does not divide `left`; out of memory.
pub fn binary(tape: &mut Tape, function: Binary, left: &Var, right: &Var) -> Result<Var> {
    let output = pointwise::binary(function, left.value(), right.value())?;
    Ok(tape.record_if_needed(output, &[left, right], || {
        let (left, right) = (left.value().clone(), right.value().clone());
        Box::new(SavedBinary { function, left, right })
    }))
}

struct SavedBinary {
    function: Binary,
    left: Tensor,
    right: Tensor,
}

impl SavedBinary {
    fn left_gradient(&self, gradient: &Tensor) -> Result<Tensor> {
        Ok(match self.function {
            Binary::Add | Binary::Subtract => gradient.clone(),
            Binary::Multiply | Binary::Divide => {
                pointwise::binary(self.function, gradient, &self.right)?
            }
        })
    }

    /// As long as `left`; sums over the repetitions of `right` are still to be taken.
    fn right_gradient(&self, gradient: &Tensor) -> Result<Tensor> {
        const NEGATE: Unary = Unary::Affine { scale: -1.0, shift: 0.0 };
        Ok(match self.function {
            Binary::Add => gradient.clone(),
            Binary::Subtract => pointwise::unary(NEGATE, gradient)?,
            Binary::Multiply => pointwise::binary(Binary::Multiply, gradient, &self.left)?,
            Binary::Divide => {
                let ratio = pointwise::binary(Binary::Divide, &self.left, &self.right)?;
                let product = pointwise::binary(Binary::Multiply, gradient, &ratio)?;
                let quotient = pointwise::binary(Binary::Divide, &product, &self.right)?;
                pointwise::unary(NEGATE, &quotient)?
            }
        })
    }
}

impl Function for SavedBinary {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        if backward.needs(0) {
            backward.pass(0, self.left_gradient(&gradient)?)?;
        }
        if backward.needs(1) {
            // Sums are taken of floats alone.
            let full = self.right_gradient(&gradient)?;
            let full = pointwise::cast(&full, full.device().float())?;
            let (long, short) = (full.shape().elements(), self.right.shape().elements());
            let repetitions = full.reshape([long / short, short])?;
            let sum = reduce(Reduction::Sum, Axis::Rows, &repetitions)?;
            let sum = pointwise::cast(&sum, self.right.dtype())?;
            backward.pass(1, sum.reshape(self.right.shape())?)?;
        }
        Ok(())
    }
}

/// The same elements in another of the device's two float types: floats to be mixed with activations,
/// or back.
///
/// # Errors
/// If the device lacks the type; out of memory.
pub fn cast(tape: &mut Tape, dtype: DType, input: &Var) -> Result<Var> {
    let output = pointwise::cast(input.value(), dtype)?;
    let from = input.value().dtype();
    Ok(tape.record_if_needed(output, &[input], || Box::new(Cast { from })))
}

struct Cast {
    from: DType,
}

impl Function for Cast {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        backward.pass(0, pointwise::cast(&gradient, self.from)?)
    }
}

/// The same elements under another shape.
///
/// # Errors
/// If the number of elements differs.
pub fn reshape(tape: &mut Tape, shape: impl Into<Shape>, input: &Var) -> Result<Var> {
    let output = input.value().reshape(shape)?;
    let from = input.shape();
    Ok(tape.record_if_needed(output, &[input], || Box::new(Reshape { from })))
}

struct Reshape {
    from: Shape,
}

impl Function for Reshape {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        backward.pass(0, gradient.reshape(self.from)?)
    }
}
