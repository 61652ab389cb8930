//! Packing of the right side of a row product into panels `[panel, tap, depth, panel columns]`.

use rayon::prelude::*;

use super::Kernels;

/// Elements of the panels of a right side.
pub(in crate::cpu) fn panels_len(
    kernels: &Kernels,
    taps: usize,
    depth: usize,
    columns: usize,
) -> usize {
    columns.next_multiple_of(kernels.columns) * taps * depth
}

/// A right side as it lies: element `(tap, depth, column)` of a block is at
/// `taps[tap] + depth * depth_stride + column * column_stride`.
///
/// With several blocks the right side is block-diagonal, each block `depth x columns`, and zero
/// elsewhere: that is how neighbouring groups of a convolution become one dense product.
pub(in crate::cpu) struct PanelSource<'a> {
    pub elements: &'a [f32],
    pub taps: Vec<usize>,
    pub depth: usize,
    pub columns: usize,
    pub depth_stride: usize,
    pub column_stride: usize,
    pub blocks: usize,
    pub block_stride: usize,
}

impl PanelSource<'_> {
    /// Packs all panels, several at a time.
    pub fn pack(&self, kernels: &Kernels, packed: &mut [f32]) {
        let panel_len = self.taps.len() * self.depth * self.blocks * kernels.columns;
        if panel_len == 0 {
            return;
        }
        packed.par_chunks_mut(panel_len).enumerate().for_each(|(panel, packed)| {
            self.pack_panel(panel * kernels.columns, kernels.columns, packed);
        });
    }

    fn pack_panel(&self, first: usize, width: usize, packed: &mut [f32]) {
        packed.fill(0.0);
        let block_len = self.depth * width;
        for (index, packed) in packed.chunks_exact_mut(block_len).enumerate() {
            let (tap, block) = (index / self.blocks, index % self.blocks);
            let columns = block * self.columns..(block + 1) * self.columns;
            let (begin, end) = (columns.start.max(first), columns.end.min(first + width));
            if begin < end {
                let base = self.taps[tap] + block * self.block_stride;
                let base = base + (begin - columns.start) * self.column_stride;
                self.pack_block(base, begin - first..end - first, width, packed);
            }
        }
    }

    /// Copies `depth x columns` elements, in the order in which they are read from memory.
    fn pack_block(
        &self,
        base: usize,
        columns: std::ops::Range<usize>,
        width: usize,
        packed: &mut [f32],
    ) {
        if self.column_stride == 1 {
            for (depth, packed) in packed.chunks_exact_mut(width).enumerate() {
                let from = base + depth * self.depth_stride;
                let elements = &self.elements[from..from + columns.len()];
                packed[columns.clone()].copy_from_slice(elements);
            }
            return;
        }
        // A line of the source at a time, so that the part of the panel it goes to stays in cache.
        const LINE: usize = 16;
        for (line, packed) in packed.chunks_mut(LINE * width).enumerate() {
            let base = base + line * LINE * self.depth_stride;
            for (index, column) in columns.clone().enumerate() {
                let from = base + index * self.column_stride;
                for (depth, packed) in packed.chunks_exact_mut(width).enumerate() {
                    packed[column] = self.elements[from + depth * self.depth_stride];
                }
            }
        }
    }
}
