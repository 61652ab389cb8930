//! The weight gradient: at every point the sum over tiles of outer products of the transformed output
//! gradient and the transformed input, transformed back at the end; in one of two orders.
//!
//! By tiles: a task is a range of tiles and a block of channels; it transforms some tiles at a time and
//! adds their products to the sums of its block. Ranges have partial gradients, joined in order.
//!
//! By channels: where channels are many, so that a task by tiles would transform the same tiles as
//! several others, all channels of some tiles are transformed first, and a task is a block of channels.

use std::ops::Range;

use rayon::prelude::*;

use super::kernels::{Patch, Transform};
use super::product::Layout;
use super::tiling::Tiling;
use super::{Scratch, Shared, TAPS};
use crate::cpu::gemm::{PackedOuter, SharedTarget, join_partials};
use crate::memory::WriteMode;

/// Tiles that a task by tiles transforms at a time.
const CHUNK: usize = 64;
/// Output and input channels of a block, whose sums at all points stay in cache.
const BLOCK_ROWS: usize = 130;
const BLOCK_COLUMNS: usize = 64;
/// With fewer tasks than this, tiles are split as well.
const ENOUGH_TASKS: usize = 32;
/// Elements of partial gradients beyond which tiles are not split further.
const MOST_PARTIALS: usize = 8 << 20;
/// With as many blocks, and so tasks, channels are the better order.
const BLOCKS_BY_CHANNELS: usize = 8;
/// Elements of one side's transforms that stay in the last-level cache, by channels.
const MOST_TRANSFORMED: usize = 5 << 18;

/// The gradient of `[k, 3, 3, c]` weights.
pub(super) struct WeightGradient<'a> {
    pub shared: &'a Shared,
    pub tiling: &'a Tiling,
    pub input: &'a [f32],
    pub output_gradient: &'a [f32],
}

/// How a gradient is cut, by its shape alone.
struct Cut {
    /// Output channels of a block, and how many blocks there are of these and of input channels.
    block_rows: usize,
    row_blocks: usize,
    column_blocks: usize,
    order: Order,
}

enum Order {
    /// Tiles of a part, and how many parts there are.
    ByTiles { part_tiles: usize, parts: usize },
    /// Tiles that are transformed at a time.
    ByChannels { pass_tiles: usize },
}

impl Cut {
    fn new(shared: &Shared, tiling: &Tiling) -> Cut {
        let (rows, columns) = (tiling.target.channels, tiling.source.channels);
        let row_blocks = rows.div_ceil(BLOCK_ROWS);
        let block_rows = rows.div_ceil(row_blocks).next_multiple_of(shared.gemm.outer_tile_rows());
        let row_blocks = rows.div_ceil(block_rows);
        let column_blocks = columns.div_ceil(BLOCK_COLUMNS);
        let blocks = row_blocks * column_blocks;
        let order = if blocks >= BLOCKS_BY_CHANNELS {
            let room = MOST_TRANSFORMED / (shared.tile.points() * rows.max(columns));
            let passes = tiling.tiles().div_ceil(room.max(1));
            Order::ByChannels { pass_tiles: tiling.tiles().div_ceil(passes) }
        } else {
            let most = MOST_PARTIALS / (rows * columns * TAPS);
            let most = most.min(tiling.tiles().div_ceil(CHUNK));
            let parts = (ENOUGH_TASKS / blocks).min(most).max(1);
            let part_tiles = tiling.tiles().div_ceil(parts).next_multiple_of(CHUNK);
            Order::ByTiles { part_tiles, parts: tiling.tiles().div_ceil(part_tiles) }
        };
        Cut { block_rows, row_blocks, column_blocks, order }
    }

    fn blocks(&self) -> usize {
        self.row_blocks * self.column_blocks
    }

    /// Elements of scratch space.
    fn workspace(&self, shared: &Shared, tiling: &Tiling) -> usize {
        match self.order {
            Order::ByTiles { parts: 1, .. } => 0,
            Order::ByTiles { parts, .. } => {
                parts * tiling.target.channels * TAPS * tiling.source.channels
            }
            Order::ByChannels { pass_tiles } => {
                let Layouts { left, right } = self.layouts(shared, tiling, pass_tiles);
                let points = left.point * self.row_blocks + right.point * self.column_blocks;
                shared.tile.points() * points
            }
        }
    }

    /// Output channels of a block of them.
    fn rows(&self, tiling: &Tiling, block: usize) -> Range<usize> {
        let first = block * self.block_rows;
        first..(first + self.block_rows).min(tiling.target.channels)
    }

    /// Input channels of a block of them.
    fn columns(&self, tiling: &Tiling, block: usize) -> Range<usize> {
        let first = block * BLOCK_COLUMNS;
        first..(first + BLOCK_COLUMNS).min(tiling.source.channels)
    }

    /// Where `tiles` transformed tiles of a block lie.
    fn layouts(&self, shared: &Shared, tiling: &Tiling, tiles: usize) -> Layouts {
        let columns = BLOCK_COLUMNS.min(tiling.source.channels);
        Layouts {
            left: Layout::new(tiles, self.block_rows),
            right: Layout::new(tiles, columns.next_multiple_of(shared.gemm.columns)),
        }
    }
}

/// Elements of scratch space.
pub(super) fn workspace(shared: &Shared, tiling: &Tiling) -> usize {
    Cut::new(shared, tiling).workspace(shared, tiling)
}

/// Where the transformed sides of a block lie, with room for whole tiles of the micro-kernel.
struct Layouts {
    /// Output gradients.
    left: Layout,
    /// Inputs.
    right: Layout,
}

impl WeightGradient<'_> {
    /// Computes the gradient on the current threads.
    pub fn run(&self, workspace: &mut [f32], target: &mut [f32], mode: WriteMode) {
        let cut = Cut::new(self.shared, self.tiling);
        match cut.order {
            Order::ByTiles { part_tiles, parts: 1 } => {
                self.by_tiles(&cut, part_tiles, target, mode);
            }
            Order::ByTiles { part_tiles, parts } => {
                let partials = &mut workspace[..parts * target.len()];
                self.by_tiles(&cut, part_tiles, partials, WriteMode::Write);
                join_partials(self.shared.instruction_set, partials, target, mode);
            }
            Order::ByChannels { pass_tiles } => {
                self.by_channels(&cut, pass_tiles, workspace, target, mode);
            }
        }
    }

    /// All parts, one part's gradient behind the other's.
    fn by_tiles(&self, cut: &Cut, part_tiles: usize, target: &mut [f32], mode: WriteMode) {
        let part_len = self.tiling.target.channels * TAPS * self.tiling.source.channels;
        let parts = self.tiling.tiles().div_ceil(part_tiles);
        let layouts = cut.layouts(self.shared, self.tiling, CHUNK);
        let target = SharedTarget::new(target);
        (0..parts * cut.blocks()).into_par_iter().for_each(|task| {
            let (part, block) = (task / cut.blocks(), task % cut.blocks());
            let first = part * part_tiles;
            let tiles = first..(first + part_tiles).min(self.tiling.tiles());
            let block = self.block(cut, block);
            Scratch::with(|scratch| {
                block.of_tiles(tiles, &layouts, scratch, target, part * part_len, mode);
            });
        });
    }

    /// Some tiles after the other, each pass added to the gradient of those before.
    fn by_channels(
        &self,
        cut: &Cut,
        pass_tiles: usize,
        workspace: &mut [f32],
        target: &mut [f32],
        mode: WriteMode,
    ) {
        let layouts = cut.layouts(self.shared, self.tiling, pass_tiles);
        let points = self.shared.tile.points();
        let [left_len, right_len] = [layouts.left.point * points, layouts.right.point * points];
        let (left, right) = workspace.split_at_mut(cut.row_blocks * left_len);
        let target = SharedTarget::new(target);
        for first in (0..self.tiling.tiles()).step_by(pass_tiles) {
            let count = pass_tiles.min(self.tiling.tiles() - first);
            let sides = [SharedTarget::new(left), SharedTarget::new(right)];
            (0..count).into_par_iter().for_each(|row| {
                let [left, right] = sides;
                for (block, channels) in
                    (0..cut.row_blocks).map(|block| cut.rows(self.tiling, block)).enumerate()
                {
                    let left = left.at(block * left_len + row * layouts.left.row);
                    self.transform_output_gradient(first + row, channels, left, &layouts.left);
                }
                for (block, channels) in
                    (0..cut.column_blocks).map(|block| cut.columns(self.tiling, block)).enumerate()
                {
                    let right = right.at(block * right_len + row * layouts.right.row);
                    self.transform_input(first + row, channels, right, &layouts.right);
                }
            });
            let (left, right) = (&*left, &*right);
            let mode = if first > 0 { WriteMode::Accumulate } else { mode };
            (0..cut.blocks()).into_par_iter().for_each(|index| {
                let block = self.block(cut, index);
                let left = &left[index / cut.column_blocks * left_len..][..left_len];
                let right = &right[index % cut.column_blocks * right_len..][..right_len];
                Scratch::with(|scratch| {
                    let [sums] = scratch.take([block.sums_layout().point * points]);
                    block.multiply(left, right, &layouts, count, sums, false);
                    block.transform_sums(sums, target, 0, mode);
                });
            });
        }
    }

    fn block(&self, cut: &Cut, index: usize) -> Block<'_> {
        let row_block = index / cut.column_blocks;
        let column_block = index % cut.column_blocks;
        Block {
            gradient: self,
            rows: cut.rows(self.tiling, row_block),
            columns: cut.columns(self.tiling, column_block),
        }
    }

    /// Writes these channels of a tile's output gradient, at all points, from `first` on.
    fn transform_output_gradient(
        &self,
        tile: usize,
        channels: Range<usize>,
        first: *mut f32,
        layout: &Layout,
    ) {
        let transform = Transform {
            source: self.tiling.read_target(self.output_gradient, tile, channels.start),
            target: Patch::whole(first, layout.strides(self.shared.tile.side())),
            channels: channels.len(),
            accumulate: false,
            ahead: Some(self.tiling.target_step()),
        };
        // SAFETY: a tile's outputs lie in the output's gradient where they are inside; the caller gave a
        // row of these channels at each point, which is this task's alone.
        unsafe { (self.shared.kernels.output_gradient)(&transform) };
    }

    /// Writes these channels of a tile's input, at all points, from `first` on.
    fn transform_input(
        &self,
        tile: usize,
        channels: Range<usize>,
        first: *mut f32,
        layout: &Layout,
    ) {
        let transform = Transform {
            source: self.tiling.source_patch(self.input, tile, channels.start),
            target: Patch::whole(first, layout.strides(self.shared.tile.side())),
            channels: channels.len(),
            accumulate: false,
            ahead: Some(self.tiling.source_step()),
        };
        // SAFETY: the tiling's patches lie in the input where they are inside; the caller gave a row of
        // these channels at each point, which is this task's alone.
        unsafe { (self.shared.kernels.input)(&transform) };
    }
}

/// Some output channels by some input channels.
struct Block<'a> {
    gradient: &'a WeightGradient<'a>,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Block<'_> {
    fn sums_layout(&self) -> Layout {
        Layout::new(self.rows.len(), self.columns.len())
    }

    /// The gradient from some tiles, written from `offset` on.
    fn of_tiles(
        &self,
        tiles: Range<usize>,
        layouts: &Layouts,
        scratch: &mut Scratch,
        target: SharedTarget,
        offset: usize,
        mode: WriteMode,
    ) {
        let shared = self.gradient.shared;
        let points = [layouts.left.point, layouts.right.point, self.sums_layout().point];
        let [left, right, sums] = scratch.take(points.map(|len| len * shared.tile.points()));
        for first in tiles.clone().step_by(CHUNK) {
            let count = CHUNK.min(tiles.end - first);
            for row in 0..count {
                let (tile, rows, columns) = (first + row, self.rows.clone(), self.columns.clone());
                let left = left[row * layouts.left.row..].as_mut_ptr();
                self.gradient.transform_output_gradient(tile, rows, left, &layouts.left);
                let right = right[row * layouts.right.row..].as_mut_ptr();
                self.gradient.transform_input(tile, columns, right, &layouts.right);
            }
            self.multiply(left, right, layouts, count, sums, first > tiles.start);
        }
        self.transform_sums(sums, target, offset, mode);
    }

    /// Multiplies `count` transformed tiles.
    fn multiply(
        &self,
        left: &[f32],
        right: &[f32],
        layouts: &Layouts,
        count: usize,
        sums: &mut [f32],
        accumulate: bool,
    ) {
        let layout = self.sums_layout();
        for (point, sums) in sums.chunks_exact_mut(layout.point).enumerate() {
            let product = PackedOuter {
                left: &left[point * layouts.left.point..],
                left_stride: layouts.left.row,
                rows: self.rows.len(),
                right: &right[point * layouts.right.point..],
                right_stride: layouts.right.row,
                columns: self.columns.len(),
                depth: count,
                target_stride: layout.row,
                accumulate,
            };
            product.run(self.gradient.shared.gemm, sums);
        }
    }

    /// Writes the block's filters into the `[k, 3, 3, c]` that begins at `offset`.
    fn transform_sums(&self, sums: &[f32], target: SharedTarget, offset: usize, mode: WriteMode) {
        let WeightGradient { shared, tiling, .. } = self.gradient;
        let (layout, channels) = (self.sums_layout(), tiling.source.channels);
        for (row, k) in self.rows.clone().enumerate() {
            let first = offset + k * TAPS * channels + self.columns.start;
            let row = sums[row * layout.row..].as_ptr();
            let transform = Transform {
                source: Patch::whole(row, layout.strides(shared.tile.side())),
                target: Patch::whole(target.at(first), [3 * channels as isize, channels as isize]),
                channels: self.columns.len(),
                accumulate: mode == WriteMode::Accumulate,
                ahead: None,
            };
            // SAFETY: `sums` has this row at each point; these filters' channels lie in the target, and
            // are written by this task alone.
            unsafe { (shared.kernels.filter_gradient)(&transform) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Tile, Winograd};
    use super::*;
    use crate::InstructionSet;
    use crate::backend::conv::{ConvDirection, ConvShape};
    use crate::random::Philox;

    #[test]
    fn both_orders_give_the_same_sums() {
        let shape = ConvShape {
            n: 3,
            h: 13,
            w: 10,
            c: 70,
            k: 150,
            r: 3,
            s: 3,
            stride: [1; 2],
            padding: [1; 2],
            groups: 1,
        };
        let mut stream = Philox::new(7).stream([0, 0, 0]);
        let mut numbers = |len| (0..len).map(|_| stream.normal()).collect::<Vec<f32>>();
        let (input, output_gradient) = (numbers(shape.input_len()), numbers(shape.output_len()));
        for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
            let winograd = Winograd::new(Tile::Four, set, &shape, ConvDirection::WeightGradient);
            let (shared, tiling) = (&winograd.shared, &winograd.tiling);
            let cut = Cut::new(shared, tiling);
            let gradient =
                WeightGradient { shared, tiling, input: &input, output_gradient: &output_gradient };
            let mut by_tiles = vec![f32::NAN; shape.weight_len()];
            gradient.by_tiles(&cut, tiling.tiles(), &mut by_tiles, WriteMode::Write);
            // Passes of seven tiles, the last shorter.
            let cut = Cut { order: Order::ByChannels { pass_tiles: 7 }, ..cut };
            let mut workspace = vec![f32::NAN; cut.workspace(shared, tiling)];
            let mut by_channels = vec![f32::NAN; shape.weight_len()];
            gradient.by_channels(&cut, 7, &mut workspace, &mut by_channels, WriteMode::Write);
            let largest = by_tiles.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            for (left, right) in by_tiles.iter().zip(&by_channels) {
                assert!((left - right).abs() < 1e-5 * largest, "{set}: {left} and {right}");
            }
        }
    }
}
