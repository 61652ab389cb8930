//! A convolution as a sum of row products: one term for each slice of channels and, in the input
//! gradient of a strided convolution, for each class of input pixels that meet the same taps.

use super::super::gemm::{Grid, Kernels, PanelSource, Window, panels_len};
use super::padded;
use crate::backend::conv::ConvShape;

/// Neighbouring groups are computed together, as a block-diagonal product, until they fill this
/// many channels: a register's worth costs the same as one channel.
const SLICE_CHANNELS: usize = 32;

/// Groups of channels that are computed together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slices {
    /// How many slices there are.
    pub count: usize,
    /// Groups in a slice.
    pub groups: usize,
    /// Input and output channels of a slice.
    pub c: usize,
    pub k: usize,
}

impl Slices {
    pub fn new(shape: &ConvShape) -> Slices {
        let channels = shape.group_k().max(1);
        let fills = |groups: &usize| {
            shape.groups.is_multiple_of(*groups) && groups * channels >= SLICE_CHANNELS
        };
        let groups = (1..shape.groups).find(fills).unwrap_or(shape.groups);
        Slices {
            count: shape.groups / groups,
            groups,
            c: groups * shape.group_c(),
            k: groups * shape.group_k(),
        }
    }
}

/// One row product of a convolution.
pub(super) struct Term {
    pub window: Window,
    pub target: Grid,
    /// Where in the weights each tap of the window begins.
    taps: Vec<usize>,
    /// Of one group: summed channels and computed channels, and how far apart their weights are.
    depth: usize,
    columns: usize,
    depth_stride: usize,
    column_stride: usize,
    groups: usize,
    group_stride: usize,
}

impl Term {
    /// Where in the weights each tap of the window begins.
    pub fn taps(&self) -> &[usize] {
        &self.taps
    }

    /// Floats read at a tap.
    pub fn depth(&self) -> usize {
        self.depth * self.groups
    }

    /// Channels computed.
    pub fn columns(&self) -> usize {
        self.columns * self.groups
    }

    /// Elements of its packed weights.
    pub fn panels_len(&self, kernels: &Kernels) -> usize {
        panels_len(kernels, self.taps.len(), self.depth(), self.columns())
    }

    /// Its weights as they lie in `[k, r, s, c / groups]`.
    pub fn panel_source<'a>(&self, weights: &'a [f32]) -> PanelSource<'a> {
        PanelSource {
            elements: weights,
            taps: self.taps.clone(),
            depth: self.depth,
            columns: self.columns,
            depth_stride: self.depth_stride,
            column_stride: self.column_stride,
            blocks: self.groups,
            block_stride: self.group_stride,
        }
    }
}

/// Output pixels over input pixels, a tap for each element of the kernel.
pub(super) fn input_window(shape: &ConvShape) -> Window {
    let taps = (0..shape.r).flat_map(|r| (0..shape.s).map(move |s| [r as isize, s as isize]));
    let padding = shape.padding.map(|padding| padding as isize);
    Window {
        pictures: shape.n,
        size: [shape.p(), shape.q()],
        step: shape.stride,
        taps: taps.map(|[r, s]| [r - padding[0], s - padding[1]]).collect(),
        source_size: [shape.h, shape.w],
        source: Grid::dense(shape.h, shape.w, shape.c),
    }
}

/// The forward pass: a term for each slice.
pub(super) fn forward(shape: &ConvShape, padded: bool) -> Vec<Term> {
    forward_of(shape, &Slices::new(shape), padded)
}

/// [`forward`] in these slices.
pub(super) fn forward_of(shape: &ConvShape, slices: &Slices, padded: bool) -> Vec<Term> {
    let (row_taps, run) = if padded { (shape.r, shape.s) } else { (shape.r * shape.s, 1) };
    let filter = shape.r * shape.s * shape.group_c();
    let slice = |slice: usize| {
        let mut window = if padded { padded::window(shape) } else { input_window(shape) };
        window.source.offset = slice * slices.c;
        let mut target = Grid::dense(shape.p(), shape.q(), shape.k);
        target.offset = slice * slices.k;
        let first = slice * slices.k * filter;
        Term {
            window,
            target,
            taps: (0..row_taps).map(|tap| first + tap * run * shape.group_c()).collect(),
            depth: run * shape.group_c(),
            columns: shape.group_k(),
            depth_stride: 1,
            column_stride: filter,
            groups: slices.groups,
            group_stride: shape.group_k() * filter,
        }
    };
    (0..slices.count).map(slice).collect()
}

/// The input gradient: for each slice, a term for each remainder of row and column by the stride.
///
/// Output row `p` meets input row `h` at tap `r` if `p stride = h + padding - r`; so all rows with
/// the same remainder meet the same taps, one output row further from row to row.
pub(super) fn input_gradient(shape: &ConvShape) -> Vec<Term> {
    input_gradient_of(shape, &Slices::new(shape))
}

/// [`input_gradient`] in these slices.
pub(super) fn input_gradient_of(shape: &ConvShape, slices: &Slices) -> Vec<Term> {
    let mut terms = Vec::new();
    for slice in 0..slices.count {
        for row in 0..shape.stride[0].min(shape.h) {
            for column in 0..shape.stride[1].min(shape.w) {
                terms.push(input_gradient_term(shape, slices, slice, [row, column]));
            }
        }
    }
    terms
}

fn input_gradient_term(
    shape: &ConvShape,
    slices: &Slices,
    slice: usize,
    first: [usize; 2],
) -> Term {
    let filter = shape.r * shape.s * shape.group_c();
    let [row_stride, column_stride] = shape.stride;
    let rows = meeting_taps(shape.r, first[0], shape.padding[0], row_stride);
    let columns = meeting_taps(shape.s, first[1], shape.padding[1], column_stride);
    let (mut taps, mut positions) = (Vec::new(), Vec::new());
    for &(r, row) in &rows {
        for &(s, column) in &columns {
            taps.push(slice * slices.k * filter + (r * shape.s + s) * shape.group_c());
            positions.push([row, column]);
        }
    }
    let mut source = Grid::dense(shape.p(), shape.q(), shape.k);
    source.offset = slice * slices.k;
    let [picture, row, column] = Grid::dense(shape.h, shape.w, shape.c).strides;
    Term {
        window: Window {
            pictures: shape.n,
            size: [
                (shape.h - first[0]).div_ceil(row_stride),
                (shape.w - first[1]).div_ceil(column_stride),
            ],
            step: [1, 1],
            taps: positions,
            source_size: [shape.p(), shape.q()],
            source,
        },
        target: Grid {
            offset: first[0] * row + first[1] * column + slice * slices.c,
            strides: [picture, row * row_stride, column * column_stride],
        },
        taps,
        depth: shape.group_k(),
        columns: shape.group_c(),
        depth_stride: filter,
        column_stride: 1,
        groups: slices.groups,
        group_stride: shape.group_k() * filter,
    }
}

/// The taps that meet input position `first`, each with the output position it comes from.
fn meeting_taps(taps: usize, first: usize, padding: usize, stride: usize) -> Vec<(usize, isize)> {
    let distance = |tap: usize| (first + padding) as isize - tap as isize;
    let stride = stride as isize;
    let meeting = (0..taps).filter(|tap| distance(*tap) % stride == 0);
    meeting.map(|tap| (tap, distance(tap) / stride)).collect()
}
