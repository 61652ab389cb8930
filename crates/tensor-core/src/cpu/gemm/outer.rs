//! Sums of outer products over pixels: `target[row, tap, column] = sum over pixels of
//! left[pixel, row] * source[pixel at tap, column]`.
//!
//! A task is a range of pixels and a block of rows and columns. It walks its pixels in chunks that
//! fit the caches: both sides of a chunk are packed, then every tile of the block adds the chunk to
//! its sums. Ranges of pixels have partial sums of their own, joined in order.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::super::InstructionSet;
use super::super::vector::dispatch;
use super::tile::{OuterTile, PackLeft, PackRight};
use super::{Kernels, SharedTarget, Window};
use crate::memory::WriteMode;

/// Pixels whose packed columns stay in the first-level cache.
const CHUNK: usize = 256;
/// Panels whose packed pixels stay in the second-level cache. A packed row is used by all panels and
/// taps of its block: with a single tap it takes more panels for packing not to count.
const BLOCK_PANELS: usize = 2;
const BLOCK_PANELS_OF_ONE_TAP: usize = 8;
/// Rows whose packed pixels stay in the second-level cache.
const BLOCK_ROWS: usize = 260;
/// With fewer tasks than this, pixels are split as well.
const ENOUGH_TASKS: usize = 32;
/// Elements of partial sums beyond which pixels are not split further.
const MOST_PARTIALS: usize = 16 << 20;
/// Elements that one task joins.
const JOIN: usize = 16 << 10;

/// See the head of this file.
pub(in crate::cpu) struct OuterProduct<'a> {
    pub window: &'a Window,
    pub source: &'a [f32],
    /// Columns that are read at each tap.
    pub columns: usize,
    /// `[pixels, left_stride]`, of which `rows` elements from `left_offset` on take part.
    pub left: &'a [f32],
    pub left_stride: usize,
    pub left_offset: usize,
    pub rows: usize,
}

/// How an outer product is cut, by its shape alone.
struct Cut {
    /// Pixels of a part and how many parts there are.
    part_pixels: usize,
    parts: usize,
    /// Rows and columns of a block and how many blocks there are.
    block_rows: usize,
    row_blocks: usize,
    block_columns: usize,
    column_blocks: usize,
}

impl Cut {
    fn new(kernels: &Kernels, pixels: usize, rows: usize, columns: usize, taps: usize) -> Cut {
        let row_blocks = rows.div_ceil(BLOCK_ROWS);
        let block_rows = rows.div_ceil(row_blocks).next_multiple_of(kernels.outer_tile_rows);
        let block_panels = if taps == 1 { BLOCK_PANELS_OF_ONE_TAP } else { BLOCK_PANELS };
        let block_columns = block_panels * kernels.columns;
        let column_blocks = columns.div_ceil(block_columns);
        let wanted = ENOUGH_TASKS / (row_blocks * column_blocks);
        let most = (pixels / (2 * CHUNK)).min(MOST_PARTIALS / (rows * columns * taps).max(1));
        let parts = wanted.min(most).max(1);
        let part_pixels = pixels.div_ceil(parts).next_multiple_of(CHUNK);
        Cut {
            part_pixels,
            parts: pixels.div_ceil(part_pixels),
            block_rows,
            row_blocks: rows.div_ceil(block_rows),
            block_columns,
            column_blocks,
        }
    }
}

/// Elements of scratch space of [`OuterProduct::run`].
pub(in crate::cpu) fn outer_workspace(
    kernels: &Kernels,
    pixels: usize,
    rows: usize,
    columns: usize,
    taps: usize,
) -> usize {
    if pixels * rows * columns * taps == 0 {
        return 0;
    }
    let parts = Cut::new(kernels, pixels, rows, columns, taps).parts;
    if parts > 1 { parts * rows * columns * taps } else { 0 }
}

thread_local! {
    /// Both packed sides of a chunk; kept, so that they stay in this core's cache.
    static PACKED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl OuterProduct<'_> {
    /// Elements of the target.
    fn len(&self) -> usize {
        self.rows * self.window.taps.len() * self.columns
    }

    /// Computes `[rows, taps, columns]` into the target.
    pub fn run(
        &self,
        instruction_set: InstructionSet,
        workspace: &mut [f32],
        target: &mut [f32],
        mode: WriteMode,
    ) {
        if self.len() == 0 {
            return;
        }
        let kernels = Kernels::of(instruction_set);
        let pixels = self.window.pixels();
        if pixels == 0 {
            if mode == WriteMode::Write {
                target.fill(0.0);
            }
            return;
        }
        let cut = Cut::new(kernels, pixels, self.rows, self.columns, self.window.taps.len());
        if cut.parts == 1 {
            self.blocks(kernels, &cut, SharedTarget::new(target), mode == WriteMode::Accumulate);
            return;
        }
        let partials = &mut workspace[..cut.parts * self.len()];
        self.blocks(kernels, &cut, SharedTarget::new(partials), false);
        join_partials(instruction_set, partials, &mut target[..self.len()], mode);
    }

    /// All blocks of all parts; part `i` writes at `i * len`.
    fn blocks(&self, kernels: &Kernels, cut: &Cut, target: SharedTarget, accumulate: bool) {
        let blocks = cut.row_blocks * cut.column_blocks;
        (0..cut.parts * blocks).into_par_iter().for_each(|task| {
            let (part, block) = (task / blocks, task % blocks);
            let (row_block, column_block) = (block / cut.column_blocks, block % cut.column_blocks);
            let first_row = row_block * cut.block_rows;
            let first_column = column_block * cut.block_columns;
            let block = Block {
                product: self,
                kernels,
                rows: first_row..(first_row + cut.block_rows).min(self.rows),
                columns: first_column..(first_column + cut.block_columns).min(self.columns),
                target,
                target_offset: part * self.len(),
            };
            let first = part * cut.part_pixels;
            let last = (first + cut.part_pixels).min(self.window.pixels());
            PACKED.with_borrow_mut(|packed| block.run(first..last, packed, accumulate));
        });
    }
}

/// The rows and columns of one task.
struct Block<'a> {
    product: &'a OuterProduct<'a>,
    kernels: &'a Kernels,
    rows: Range<usize>,
    columns: Range<usize>,
    target: SharedTarget,
    target_offset: usize,
}

impl Block<'_> {
    fn run(&self, pixels: Range<usize>, packed: &mut Vec<f32>, accumulate: bool) {
        let tile_rows = self.kernels.outer_tile_rows;
        let left_len = self.rows.len().next_multiple_of(tile_rows) * CHUNK;
        let right_len = self.columns.len().next_multiple_of(self.kernels.columns) * CHUNK;
        if packed.len() < left_len + right_len {
            packed.resize(left_len + right_len, 0.0);
        }
        let (left, right) = packed[..left_len + right_len].split_at_mut(left_len);
        let mut accumulate = accumulate;
        for first in pixels.clone().step_by(CHUNK) {
            let count = CHUNK.min(pixels.end - first);
            self.pack_left(first, count, left);
            for tap in 0..self.product.window.taps.len() {
                self.pack_right(first, count, tap, right);
                self.tiles(tap, count, left, right, accumulate);
            }
            accumulate = true;
        }
    }

    /// `[row tile, pixel, tile rows]`.
    fn pack_left(&self, first: usize, count: usize, packed: &mut [f32]) {
        let product = self.product;
        let tile_rows = self.kernels.outer_tile_rows;
        let tiles = self.rows.clone().step_by(tile_rows);
        for (row, packed) in tiles.zip(packed.chunks_exact_mut(tile_rows * CHUNK)) {
            let columns = tile_rows.min(self.rows.end - row);
            let begin = first * product.left_stride + product.left_offset + row;
            let source = &product.left[begin..];
            debug_assert!(
                count == 0 || source.len() >= (count - 1) * product.left_stride + columns
            );
            let pack = PackLeft {
                source: source.as_ptr(),
                source_stride: product.left_stride,
                pixels: count,
                columns,
                packed: packed.as_mut_ptr(),
            };
            // SAFETY: `count` rows of `columns` elements lie in `left`, `CHUNK` rows in `packed`.
            unsafe { (self.kernels.pack_left)(&pack) };
        }
    }

    /// `[panel, pixel, panel columns]` of one tap.
    fn pack_right(&self, first: usize, count: usize, tap: usize, packed: &mut [f32]) {
        let product = self.product;
        let width = self.kernels.columns;
        let tap = product.window.taps[tap];
        let mut pixel = product.window.pixel(first);
        let mut sources = [std::ptr::null(); CHUNK];
        for source in &mut sources[..count] {
            if let Some(at) = product.window.read(pixel, tap) {
                *source = product.source[at..at + product.columns].as_ptr();
            }
            pixel = product.window.next(pixel);
        }
        for (column, packed) in
            self.columns.clone().step_by(width).zip(packed.chunks_exact_mut(width * CHUNK))
        {
            let pack = PackRight {
                sources: sources.as_ptr(),
                first_column: column,
                pixels: count,
                columns: width.min(self.columns.end - column),
                packed: packed.as_mut_ptr(),
            };
            // SAFETY: every source has all the product's columns, `packed` has `CHUNK` rows.
            unsafe { (self.kernels.pack_right)(&pack) };
        }
    }

    fn tiles(&self, tap: usize, count: usize, left: &[f32], right: &[f32], accumulate: bool) {
        let product = self.product;
        let (tile_rows, width) = (self.kernels.outer_tile_rows, self.kernels.columns);
        let target_stride = product.window.taps.len() * product.columns;
        for (column, right) in
            self.columns.clone().step_by(width).zip(right.chunks_exact(width * CHUNK))
        {
            for (row, left) in
                self.rows.clone().step_by(tile_rows).zip(left.chunks_exact(tile_rows * CHUNK))
            {
                let at = row * target_stride + tap * product.columns + column;
                let tile = OuterTile {
                    left: left.as_ptr(),
                    left_stride: tile_rows,
                    right: right.as_ptr(),
                    right_stride: width,
                    pixels: count,
                    target: self.target.at(self.target_offset + at),
                    target_stride,
                    rows: tile_rows.min(self.rows.end - row),
                    columns: width.min(self.columns.end - column),
                    accumulate,
                };
                // SAFETY: both sides have `CHUNK >= count` packed rows; the target's rows and columns
                // belong to this task alone.
                unsafe { (self.kernels.outer_tile)(&tile) };
            }
        }
    }
}

/// Writes to `target`, or adds to it, the sum of the partial results that lie one behind the other.
pub(in crate::cpu) fn join_partials(
    instruction_set: InstructionSet,
    partials: &[f32],
    target: &mut [f32],
    mode: WriteMode,
) {
    let len = target.len();
    target.par_chunks_mut(JOIN).enumerate().for_each(|(index, target)| {
        if mode == WriteMode::Write {
            target.fill(0.0);
        }
        for partial in partials.chunks_exact(len) {
            add(instruction_set, &partial[index * JOIN..][..target.len()], target);
        }
    });
}

dispatch! {
    fn add(summand: &[f32], target: &mut [f32]) {
        for (target, summand) in target.iter_mut().zip(summand) {
            *target += summand;
        }
    }
}
