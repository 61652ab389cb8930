//! The weight gradient: sums over pixels, a part of the pictures at a time, joined in order.

use std::cell::RefCell;

use rayon::prelude::*;

use super::super::term;
use super::rows::{Layout, Rows};
use super::tile::{OUTER_DEPTH, OUTER_TAPS, OuterTile};
use super::{ENOUGH_TASKS, Grouped, STRIP};
use crate::memory::WriteMode;

/// Elements of partial sums beyond which pictures are not split further.
const MOST_PARTIALS: usize = 4 << 20;

thread_local! {
    /// The spread rows of a strip; kept, so that they stay in this core's cache.
    static ROWS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Grouped<'_> {
    /// Parts of the pictures with sums of their own, by the shape alone.
    pub(super) fn weight_gradient_parts(&self) -> usize {
        ENOUGH_TASKS.min(MOST_PARTIALS / self.shape.weight_len()).clamp(1, self.shape.n)
    }

    /// Computes `[k, r, s, c / groups]` into the target.
    pub fn weight_gradient(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        workspace: &mut [f32],
        target: &mut [f32],
        mode: WriteMode,
    ) {
        let window = term::input_window(self.shape);
        let (parts, pictures) = (self.weight_gradient_parts(), self.shape.n);
        let part_pictures = pictures.div_ceil(parts);
        let blocks = self.blocks();
        let block_len = self.shape.weight_len() / blocks;
        let splits = (ENOUGH_TASKS / parts).clamp(1, blocks);
        let split_blocks = blocks.div_ceil(splits);
        let partials = &mut workspace[..parts * self.shape.weight_len()];
        partials.fill(0.0);
        if let Some(layout) = Layout::new(self.tiles, &window, input, self.shape.group_c()) {
            let tasks = partials.par_chunks_exact_mut(self.shape.weight_len()).enumerate();
            tasks.for_each(|(part, sums)| {
                let sums = sums.par_chunks_mut(split_blocks * block_len).enumerate();
                sums.for_each(|(split, sums)| {
                    let first = part * part_pictures;
                    let first_block = split * split_blocks;
                    ROWS.with_borrow_mut(|buffer| {
                        for picture in first..(first + part_pictures).min(pictures) {
                            self.picture(
                                &layout,
                                picture,
                                first_block,
                                output_gradient,
                                buffer,
                                sums,
                            );
                        }
                    });
                });
            });
        }
        let partials = &*partials;
        target.par_chunks_exact_mut(block_len).enumerate().for_each(|(block, target)| {
            self.join(&partials[block * block_len..], target, mode);
        });
    }

    /// Adds a picture's share to the `[block, tap, depth, lane]` sums of the blocks from `first_block`
    /// on.
    fn picture(
        &self,
        layout: &Layout,
        picture: usize,
        first_block: usize,
        output_gradient: &[f32],
        buffer: &mut Vec<f32>,
        sums: &mut [f32],
    ) {
        let [height, across] = layout.window.size;
        let band_rows = self.band_rows(layout.window);
        let (channels, lanes) = (self.shape.k, self.tiles.lanes);
        let block_len = self.shape.weight_len() / self.blocks();
        let gradient_at =
            |row: usize, column: usize| ((picture * height + row) * across + column) * channels;
        for row in (0..height).step_by(band_rows) {
            let band = row..(row + band_rows).min(height);
            for column in (0..across).step_by(STRIP) {
                let strip = column..(column + STRIP).min(across);
                layout.prefetch(picture, &band, &strip);
                for row in band.clone() {
                    let first = gradient_at(row, strip.start);
                    let pixels = &output_gradient[first..][..strip.len() * channels];
                    self.tiles.prefetch(pixels.as_ptr(), pixels.len());
                }
                for (block, sums) in sums.chunks_exact_mut(block_len).enumerate() {
                    let block = first_block + block;
                    let mut rows = Rows::new(layout, buffer, picture, block, &strip);
                    for row in band.clone() {
                        rows.reach(row);
                        let first = gradient_at(row, strip.start) + block * lanes;
                        let len = (strip.len() - 1) * channels + lanes;
                        let gradients = &output_gradient[first..][..len];
                        self.row(layout, &rows, row, strip.len(), gradients, sums);
                    }
                }
            }
        }
    }

    /// Adds one row of a strip.
    fn row(
        &self,
        layout: &Layout,
        rows: &Rows,
        row: usize,
        pixels: usize,
        gradients: &[f32],
        sums: &mut [f32],
    ) {
        let (lanes, width) = (self.tiles.lanes, layout.width);
        let outers = &self.tiles.outers[usize::from(self.shares_channels())];
        let (depth_step, narrow) =
            if width.is_multiple_of(OUTER_DEPTH) { (OUTER_DEPTH, 0) } else { (1, 1) };
        let read_step = if self.shares_channels() { 1 } else { lanes };
        let tap_len = width * lanes;
        let taps = &layout.window.taps;
        let mut first_tap = 0;
        while first_tap < taps.len() {
            let (count, single) =
                if taps.len() - first_tap >= OUTER_TAPS { (OUTER_TAPS, 0) } else { (1, 1) };
            for depth in (0..width).step_by(depth_step) {
                let mut sources = [std::ptr::null(); OUTER_TAPS];
                let mut targets = [std::ptr::null_mut(); OUTER_TAPS];
                for index in 0..count {
                    let tap = first_tap + index;
                    sources[index] = rows.tap(row, taps[tap]).wrapping_add(depth * read_step);
                    targets[index] =
                        sums[tap * tap_len + depth * lanes..][..depth_step * lanes].as_mut_ptr();
                }
                let tile = OuterTile {
                    sources,
                    pixel_step: layout.window.step[1] * layout.pixel_len(),
                    gradients: gradients.as_ptr(),
                    gradient_step: self.shape.k,
                    pixels,
                    sums: targets,
                };
                // SAFETY: the ring holds the strip's pixels for each tap, `gradients` a register for
                // each pixel, and the sums were just sliced.
                unsafe { outers[single][narrow](&tile) };
            }
            first_tap += count;
        }
    }

    /// Joins a block's sums of all parts, which lie a whole gradient apart, in order.
    fn join(&self, partials: &[f32], target: &mut [f32], mode: WriteMode) {
        let (lanes, width, taps) = (self.tiles.lanes, self.shape.group_c(), self.taps());
        for (lane, target) in target.chunks_exact_mut(taps * width).enumerate() {
            for (index, target) in target.iter_mut().enumerate() {
                let parts = partials.iter().skip(index * lanes + lane);
                let sum: f32 = parts.step_by(self.shape.weight_len()).sum();
                *target = if mode == WriteMode::Accumulate { *target + sum } else { sum };
            }
        }
    }
}
