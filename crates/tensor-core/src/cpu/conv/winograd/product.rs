//! The forward pass and the input gradient, in one of two orders.
//!
//! By tiles: a task is a block of tiles and a range of columns; it transforms what the tiles read,
//! multiplies by prepared filters at every point, and transforms the products back. Filters pass by
//! once a block.
//!
//! By panels: where filters are many and tiles few, all tiles are transformed first; a task
//! transforms the filters of one panel itself and multiplies all tiles by them, so that filters never
//! leave its core.

use std::ops::Range;

use rayon::prelude::*;

use super::filters::Filters;
use super::kernels::{Patch, Transform};
use super::tiling::{Blocks, Tiling};
use super::{Scratch, Shared, spread};
use crate::cpu::gemm::{FinishPart, PanelProduct, SharedTarget};
use crate::memory::WriteMode;

/// Columns whose products at all points stay in the second-level cache.
const BLOCK_COLUMNS: usize = 128;
/// With fewer tasks than this the columns are split as well, so that many threads find work.
const ENOUGH_TASKS: usize = 16;
/// Elements of filters that stay in the last-level cache while blocks of tiles pass by.
const MOST_FILTERS: usize = 3 << 20;
/// Elements of transformed tiles that stay in the last-level cache while panels pass by.
const MOST_SOURCES: usize = 3 << 20;

/// `target = sum over taps and channels of source * filters`.
pub(super) struct Product<'a> {
    pub shared: &'a Shared,
    pub tiling: &'a Tiling,
    pub filters: Filters<'a>,
    pub source: &'a [f32],
    pub mode: WriteMode,
}

/// Whether filters are transformed by the product, panel by panel, instead of beforehand.
pub(super) fn is_by_panels(filters: &Filters) -> bool {
    filters.len() > MOST_FILTERS
}

/// Tiles whose transforms are kept at a time while panels pass by.
pub(super) fn pass_tiles(shared: &Shared, tiling: &Tiling) -> usize {
    let room = MOST_SOURCES / (shared.tile.points() * tiling.source.channels);
    let passes = tiling.tiles().div_ceil(room.max(1));
    tiling.tiles().div_ceil(passes)
}

/// Elements of scratch space by panels.
pub(super) fn workspace_by_panels(shared: &Shared, tiling: &Tiling, pass_tiles: usize) -> usize {
    shared.tile.points() * Layout::new(pass_tiles, tiling.source.channels).point
}

impl Product<'_> {
    /// Computes all tiles by tiles; `finish` gets the index and the rows of each block once it is
    /// complete.
    pub fn run_by_tiles(&self, filters: &[f32], target: &mut [f32], finish: Option<FinishPart>) {
        let blocks = Blocks::of(self.tiling);
        let (channels, width) = (self.tiling.target.channels, self.shared.gemm.columns);
        let splits = ENOUGH_TASKS.div_ceil(blocks.count).min(self.filters.panels());
        let split_columns = self.filters.panels().div_ceil(splits) * width;
        let splits = channels.div_ceil(split_columns);
        let target = SharedTarget::new(target);
        (0..splits * blocks.count).into_par_iter().for_each(|task| {
            let (split, block) = (task / blocks.count, task % blocks.count);
            let first = split * split_columns;
            let columns = first..(first + split_columns).min(channels);
            let tiles = blocks.range(self.tiling, block);
            Scratch::with(|scratch| self.block(tiles, columns, filters, scratch, target));
            if splits == 1 {
                self.finish(&blocks, block, target, finish);
            }
        });
        if splits > 1 {
            self.finish_all(&blocks, target, finish);
        }
    }

    /// The same by panels, from `[k, 3, 3, c]` weights, `pass_tiles` tiles at a time.
    pub fn run_by_panels(
        &self,
        weights: &[f32],
        pass_tiles: usize,
        workspace: &mut [f32],
        target: &mut [f32],
        finish: Option<FinishPart>,
    ) {
        let layout = Layout::new(pass_tiles, self.tiling.source.channels);
        let target = SharedTarget::new(target);
        for first in (0..self.tiling.tiles()).step_by(pass_tiles) {
            let tiles = first..(first + pass_tiles).min(self.tiling.tiles());
            let sources = SharedTarget::new(workspace);
            tiles.clone().into_par_iter().for_each(|tile| {
                let first = sources.at((tile - tiles.start) * layout.row);
                self.transform_source(tile, first, &layout);
            });
            let sources = &*workspace;
            (0..self.filters.panels()).into_par_iter().for_each(|panel| {
                let tiles = tiles.clone();
                Scratch::with(|scratch| {
                    self.panel(tiles, panel, weights, sources, &layout, scratch, target);
                });
            });
        }
        self.finish_all(&Blocks::of(self.tiling), target, finish);
    }

    fn finish_all(&self, blocks: &Blocks, target: SharedTarget, finish: Option<FinishPart>) {
        if finish.is_some() {
            let all = (0..blocks.count).into_par_iter();
            all.for_each(|block| self.finish(blocks, block, target, finish));
        }
    }

    /// Hands on the outputs of a block, which no task writes any more.
    fn finish(
        &self,
        blocks: &Blocks,
        block: usize,
        target: SharedTarget,
        finish: Option<FinishPart>,
    ) {
        let Some(finish) = finish else { return };
        let tiles = blocks.range(self.tiling, block);
        let [first, last] = [tiles.start, tiles.end]
            .map(|tile| self.tiling.pixels_before(tile) * self.tiling.target.channels);
        // SAFETY: the tasks that write this block are done, no other writes there.
        finish(block, unsafe { target.range(first, last - first) });
    }

    /// Some tiles times the filters of some columns.
    fn block(
        &self,
        tiles: Range<usize>,
        columns: Range<usize>,
        filters: &[f32],
        scratch: &mut Scratch,
        target: SharedTarget,
    ) {
        let (points, width) = (self.shared.tile.points(), self.shared.gemm.columns);
        let source_layout = Layout::new(tiles.len(), self.tiling.source.channels);
        let product_layout = Layout::new(tiles.len(), BLOCK_COLUMNS.min(columns.len()));
        let lens = [&source_layout, &product_layout].map(|layout| layout.point * points);
        let [sources, products] = scratch.take(lens);
        for (row, tile) in tiles.clone().enumerate() {
            let first = sources[row * source_layout.row..].as_mut_ptr();
            self.transform_source(tile, first, &source_layout);
        }
        let at = |panel: usize, point: usize| {
            let first = panel * self.filters.panel_len() + point * self.filters.point_len();
            &filters[first..first + self.filters.point_len()]
        };
        for first in columns.clone().step_by(BLOCK_COLUMNS) {
            let columns = first..(first + BLOCK_COLUMNS).min(columns.end);
            let panels = columns.start / width..columns.end.div_ceil(width);
            for point in 0..points {
                for panel in panels.clone() {
                    let last = panel + 1 == panels.end;
                    let next = if last { panels.start } else { panel + 1 };
                    let product = PanelProduct {
                        left: &sources[point * source_layout.point..],
                        left_stride: source_layout.row,
                        rows: tiles.len(),
                        depth: self.tiling.source.channels,
                        panel: at(panel, point),
                        next_panel: at(next, (point + usize::from(last)) % points),
                        columns: width.min(columns.end - panel * width),
                        target_stride: product_layout.row,
                    };
                    let first = point * product_layout.point + panel * width - columns.start;
                    product.run(self.shared.gemm, &mut products[first..]);
                }
            }
            self.transform_products(&tiles, products, &product_layout, &columns, target);
        }
    }

    /// Some transformed tiles times the filters of one panel.
    #[expect(clippy::too_many_arguments, reason = "both sides, both ends and their scratch space")]
    fn panel(
        &self,
        tiles: Range<usize>,
        panel: usize,
        weights: &[f32],
        sources: &[f32],
        source_layout: &Layout,
        scratch: &mut Scratch,
        target: SharedTarget,
    ) {
        let (points, width) = (self.shared.tile.points(), self.shared.gemm.columns);
        let columns = panel * width..((panel + 1) * width).min(self.tiling.target.channels);
        let product_layout = Layout::new(tiles.len(), columns.len());
        let lens = [self.filters.panel_len(), product_layout.point * points];
        let [filters, products] = scratch.take(lens);
        self.filters.transform_panel(weights, panel, filters);
        for point in 0..points {
            let filters = &filters[point * self.filters.point_len()..];
            let product = PanelProduct {
                left: &sources[point * source_layout.point..],
                left_stride: source_layout.row,
                rows: tiles.len(),
                depth: self.tiling.source.channels,
                panel: filters,
                next_panel: filters.get(self.filters.point_len()..).unwrap_or_default(),
                columns: columns.len(),
                target_stride: product_layout.row,
            };
            product.run(self.shared.gemm, &mut products[point * product_layout.point..]);
        }
        self.transform_products(&tiles, products, &product_layout, &columns, target);
    }

    /// Writes what a tile reads, at all points, from `first` on.
    fn transform_source(&self, tile: usize, first: *mut f32, layout: &Layout) {
        let transform = Transform {
            source: self.tiling.source_patch(self.source, tile, 0),
            target: Patch::whole(first, layout.strides(self.shared.tile.side())),
            channels: self.tiling.source.channels,
            accumulate: false,
            ahead: Some(self.tiling.source_step()),
        };
        // SAFETY: the tiling's patches lie in the source where they are inside; the caller gave a row
        // of these channels at each point, which is this task's alone.
        unsafe { (self.shared.kernels.input)(&transform) };
    }

    /// Writes the outputs of some tiles.
    fn transform_products(
        &self,
        tiles: &Range<usize>,
        products: &[f32],
        layout: &Layout,
        columns: &Range<usize>,
        target: SharedTarget,
    ) {
        for (row, tile) in tiles.clone().enumerate() {
            let first = products[row * layout.row..].as_ptr();
            let transform = Transform {
                source: Patch::whole(first, layout.strides(self.shared.tile.side())),
                target: self.tiling.write_target(target, tile, columns.start),
                channels: columns.len(),
                accumulate: self.mode == WriteMode::Accumulate,
                ahead: None,
            };
            // SAFETY: `products` has a row of these columns at each point; a tile's outputs lie in the
            // target where they are inside, and no other task writes these columns of them.
            unsafe { (self.shared.kernels.output)(&transform) };
        }
    }
}

/// Rows at every point: `[point, row, channels]`, with room between them.
pub(super) struct Layout {
    /// Floats from a row to the next and from a point to the next.
    pub row: usize,
    pub point: usize,
}

impl Layout {
    pub fn new(rows: usize, channels: usize) -> Layout {
        let row = spread(channels);
        Layout { row, point: spread(rows * row) }
    }

    /// Strides of the points as a square.
    pub fn strides(&self, side: usize) -> [isize; 2] {
        [(side * self.point) as isize, self.point as isize]
    }
}
