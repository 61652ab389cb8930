//! The forward pass and the input gradient: output pixels as sums over taps.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::super::super::gemm::{Grid, SharedTarget};
use super::rows::{Layout, Rows};
use super::tile::{ProductTile, Tiles};
use super::{ENOUGH_TASKS, Grouped, Pass, STRIP};
use crate::memory::WriteMode;

thread_local! {
    /// The spread rows of a strip; kept, so that they stay in this core's cache.
    static ROWS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Grouped<'_> {
    /// Computes one pass on the current threads.
    pub(super) fn run(
        &self,
        pass: &Pass,
        source: &[f32],
        weights: &[f32],
        target: &mut [f32],
        mode: WriteMode,
    ) {
        let [rows, columns] = pass.window.size;
        let layout = Layout::new(self.tiles, &pass.window, source, self.shape.group_c());
        let Some(layout) = layout else {
            if mode == WriteMode::Write {
                clear(pass, self.shape.c, target);
            }
            return;
        };
        let band_rows = self.band_rows(&pass.window);
        let bands = rows.div_ceil(band_rows);
        let blocks = self.blocks();
        let splits = (ENOUGH_TASKS / (pass.window.pictures * bands).max(1)).clamp(1, blocks);
        let split_blocks = blocks.div_ceil(splits);
        let splits = blocks.div_ceil(split_blocks);
        let product = Product {
            pass,
            layout,
            weights,
            block_weights: self.taps() * self.shape.group_c() * self.tiles.lanes,
            target: SharedTarget::new(target),
            accumulate: mode == WriteMode::Accumulate,
        };
        (0..pass.window.pictures * bands * splits).into_par_iter().for_each(|task| {
            let (picture, band, split) =
                (task / splits / bands, task / splits % bands, task % splits);
            let band = band * band_rows..((band + 1) * band_rows).min(rows);
            ROWS.with_borrow_mut(|buffer| {
                for column in (0..columns).step_by(STRIP) {
                    let strip = column..(column + STRIP).min(columns);
                    product.layout.prefetch(picture, &band, &strip);
                    product.prefetch_target(picture, &band, &strip);
                    for block in split * split_blocks..((split + 1) * split_blocks).min(blocks) {
                        let strip = strip.clone();
                        product.strip(picture, block, band.clone(), strip, buffer);
                    }
                }
            });
        });
    }
}

/// Writes zeros to the pixels of a pass that no tap reaches.
fn clear(pass: &Pass, channels: usize, target: &mut [f32]) {
    let [rows, columns] = pass.window.size;
    let [picture_stride, row_stride, stride] = pass.target.strides;
    for picture in 0..pass.window.pictures {
        for row in 0..rows {
            let first = pass.target.offset + picture * picture_stride + row * row_stride;
            for column in 0..columns {
                target[first + column * stride..][..channels].fill(0.0);
            }
        }
    }
}

struct Product<'a> {
    pass: &'a Pass,
    layout: Layout<'a>,
    weights: &'a [f32],
    /// Floats of a block's weights.
    block_weights: usize,
    target: SharedTarget,
    accumulate: bool,
}

impl Product<'_> {
    /// Asks for all channels of these output pixels, which are written in pieces as well.
    fn prefetch_target(&self, picture: usize, band: &Range<usize>, strip: &Range<usize>) {
        let Grid { offset, strides: [picture_stride, row_stride, stride] } = self.pass.target;
        for row in band.clone() {
            let at = offset + picture * picture_stride + row * row_stride + strip.start * stride;
            self.layout.tiles.prefetch(self.target.at(at), strip.len() * stride);
        }
    }

    /// One block of a band's rows and a strip's columns.
    fn strip(
        &self,
        picture: usize,
        block: usize,
        band: Range<usize>,
        strip: Range<usize>,
        buffer: &mut Vec<f32>,
    ) {
        let Product { pass, layout, .. } = self;
        let Tiles { lanes, products, .. } = layout.tiles;
        let (width, filters) = (layout.width, &pass.filters);
        let [picture_stride, row_stride, stride] = pass.target.strides;
        let first =
            pass.target.offset + picture * picture_stride + strip.start * stride + block * lanes;
        let block_weights = &self.weights[block * self.block_weights..][..self.block_weights];
        let weights: Vec<*const f32> =
            filters.iter().map(|filter| block_weights[filter * width * lanes..].as_ptr()).collect();
        let pixel_step = pass.window.step[1] * layout.pixel_len();
        let shared = usize::from(width >= *lanes);
        let mut sources = vec![std::ptr::null(); weights.len()];
        let mut rows = Rows::new(layout, buffer, picture, block, &strip);
        for row in band {
            rows.reach(row);
            let mut done = 0;
            for (pixels, tile) in products[shared] {
                while strip.len() - done >= pixels {
                    for (source, tap) in sources.iter_mut().zip(&pass.window.taps) {
                        *source = rows.tap(row, *tap).wrapping_add(done * pixel_step);
                    }
                    let at = first + row * row_stride + done * stride;
                    let product = ProductTile {
                        sources: sources.as_ptr(),
                        weights: weights.as_ptr(),
                        taps: weights.len(),
                        depth: width,
                        pixel_step,
                        target: self.target.at(at),
                        target_step: stride,
                        accumulate: self.accumulate,
                    };
                    debug_assert!(!self.target.at(at + (pixels - 1) * stride + lanes).is_null());
                    // SAFETY: every tap's source has the strip's pixels in the ring, every filter
                    // element `depth` registers of weights; these output pixels lie in the target,
                    // and no other task writes this block of them.
                    unsafe { tile(&product) };
                    done += pixels;
                }
            }
        }
    }
}
