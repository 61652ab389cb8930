//! Contract of element-by-element functions: of floats or of activations, one type in a call; only
//! [`cast`](PointwiseKernels::cast) has two.

use crate::Result;
use crate::memory::{Destination, Slice, SliceMut};

/// A function of one element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unary {
    /// `max(x, 0)`, but not-a-number stays not-a-number; the gradient at 0 is 0.
    Relu,
    /// `e^x`.
    Exp,
    /// Natural logarithm.
    Log,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `x^2`.
    Square,
    /// Square root.
    Sqrt,
    /// `|x|`; the gradient at 0 is 0.
    Abs,
    /// `scale * x + shift`.
    Affine {
        /// Factor.
        scale: f64,
        /// Summand.
        shift: f64,
    },
}

/// A function of two elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Subtract,
    /// `a * b`.
    Multiply,
    /// `a / b`.
    Divide,
}

/// Element-by-element functions. A not-a-number goes through every one of them, so that a diverged run
/// is seen in its loss; what gradient it gets is not specified.
pub trait PointwiseKernels {
    /// `output[i] = function(input[i])`.
    fn unary(&self, function: Unary, input: Slice, output: SliceMut) -> Result<()>;

    /// `input_gradient[i] = function'(input[i]) * output_gradient[i]`.
    fn unary_gradient(
        &self,
        function: Unary,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()>;

    /// `output[i] = function(left[i], right[i % right.len()])`; the length of `right` divides that of
    /// `left`, so it may be a row added to every row, or one number.
    fn binary(
        &self,
        function: Binary,
        left: Slice,
        right: Slice,
        output: Destination,
    ) -> Result<()>;

    /// The elements in another type: `F32` to `Bf16`, rounded to the nearest and to even between two,
    /// or back. Called only on a backend whose activations are not its floats.
    fn cast(&self, input: Slice, output: SliceMut) -> Result<()>;
}
