//! The weight gradient as sums of outer products, one for each slice of channels.

use rayon::prelude::*;

use super::super::InstructionSet;
use super::super::gemm::{Kernels, OuterProduct, outer_workspace};
use super::input_window;
use super::term::Slices;
use crate::backend::conv::ConvShape;
use crate::memory::WriteMode;

/// What the weight gradient is computed from.
pub(super) struct WeightGradient<'a> {
    pub shape: &'a ConvShape,
    /// Whether the source is the padded copy.
    pub padded: bool,
    pub source: &'a [f32],
    pub output_gradient: &'a [f32],
}

/// Floats read at each tap of a slice.
fn columns(shape: &ConvShape, slices: &Slices, padded: bool) -> usize {
    if padded { shape.s * slices.c } else { slices.c }
}

/// Elements of a slice's gradient as if all its channels saw each other.
fn dense_len(shape: &ConvShape, slices: &Slices) -> usize {
    slices.k * shape.r * shape.s * slices.c
}

/// Elements of scratch space, without the padded copy of the input, which lies before it.
pub(super) fn workspace(kernels: &Kernels, shape: &ConvShape, padded: bool) -> usize {
    let slices = Slices::new(shape);
    let taps = if padded { shape.r } else { shape.r * shape.s };
    let columns = columns(shape, &slices, padded);
    let partials = outer_workspace(kernels, shape.output_rows(), slices.k, columns, taps);
    let copy = if padded { super::padded::len(shape) } else { 0 };
    let dense = if slices.groups > 1 { dense_len(shape, &slices) } else { 0 };
    copy + dense + partials
}

impl WeightGradient<'_> {
    /// Computes `[k, r, s, c / groups]` into the target.
    pub fn run(
        &self,
        instruction_set: InstructionSet,
        workspace: &mut [f32],
        target: &mut [f32],
        mode: WriteMode,
    ) {
        let shape = self.shape;
        let slices = Slices::new(shape);
        let slice_len = target.len() / slices.count;
        for (slice, target) in target.chunks_exact_mut(slice_len).enumerate() {
            let mut window = input_window(shape, self.padded);
            window.source.offset = slice * slices.c;
            let product = OuterProduct {
                window: &window,
                source: self.source,
                columns: columns(shape, &slices, self.padded),
                left: self.output_gradient,
                left_stride: shape.k,
                left_offset: slice * slices.k,
                rows: slices.k,
            };
            if slices.groups == 1 {
                product.run(instruction_set, workspace, target, mode);
            } else {
                let (dense, workspace) = workspace.split_at_mut(dense_len(shape, &slices));
                product.run(instruction_set, workspace, dense, WriteMode::Write);
                take_diagonal(shape, &slices, dense, target, mode);
            }
        }
    }
}

/// Keeps of `[slice k, r, s, slice c]` what lies within one group: `[slice k, r, s, c / groups]`.
fn take_diagonal(
    shape: &ConvShape,
    slices: &Slices,
    dense: &[f32],
    target: &mut [f32],
    mode: WriteMode,
) {
    let (taps, group_c) = (shape.r * shape.s, shape.group_c());
    let rows =
        target.par_chunks_exact_mut(taps * group_c).zip(dense.par_chunks_exact(taps * slices.c));
    rows.enumerate().for_each(|(k, (target, dense))| {
        let first = k / shape.group_k() * group_c;
        for (target, dense) in target.chunks_exact_mut(group_c).zip(dense.chunks_exact(slices.c)) {
            for (target, dense) in target.iter_mut().zip(&dense[first..]) {
                match mode {
                    WriteMode::Write => *target = *dense,
                    WriteMode::Accumulate => *target += dense,
                }
            }
        }
    });
}
