//! Functions of one and two elements, and casts: `kernels/pointwise.cu`.

use super::Cuda;
use super::launch::index;
use super::vectors::{THREADS, blocks};
use crate::backend::PointwiseKernels;
use crate::backend::pointwise::{Binary, Unary};
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::{DType, Result};

/// The functions as the kernels number them, and the factor and summand of the one that has them.
fn unary_number(function: Unary) -> (i32, f32, f32) {
    match function {
        Unary::Relu => (0, 0.0, 0.0),
        Unary::Exp => (1, 0.0, 0.0),
        Unary::Log => (2, 0.0, 0.0),
        Unary::Sigmoid => (3, 0.0, 0.0),
        Unary::Square => (4, 0.0, 0.0),
        Unary::Sqrt => (5, 0.0, 0.0),
        Unary::Abs => (6, 0.0, 0.0),
        Unary::Affine { scale, shift } => (7, scale as f32, shift as f32),
    }
}

fn binary_number(function: Binary) -> i32 {
    match function {
        Binary::Add => 0,
        Binary::Subtract => 1,
        Binary::Multiply => 2,
        Binary::Divide => 3,
    }
}

/// Elements of 16 bytes.
fn width(dtype: DType) -> usize {
    16 / dtype.size()
}

/// A mode as kernels take it.
pub(super) fn accumulates(mode: WriteMode) -> i32 {
    i32::from(mode == WriteMode::Accumulate)
}

impl PointwiseKernels for Cuda {
    fn unary(&self, function: Unary, input: Slice, output: SliceMut) -> Result<()> {
        let len = index("pointwise.unary", "the input", input.len())?;
        let (number, scale, shift) = unary_number(function);
        let dtype = input.dtype();
        self.launch("pointwise", &format!("pointwise_unary_{dtype}"))?
            .read(input)
            .write(&output)
            .value(len)
            .value(number)
            .value(scale)
            .value(shift)
            .run([blocks(input.len(), width(dtype)), 1, 1], THREADS)
    }

    fn unary_gradient(
        &self,
        function: Unary,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        let len = index("pointwise.unary_gradient", "the input", input.len())?;
        let (number, scale, _) = unary_number(function);
        let dtype = input.dtype();
        self.launch("pointwise", &format!("pointwise_unary_gradient_{dtype}"))?
            .read(input)
            .read(output_gradient)
            .write(&input_gradient.slice)
            .value(len)
            .value(number)
            .value(scale)
            .value(accumulates(input_gradient.mode))
            .run([blocks(input.len(), width(dtype)), 1, 1], THREADS)
    }

    fn binary(
        &self,
        function: Binary,
        left: Slice,
        right: Slice,
        output: Destination,
    ) -> Result<()> {
        const OP: &str = "pointwise.binary";
        let len = index(OP, "the left side", left.len())?;
        let period = index(OP, "the right side", right.len())?;
        let dtype = left.dtype();
        self.launch("pointwise", &format!("pointwise_binary_{dtype}"))?
            .read(left)
            .read(right)
            .write(&output.slice)
            .value(len)
            .value(period)
            .value(binary_number(function))
            .value(accumulates(output.mode))
            .run([blocks(left.len(), width(dtype)), 1, 1], THREADS)
    }

    fn cast(&self, input: Slice, output: SliceMut) -> Result<()> {
        let len = index("pointwise.cast", "the input", input.len())?;
        self.launch("pointwise", &format!("pointwise_cast_{}", output.dtype()))?
            .read(input)
            .write(&output)
            .value(len)
            .run([blocks(input.len(), width(DType::Bf16)), 1, 1], THREADS)
    }
}
