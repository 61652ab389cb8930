//! How blocks lie over a `[rows, channels]` matrix: the host's side of `kernels/common/rows.cuh`. What
//! each kernel does with its rows is its family's business.

use super::launch::{DeviceParameter, index};
use crate::memory::Address;
use crate::{DType, Result};

/// Threads of every block that is laid out like this.
pub(super) const ROW_THREADS: usize = 256;

/// Bytes that one instruction moves at most, and to which it must be aligned.
const VECTOR_BYTES: usize = 16;

/// Packs side by side in a block: the fewest that fill a line of the cache, and the most.
const NARROWEST: usize = 8;
const WIDEST: usize = 32;

/// Blocks enough for the largest chips: several times what their multiprocessors hold at once, so that
/// few stand idle while the last blocks end.
const ENOUGH_BLOCKS: usize = 2048;

/// Rows that a thread loads together, and the most groups of them that it takes, so that what it
/// loads once a channel is spread over many rows.
const ROWS_IN_FLIGHT: usize = 4;
const MOST_GROUPS: usize = 8;

/// The layout, as kernels take it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowTiles {
    rows: u32,
    channels: u32,
    block_rows: u32,
    width_log2: u32,
    tiles: u32,
    vectors: u32,
}

// SAFETY: 32-bit numbers in the order of the kernels' own struct.
unsafe impl DeviceParameter for RowTiles {}

/// Channels of `dtype` that a thread takes together: as many as 16 bytes hold, if that divides
/// `channels` and all `addresses` are aligned to it; else one.
pub(super) fn pack(channels: usize, dtype: DType, addresses: &[Address]) -> usize {
    let widest = VECTOR_BYTES / dtype.size();
    let aligned = |address: &Address| address.is_multiple_of(VECTOR_BYTES as Address);
    if channels.is_multiple_of(widest) && addresses.iter().all(aligned) { widest } else { 1 }
}

impl RowTiles {
    /// Blocks of `block_rows` rows each: as wide as leaves enough blocks.
    pub fn of_parts(
        op: &'static str,
        [rows, channels]: [usize; 2],
        block_rows: usize,
        pack: usize,
    ) -> Result<RowTiles> {
        let parts = rows.div_ceil(block_rows);
        let packs = channels.div_ceil(pack);
        let mut width = packs.next_power_of_two().min(WIDEST);
        while width > NARROWEST && packs.div_ceil(width) * parts < ENOUGH_BLOCKS {
            width /= 2;
        }
        RowTiles::new(op, [rows, channels], block_rows, pack, width)
    }

    /// Blocks for kernels whose rows do not meet: short ones, until there are many.
    pub fn of_any_rows(
        op: &'static str,
        [rows, channels]: [usize; 2],
        pack: usize,
    ) -> Result<RowTiles> {
        let packs = channels.div_ceil(pack);
        let width = packs.next_power_of_two().min(WIDEST);
        let group = ROWS_IN_FLIGHT * (ROW_THREADS / width);
        let blocks = rows.div_ceil(group) * packs.div_ceil(width);
        let groups = (blocks / ENOUGH_BLOCKS).clamp(1, MOST_GROUPS);
        RowTiles::new(op, [rows, channels], groups * group, pack, width)
    }

    fn new(
        op: &'static str,
        [rows, channels]: [usize; 2],
        block_rows: usize,
        pack: usize,
        width: usize,
    ) -> Result<RowTiles> {
        index(op, "the input", rows * channels)?;
        Ok(RowTiles {
            rows: rows as u32,
            channels: channels as u32,
            block_rows: block_rows as u32,
            width_log2: width.ilog2(),
            tiles: channels.div_ceil(pack * width) as u32,
            vectors: u32::from(pack > 1),
        })
    }

    /// Blocks side by side.
    pub fn tiles(&self) -> usize {
        self.tiles as usize
    }

    /// How many blocks follow each other down the rows.
    pub fn parts(&self) -> usize {
        self.rows.div_ceil(self.block_rows) as usize
    }

    /// The grid that covers the matrix.
    pub fn grid(&self) -> [usize; 3] {
        [self.tiles() * self.parts(), 1, 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OP: &str = "norm";

    #[test]
    fn odd_channels_and_unaligned_slices_go_one_by_one() {
        assert_eq!(pack(64, DType::Bf16, &[256, 512]), 8);
        assert_eq!(pack(64, DType::F32, &[256, 512]), 4);
        assert_eq!([pack(20, DType::Bf16, &[]), pack(20, DType::F32, &[])], [1, 4]);
        assert_eq!(pack(64, DType::F32, &[256, 260]), 1);
    }

    #[test]
    fn blocks_cover_every_row_and_channel() {
        for shape in [[1, 1], [5377, 5], [12_544, 2048], [3_211_264, 64], [100, 24]] {
            for pack in [1, 4, 8] {
                let any = RowTiles::of_any_rows(OP, shape, pack).expect("indexable");
                let parts = RowTiles::of_parts(OP, shape, 252, pack).expect("indexable");
                for tiles in [any, parts] {
                    assert!(tiles.parts() * tiles.block_rows as usize >= shape[0], "{tiles:?}");
                    assert!((tiles.tiles() * pack) << tiles.width_log2 >= shape[1], "{tiles:?}");
                    assert!((1 << tiles.width_log2) <= WIDEST, "{tiles:?}");
                }
            }
        }
    }

    #[test]
    fn a_tensor_beyond_32_bits_is_refused() {
        let refused = RowTiles::of_any_rows(OP, [1 << 20, 1 << 11], 8).expect_err("2^31 elements");
        assert!(refused.to_string().contains("smaller batch"), "{refused}");
    }
}
