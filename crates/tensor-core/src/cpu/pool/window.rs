//! Maxima over windows. A maximum is separable: rows of the window first, over whole picture rows at
//! once, then columns, one output pixel's channels at a time.

use std::ops::Range;

use super::larger;
use crate::backend::pool::MaxPoolShape;
use crate::cpu::vector::dispatch;

dispatch! {
    /// Maxima of the output rows from `first_row` on, as many as `output` (`[rows, q, c]`) holds.
    pub(super) fn maxima(
        shape: &MaxPoolShape,
        picture: &[f32],
        first_row: usize,
        output: &mut [f32],
    ) {
        let mut folded = vec![0.0; shape.w * shape.c];
        for (row, output) in output.chunks_exact_mut(shape.q() * shape.c).enumerate() {
            row_maxima(shape, picture, first_row + row, &mut folded, output);
        }
    }
}

/// The part of a window that lies in the picture.
#[inline(always)]
pub(super) fn covered(
    output: usize,
    stride: usize,
    window: usize,
    padding: usize,
    len: usize,
) -> Range<usize> {
    let start = output * stride;
    start.saturating_sub(padding)..(start + window - padding).min(len)
}

/// One output row's maxima; `folded` (`[w, c]`) is scratch space.
#[inline(always)]
fn row_maxima(
    shape: &MaxPoolShape,
    picture: &[f32],
    row: usize,
    folded: &mut [f32],
    output: &mut [f32],
) {
    let (channels, line) = (shape.c, shape.w * shape.c);
    let rows = covered(row, shape.stride[0], shape.window[0], shape.padding[0], shape.h);
    fold_maximum(picture, line, rows, folded);
    for (column, output) in output.chunks_exact_mut(channels).enumerate() {
        let columns = covered(column, shape.stride[1], shape.window[1], shape.padding[1], shape.w);
        fold_maximum(folded, channels, columns, output);
    }
}

/// The maximum of lines `which` of `lines`, element by element. Three at a time: the window that
/// networks use. A line taken twice changes no maximum.
#[inline(always)]
fn fold_maximum(lines: &[f32], len: usize, which: Range<usize>, to: &mut [f32]) {
    let to = &mut to[..len];
    let line = |index: usize| &lines[index.min(which.end - 1) * len..][..len];
    let (first, second, third) = (line(which.start), line(which.start + 1), line(which.start + 2));
    for i in 0..len {
        to[i] = larger(larger(first[i], second[i]), third[i]);
    }
    for index in (which.start + 3..which.end).step_by(2) {
        let (first, second) = (line(index), line(index + 1));
        for i in 0..len {
            to[i] = larger(to[i], larger(first[i], second[i]));
        }
    }
}
