//! The gradient of maxima over windows. Row by row of the picture: the places of the maxima are found
//! again for the windows that reach this far, which is cheaper than storing them; then each pixel
//! takes the gradients of the windows that it won.

use std::ops::Range;

use super::first_maximum::{self, GROUP};
use super::window::covered;
use crate::backend::pool::MaxPoolShape;
use crate::cpu::vector::dispatch;

/// Windows that a pixel is compared with at once.
const WINDOWS: usize = 4;

/// No place in any window.
const NOWHERE: u32 = u32::MAX;

dispatch! {
    /// Writes one picture's gradient, or adds it.
    pub(super) fn gradient<const ACCUMULATE: bool>(
        shape: &MaxPoolShape,
        picture: &[f32],
        gradient: &[f32],
        to: &mut [f32],
    ) {
        let mut places = Places::new(shape);
        for (row, to) in to.chunks_exact_mut(shape.w * shape.c).enumerate() {
            let windows =
                reaching(row, shape.stride[0], shape.window[0], shape.padding[0], shape.p());
            places.advance(picture, windows.end);
            for (column, to) in to.chunks_exact_mut(shape.c).enumerate() {
                collect::<ACCUMULATE>(&places, gradient, row, column, windows.clone(), to);
            }
        }
    }
}

/// The windows that reach a pixel, along one axis.
#[inline(always)]
fn reaching(
    pixel: usize,
    stride: usize,
    window: usize,
    padding: usize,
    windows: usize,
) -> Range<usize> {
    let start = (pixel + padding + 1).saturating_sub(window).div_ceil(stride);
    start..((pixel + padding) / stride + 1).min(windows)
}

/// Where the first maxima of the last few output rows lie, as places in the window.
struct Places<'a> {
    shape: &'a MaxPoolShape,
    /// `[kept, q, c]`: output row `p` is line `p % kept`.
    places: Vec<u32>,
    kept: usize,
    /// Output rows that have been computed.
    computed: usize,
    /// `[c]` scratch space.
    best: Vec<f32>,
    /// `[c]` values that never win: what lies in the padding.
    lowest: Vec<f32>,
}

impl<'a> Places<'a> {
    fn new(shape: &'a MaxPoolShape) -> Places<'a> {
        let kept = shape.window[0].div_ceil(shape.stride[0]);
        Places {
            shape,
            places: vec![NOWHERE; kept * shape.q() * shape.c],
            kept,
            computed: 0,
            best: vec![f32::NEG_INFINITY; shape.c],
            lowest: vec![f32::NEG_INFINITY; shape.c],
        }
    }

    /// The places of the maxima of one output row, `[q, c]`.
    #[inline(always)]
    fn row(&self, row: usize) -> &[u32] {
        let line = self.shape.q() * self.shape.c;
        &self.places[row % self.kept * line..][..line]
    }

    /// Computes the output rows before `end` that have not been computed.
    #[inline(always)]
    fn advance(&mut self, picture: &[f32], end: usize) {
        let (shape, line) = (self.shape, self.shape.q() * self.shape.c);
        while self.computed < end {
            let row = self.computed;
            let rows = covered(row, shape.stride[0], shape.window[0], shape.padding[0], shape.h);
            let places = &mut self.places[row % self.kept * line..][..line];
            for (column, place) in places.chunks_exact_mut(shape.c).enumerate() {
                let columns =
                    covered(column, shape.stride[1], shape.window[1], shape.padding[1], shape.w);
                let top = (row * shape.stride[0], column * shape.stride[1]);
                let window = Window { shape, top, rows: rows.clone(), columns };
                window.find(picture, &self.lowest, &mut self.best, place);
            }
            self.computed += 1;
        }
    }
}

/// One window: its first pixel counted from the padding's edge, and the pixels it covers.
struct Window<'a> {
    shape: &'a MaxPoolShape,
    top: (usize, usize),
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Window<'_> {
    /// Finds the first maximum of each channel.
    #[inline(always)]
    fn find(&self, picture: &[f32], lowest: &[f32], best: &mut [f32], place: &mut [u32]) {
        let [height, width] = self.shape.window;
        best.fill(f32::NEG_INFINITY);
        place.fill(self.place(self.rows.start, self.columns.start));
        let mut group = [lowest; GROUP];
        let (mut row, mut column) = (0, 0);
        for first in (0..height * width).step_by(GROUP) {
            for pixel in &mut group {
                *pixel = self.pixel(picture, row, column).unwrap_or(lowest);
                column += 1;
                if column == width {
                    (row, column) = (row + 1, 0);
                }
            }
            first_maximum::extend(group, first as u32, best, place);
        }
    }

    /// The place in the window of a pixel of the picture.
    #[inline(always)]
    fn place(&self, row: usize, column: usize) -> u32 {
        let [vertical, horizontal] = self.shape.padding;
        let (row, column) = (row + vertical - self.top.0, column + horizontal - self.top.1);
        (row * self.shape.window[1] + column) as u32
    }

    /// The channels at a place of the window, if it lies in the picture.
    #[inline(always)]
    fn pixel<'a>(&self, picture: &'a [f32], row: usize, column: usize) -> Option<&'a [f32]> {
        let row = (self.top.0 + row).wrapping_sub(self.shape.padding[0]);
        let column = (self.top.1 + column).wrapping_sub(self.shape.padding[1]);
        let inside = self.rows.contains(&row) && self.columns.contains(&column);
        let start =
            (row.wrapping_mul(self.shape.w).wrapping_add(column)).wrapping_mul(self.shape.c);
        inside.then(|| &picture[start..][..self.shape.c])
    }
}

/// What a pixel takes from one window: the window's gradients where its maxima lie at `place`.
#[derive(Clone, Copy)]
struct Share<'a> {
    gradient: &'a [f32],
    places: &'a [u32],
    place: u32,
}

/// Sums the gradients of all windows that a pixel won, in row order.
#[inline(always)]
fn collect<const ACCUMULATE: bool>(
    places: &Places,
    gradient: &[f32],
    row: usize,
    column: usize,
    rows: Range<usize>,
    to: &mut [f32],
) {
    let shape = places.shape;
    let line = shape.q() * shape.c;
    let columns = reaching(column, shape.stride[1], shape.window[1], shape.padding[1], shape.q());
    let mut shares = [Share { gradient: &[], places: &[], place: NOWHERE }; WINDOWS];
    let mut count = 0;
    let mut accumulate = ACCUMULATE;
    for p in rows {
        let gradient = &gradient[p * line..][..line];
        let places = places.row(p);
        for q in columns.clone() {
            if count == WINDOWS {
                take_any(&shares, accumulate, to);
                (count, accumulate) = (0, true);
            }
            let down = row + shape.padding[0] - p * shape.stride[0];
            let across = column + shape.padding[1] - q * shape.stride[1];
            shares[count] = Share {
                gradient: &gradient[q * shape.c..][..shape.c],
                places: &places[q * shape.c..][..shape.c],
                place: (down * shape.window[1] + across) as u32,
            };
            count += 1;
        }
    }
    take_any(&shares[..count], accumulate, to);
}

/// Takes up to [`WINDOWS`] shares.
#[inline(always)]
fn take_any(shares: &[Share], accumulate: bool, to: &mut [f32]) {
    match *shares {
        [] if accumulate => {}
        [] => to.fill(0.0),
        [a] => take([a], accumulate, to),
        [a, b] => take([a, b], accumulate, to),
        [a, b, c] => take([a, b, c], accumulate, to),
        [a, b, c, d, ..] => take([a, b, c, d], accumulate, to),
    }
}

/// Writes the shares' sum, or adds it.
#[inline(always)]
fn take<const COUNT: usize>(shares: [Share; COUNT], accumulate: bool, to: &mut [f32]) {
    let channels = to.len();
    let mut gradients: [&[f32]; COUNT] = [&[]; COUNT];
    let mut places: [&[u32]; COUNT] = [&[]; COUNT];
    for (index, share) in shares.iter().enumerate() {
        (gradients[index], places[index]) =
            (&share.gradient[..channels], &share.places[..channels]);
    }
    for i in 0..channels {
        let mut sum = if accumulate { to[i] } else { 0.0 };
        for index in 0..COUNT {
            let won = places[index][i] == shares[index].place;
            sum += if won { gradients[index][i] } else { 0.0 };
        }
        to[i] = sum;
    }
}
