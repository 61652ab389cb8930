//! The source rows that a strip of output pixels reads, spread over the lanes.

use std::ops::Range;

use super::super::super::gemm::Window;
use super::tile::{Spread, Tiles};

/// Floats of a cache line.
const ALIGNMENT: usize = 16;

/// What a strip's rows are made of.
pub(super) struct Layout<'a> {
    pub tiles: &'static Tiles,
    pub window: &'a Window,
    pub source: &'a [f32],
    /// Channels of a group.
    pub width: usize,
    first_tap: [isize; 2],
    last_tap: [isize; 2],
}

impl<'a> Layout<'a> {
    /// `None` if the window has no taps.
    pub fn new(
        tiles: &'static Tiles,
        window: &'a Window,
        source: &'a [f32],
        width: usize,
    ) -> Option<Layout<'a>> {
        let end = |axis: usize| window.taps.iter().map(move |tap| tap[axis]);
        let first_tap = [end(0).min()?, end(1).min()?];
        let last_tap = [end(0).max()?, end(1).max()?];
        Some(Layout { tiles, window, source, width, first_tap, last_tap })
    }

    /// Floats of a spread pixel.
    pub fn pixel_len(&self) -> usize {
        if self.width >= self.tiles.lanes { self.width } else { self.width * self.tiles.lanes }
    }

    /// Lines of the ring: at least the rows that output pixels of one row reach, and a power of two,
    /// so that no division finds a row's line.
    fn lines(&self) -> usize {
        ((self.last_tap[0] - self.first_tap[0]) as usize + 1).next_power_of_two()
    }

    /// Asks for all channels of the pixels that these output pixels read. Blocks read a register's
    /// channels of each pixel, one block after the other: pieces too small to be fetched well by
    /// themselves.
    pub fn prefetch(&self, picture: usize, rows: &Range<usize>, columns: &Range<usize>) {
        let [picture_stride, row_stride, stride] = self.window.source.strides;
        let reached = |axis: usize, range: &Range<usize>| {
            let (step, end) = (self.window.step[axis], self.window.source_size[axis] as isize);
            let first = (range.start * step) as isize + self.first_tap[axis];
            let last = ((range.end - 1) * step) as isize + self.last_tap[axis];
            first.clamp(0, end) as usize..(last + 1).clamp(0, end) as usize
        };
        let columns = reached(1, columns);
        for row in reached(0, rows) {
            let first = self.window.source.offset + picture * picture_stride + row * row_stride;
            let pixels = &self.source[first + columns.start * stride..first + columns.end * stride];
            self.tiles.prefetch(pixels.as_ptr(), pixels.len());
        }
    }

    /// Columns that these output columns reach.
    fn columns(&self, columns: &Range<usize>) -> usize {
        let across = (self.last_tap[1] - self.first_tap[1]) as usize + 1;
        (columns.len() - 1) * self.window.step[1] + across
    }
}

/// A ring of spread rows; output rows are reached in order.
pub(super) struct Rows<'a> {
    layout: &'a Layout<'a>,
    ring: &'a mut [f32],
    lines: usize,
    row_len: usize,
    picture: usize,
    block: usize,
    first_column: isize,
    /// The row after the last that was spread.
    next: isize,
}

impl<'a> Rows<'a> {
    /// Of a picture's block of channels, for these output columns.
    pub fn new(
        layout: &'a Layout,
        buffer: &'a mut Vec<f32>,
        picture: usize,
        block: usize,
        columns: &Range<usize>,
    ) -> Rows<'a> {
        let row_len = layout.columns(columns) * layout.pixel_len();
        let lines = layout.lines();
        let len = lines * row_len;
        if buffer.len() < len + ALIGNMENT {
            buffer.resize(len + ALIGNMENT, 0.0);
        }
        // A register that straddles two cache lines takes twice as long to load.
        let aligned = buffer.as_ptr().align_offset(ALIGNMENT * size_of::<f32>()).min(ALIGNMENT);
        let first_column = (columns.start * layout.window.step[1]) as isize + layout.first_tap[1];
        let ring = &mut buffer[aligned..aligned + len];
        Rows { layout, ring, lines, row_len, picture, block, first_column, next: isize::MIN }
    }

    /// Spreads what output row `row` reaches and has not been spread.
    pub fn reach(&mut self, row: usize) {
        let top = (row * self.layout.window.step[0]) as isize;
        let last = top + self.layout.last_tap[0];
        for row in self.next.max(top + self.layout.first_tap[0])..=last {
            self.spread(row);
        }
        self.next = last + 1;
    }

    /// Where the first output column of row `row` reads at a tap.
    pub fn tap(&self, row: usize, tap: [isize; 2]) -> *const f32 {
        let line = self.line((row * self.layout.window.step[0]) as isize + tap[0]);
        let column = (tap[1] - self.layout.first_tap[1]) as usize;
        self.ring[line * self.row_len + column * self.layout.pixel_len()..].as_ptr()
    }

    fn line(&self, row: isize) -> usize {
        row as usize & (self.lines - 1)
    }

    fn spread(&mut self, row: isize) {
        let Layout { tiles, window, source, width, .. } = *self.layout;
        let (line, pixel_len) = (self.line(row), self.layout.pixel_len());
        let to = &mut self.ring[line * self.row_len..][..self.row_len];
        let [height, across] = window.source_size.map(|size| size as isize);
        let columns = (self.row_len / pixel_len) as isize;
        let begin = (-self.first_column).clamp(0, columns);
        let end = (across - self.first_column).clamp(begin, columns);
        if row < 0 || row >= height || begin == end {
            to.fill(0.0);
            return;
        }
        let (begin, count) = (begin as usize, (end - begin) as usize);
        to[..begin * pixel_len].fill(0.0);
        to[(begin + count) * pixel_len..].fill(0.0);
        let to = &mut to[begin * pixel_len..][..count * pixel_len];

        let channels = width.max(tiles.lanes);
        let [picture_stride, row_stride, stride] = window.source.strides;
        let column = (self.first_column + begin as isize) as usize;
        let first = window.source.offset
            + self.picture * picture_stride
            + row as usize * row_stride
            + column * stride
            + self.block * tiles.lanes / channels * channels;
        let from = &source[first..first + (count - 1) * stride + channels];
        if width >= tiles.lanes {
            for (pixel, to) in to.chunks_exact_mut(width).enumerate() {
                to.copy_from_slice(&from[pixel * stride..][..width]);
            }
            return;
        }
        let spread =
            Spread { from: from.as_ptr(), stride, pixels: count, width, to: to.as_mut_ptr() };
        // SAFETY: `count` pixels of a register's channels lie in `from`, as many spread ones in `to`.
        unsafe { (tiles.spread)(&spread) };
    }
}
