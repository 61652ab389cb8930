//! Products of matrices that a task already has in its caches, on the micro-kernels: no loops over
//! blocks, no threads.

use super::Kernels;
use super::tile::{CACHE_LINE, OuterTile, RowTile};

/// Most rows of a row tile on any instruction set.
const MOST_ROWS: usize = 16;

/// Rows times one panel: `target[row, column] = sum over depth of left[row, depth] * panel[...]`.
pub(in crate::cpu) struct PanelProduct<'a> {
    pub left: &'a [f32],
    /// Floats from a row of `left` to the next.
    pub left_stride: usize,
    pub rows: usize,
    pub depth: usize,
    /// `[depth, panel columns]`.
    pub panel: &'a [f32],
    /// The panel of the next product, which may be far from this core.
    pub next_panel: &'a [f32],
    /// Columns of the panel that are wanted.
    pub columns: usize,
    /// Floats from a row of the target to the next.
    pub target_stride: usize,
}

impl PanelProduct<'_> {
    /// Computes all rows.
    pub fn run(&self, kernels: &Kernels, target: &mut [f32]) {
        let last = self.rows - 1;
        assert!(self.left.len() >= last * self.left_stride + self.depth);
        assert!(self.panel.len() >= self.depth * kernels.columns);
        assert!(target.len() >= last * self.target_stride + self.columns);
        let (tile_rows, row_tile) = kernels.panel_row_tile(self.rows);
        let target = target.as_mut_ptr();
        let mut sources = [std::ptr::null(); MOST_ROWS];
        let mut targets = [std::ptr::null_mut(); MOST_ROWS];
        for first in (0..self.rows).step_by(tile_rows) {
            for tile_row in 0..tile_rows {
                // Rows beyond the last repeat it.
                let row = (first + tile_row).min(last);
                sources[tile_row] = self.left.as_ptr().wrapping_add(row * self.left_stride);
                targets[tile_row] = target.wrapping_add(row * self.target_stride);
            }
            let tile = RowTile {
                sources: sources.as_ptr(),
                taps: 1,
                depth: self.depth,
                panel: self.panel.as_ptr(),
                targets: targets.as_ptr(),
                first_column: 0,
                rows: tile_rows.min(self.rows - first),
                columns: self.columns,
                accumulate: false,
                ahead: self
                    .next_panel
                    .as_ptr()
                    .wrapping_add(first / tile_rows * self.depth * CACHE_LINE),
            };
            // SAFETY: by the assertions above, every source has `depth` floats, the panel as many
            // rows, and every target row `columns` floats.
            unsafe { row_tile(&tile) };
        }
    }
}

/// `target[row, column] = sum over depth of left[depth, row] * right[depth, column]`.
pub(in crate::cpu) struct PackedOuter<'a> {
    /// `[depth, left_stride]`; readable up to the next multiple of a tile's rows.
    pub left: &'a [f32],
    pub left_stride: usize,
    pub rows: usize,
    /// `[depth, right_stride]`; readable up to the next multiple of a panel's columns.
    pub right: &'a [f32],
    pub right_stride: usize,
    pub columns: usize,
    pub depth: usize,
    /// Floats from a row of the target to the next.
    pub target_stride: usize,
    /// Whether the sums are added to the target.
    pub accumulate: bool,
}

impl PackedOuter<'_> {
    /// Computes all rows and columns.
    pub fn run(&self, kernels: &Kernels, target: &mut [f32]) {
        let (tile_rows, width) = (kernels.outer_tile_rows, kernels.columns);
        let before = self.depth - 1;
        let rows = self.rows.next_multiple_of(tile_rows);
        assert!(self.left.len() >= before * self.left_stride + rows);
        let columns = self.columns.next_multiple_of(width);
        assert!(self.right.len() >= before * self.right_stride + columns);
        assert!(target.len() >= (self.rows - 1) * self.target_stride + self.columns);
        for column in (0..self.columns).step_by(width) {
            for row in (0..self.rows).step_by(tile_rows) {
                let tile = OuterTile {
                    left: self.left[row..].as_ptr(),
                    left_stride: self.left_stride,
                    right: self.right[column..].as_ptr(),
                    right_stride: self.right_stride,
                    pixels: self.depth,
                    target: target[row * self.target_stride + column..].as_mut_ptr(),
                    target_stride: self.target_stride,
                    rows: tile_rows.min(self.rows - row),
                    columns: width.min(self.columns - column),
                    accumulate: self.accumulate,
                };
                // SAFETY: by the assertions above.
                unsafe { (kernels.outer_tile)(&tile) };
            }
        }
    }
}
