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

    /// Adds each window's gradient to its first maximum in `to` (`[h, w, c]`). The maxima are
    /// computed again: that is cheaper than reading stored places.
    pub(super) fn add_gradient(
        shape: &MaxPoolShape,
        picture: &[f32],
        gradient: &[f32],
        to: &mut [f32],
    ) {
        let row_len = shape.q() * shape.c;
        let mut folded = vec![0.0; shape.w * shape.c];
        let mut maxima = vec![0.0; row_len];
        let mut remaining = vec![0.0; row_len];
        for (row, gradient) in gradient.chunks_exact(row_len).enumerate() {
            row_maxima(shape, picture, row, &mut folded, &mut maxima);
            remaining.copy_from_slice(gradient);
            add_row_gradient(shape, picture, row, &maxima, &mut remaining, to);
        }
    }
}

/// The part of a window that lies in the picture.
#[inline(always)]
fn covered(
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

/// Gives what is left of each window's gradient to the first element that equals its maximum.
#[inline(always)]
fn add_row_gradient(
    shape: &MaxPoolShape,
    picture: &[f32],
    row: usize,
    maxima: &[f32],
    remaining: &mut [f32],
    to: &mut [f32],
) {
    let (channels, line) = (shape.c, shape.w * shape.c);
    for picture_row in covered(row, shape.stride[0], shape.window[0], shape.padding[0], shape.h) {
        let picture = &picture[picture_row * line..][..line];
        let to = &mut to[picture_row * line..][..line];
        let windows = maxima.chunks_exact(channels).zip(remaining.chunks_exact_mut(channels));
        for (column, (maxima, remaining)) in windows.enumerate() {
            let columns =
                covered(column, shape.stride[1], shape.window[1], shape.padding[1], shape.w);
            for pixel in columns {
                let picture = &picture[pixel * channels..][..channels];
                let to = &mut to[pixel * channels..][..channels];
                give(picture, maxima, remaining, to);
            }
        }
    }
}

/// Moves the remaining gradient to where the picture has the maximum (or a not-a-number, which then
/// is the maximum).
#[inline(always)]
pub(super) fn give(picture: &[f32], maxima: &[f32], remaining: &mut [f32], to: &mut [f32]) {
    let len = picture.len();
    let (maxima, remaining, to) = (&maxima[..len], &mut remaining[..len], &mut to[..len]);
    for i in 0..len {
        let hit = picture[i] == maxima[i] || picture[i].is_nan();
        to[i] += if hit { remaining[i] } else { 0.0 };
        remaining[i] = if hit { 0.0 } else { remaining[i] };
    }
}
