//! Products whose left side is read in place: rows of pixels times packed panels.

use rayon::prelude::*;

use super::tile::RowTile;
use super::{Grid, Kernels, SharedTarget, Window, window};
use crate::memory::WriteMode;

/// Bytes of panels that stay in the second-level cache while the rows of a part pass by.
const PANEL_BLOCK: usize = 384 << 10;

/// With fewer parts than this the columns are split as well, so that many threads find work.
const ENOUGH_TASKS: usize = 32;

/// What happens to a part's rows once they are complete and still in cache.
pub(in crate::cpu) type FinishPart<'a> = &'a (dyn Fn(usize, &mut [f32]) + Sync);

/// `target[pixel, column] = sum over taps and depth of source[pixel at tap, depth] * panels[...]`.
pub(in crate::cpu) struct RowProduct<'a> {
    pub window: &'a Window,
    pub source: &'a [f32],
    /// `depth` zeros, read where a tap lies outside its picture.
    pub zeros: &'a [f32],
    pub depth: usize,
    /// As [`PanelSource`](super::PanelSource) packs them.
    pub panels: &'a [f32],
    pub columns: usize,
    pub target: Grid,
    pub mode: WriteMode,
    /// Rows of a task; a multiple of 84.
    pub part_rows: usize,
}

impl RowProduct<'_> {
    /// Computes all parts on the current threads. `finish` gets a part's index and its rows; it needs
    /// a target whose rows are dense.
    pub fn run(&self, kernels: &Kernels, target: &mut [f32], finish: Option<FinishPart>) {
        let rows = self.window.pixels();
        let parts = rows.div_ceil(self.part_rows);
        let panels = self.columns.div_ceil(kernels.columns);
        let splits = (ENOUGH_TASKS / parts.max(1)).clamp(1, panels.max(1));
        let split_panels = panels.div_ceil(splits);
        let splits = panels.div_ceil(split_panels.max(1));
        let target = SharedTarget::new(target);

        let finish_part = |part: usize| {
            if let Some(finish) = finish {
                let first = part * self.part_rows;
                let len = (rows - first).min(self.part_rows) * self.columns;
                // SAFETY: the tasks that write this part are done, no other writes there.
                let rows = unsafe { target.range(self.target.offset + first * self.columns, len) };
                finish(part, rows);
            }
        };
        (0..parts * splits).into_par_iter().for_each(|task| {
            let (part, split) = (task / splits, task % splits);
            let panels = split * split_panels..((split + 1) * split_panels).min(panels);
            self.part(kernels, part, panels, target);
            if splits == 1 {
                finish_part(part);
            }
        });
        if splits > 1 && finish.is_some() {
            (0..parts).into_par_iter().for_each(finish_part);
        }
    }

    /// One part's rows times some panels.
    fn part(
        &self,
        kernels: &Kernels,
        part: usize,
        panels: std::ops::Range<usize>,
        target: SharedTarget,
    ) {
        let rows = self.window.pixels();
        let first = part * self.part_rows;
        let last = (first + self.part_rows).min(rows);
        let panel_len = self.window.taps.len() * self.depth * kernels.columns;
        let block = (PANEL_BLOCK / (4 * panel_len.max(1))).max(1);
        let mut pointers = Pointers::new(kernels.row_tile_rows, self.window.taps.len());

        for begin in panels.clone().step_by(block) {
            let block = begin..(begin + block).min(panels.end);
            for row in (first..last).step_by(kernels.row_tile_rows) {
                let count = kernels.row_tile_rows.min(last - row);
                pointers.point(self, row, count, target);
                for panel in block.clone() {
                    let first_column = panel * kernels.columns;
                    let tile = RowTile {
                        sources: pointers.sources.as_ptr(),
                        taps: self.window.taps.len(),
                        depth: self.depth,
                        panel: self.panels[panel * panel_len..(panel + 1) * panel_len].as_ptr(),
                        targets: pointers.targets.as_ptr(),
                        first_column,
                        rows: count,
                        columns: kernels.columns.min(self.columns - first_column),
                        accumulate: self.mode == WriteMode::Accumulate,
                        ahead: std::ptr::null(),
                    };
                    // SAFETY: `point` gave every source `depth` readable floats and every target
                    // row `columns` floats that no other task writes; the panel was just sliced.
                    unsafe { (kernels.row_tile)(&tile) };
                }
            }
        }
    }
}

/// The pointers of one row tile.
struct Pointers {
    tile_rows: usize,
    /// `[taps, tile rows]`.
    sources: Vec<*const f32>,
    /// `[tile rows]`.
    targets: Vec<*mut f32>,
}

impl Pointers {
    fn new(tile_rows: usize, taps: usize) -> Pointers {
        Pointers {
            tile_rows,
            sources: vec![std::ptr::null(); tile_rows * taps],
            targets: vec![std::ptr::null_mut(); tile_rows],
        }
    }

    /// Points to `count` pixels from `first` on; the rest of the tile repeats the last of them.
    fn point(&mut self, product: &RowProduct, first: usize, count: usize, target: SharedTarget) {
        let window = product.window;
        let mut pixel = window.pixel(first);
        for row in 0..self.tile_rows {
            for (tap, sources) in
                window.taps.iter().zip(self.sources.chunks_exact_mut(self.tile_rows))
            {
                let elements = match window.read(pixel, *tap) {
                    Some(index) => &product.source[index..index + product.depth],
                    None => &product.zeros[..product.depth],
                };
                sources[row] = elements.as_ptr();
            }
            self.targets[row] = target.at(window::write(&product.target, pixel));
            if row + 1 < count {
                pixel = window.next(pixel);
            }
        }
    }
}
