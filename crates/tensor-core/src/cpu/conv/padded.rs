//! The input with its padding written out, in which a kernel row is one run of floats.

use rayon::prelude::*;

use super::super::gemm::{Grid, Window};
use crate::backend::conv::ConvShape;

fn size(shape: &ConvShape) -> [usize; 2] {
    [shape.h + 2 * shape.padding[0], shape.w + 2 * shape.padding[1]]
}

/// Elements of the copy.
pub(super) fn len(shape: &ConvShape) -> usize {
    let [rows, columns] = size(shape);
    shape.n * rows * columns * shape.c
}

/// Output pixels over the copy, a tap for each row of the kernel.
pub(super) fn window(shape: &ConvShape) -> Window {
    let [rows, columns] = size(shape);
    Window {
        pictures: shape.n,
        size: [shape.p(), shape.q()],
        step: shape.stride,
        taps: (0..shape.r).map(|r| [r as isize, 0]).collect(),
        source_size: [rows, columns - shape.s + 1],
        source: Grid::dense(rows, columns, shape.c),
    }
}

/// Writes the copy, several rows at a time.
pub(super) fn copy(shape: &ConvShape, input: &[f32], copy: &mut [f32]) {
    let [rows, columns] = size(shape);
    let (row_len, frame) = (shape.w * shape.c, shape.padding[1] * shape.c);
    copy.par_chunks_exact_mut(rows * columns * shape.c).enumerate().for_each(|(picture, copy)| {
        for (row, copy) in copy.chunks_exact_mut(columns * shape.c).enumerate() {
            let inside = row.checked_sub(shape.padding[0]).filter(|row| *row < shape.h);
            let Some(row) = inside else {
                copy.fill(0.0);
                continue;
            };
            let from = (picture * shape.h + row) * row_len;
            copy[..frame].fill(0.0);
            copy[frame..frame + row_len].copy_from_slice(&input[from..from + row_len]);
            copy[frame + row_len..].fill(0.0);
        }
    });
}
