//! The table that the optimiser's kernels find a block's range in: four words a range, in the order
//! of the kernels' `Row`.

use std::ops::Range;

/// Elements of a block of the kernels.
const BLOCK_ELEMENTS: usize = 4096;

/// Bytes of a row.
const ROW_BYTES: usize = 16;

/// Where ranges lie, and how many blocks they make together.
pub(super) struct Table {
    bytes: Vec<u8>,
    blocks: usize,
}

impl Table {
    /// A row for every range that is not empty, in their order.
    pub fn new(ranges: &[Range<usize>]) -> Table {
        let mut table = Table { bytes: Vec::with_capacity(ranges.len() * ROW_BYTES), blocks: 0 };
        for (place, range) in ranges.iter().enumerate().filter(|(_, range)| !range.is_empty()) {
            // The host has checked that 32 bits index the buffers' elements.
            let row = [range.start, range.end, table.blocks, place];
            row.iter().for_each(|&word| table.bytes.extend((word as u32).to_ne_bytes()));
            table.blocks += range.len().div_ceil(BLOCK_ELEMENTS);
        }
        table
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many rows there are, as kernels take it.
    pub fn rows(&self) -> u32 {
        (self.bytes.len() / ROW_BYTES) as u32
    }

    /// Blocks of a launch.
    pub fn blocks(&self) -> usize {
        self.blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_each_other_in_blocks_and_empty_ones_keep_their_place() {
        let ranges = [8..9, 20..20, 64..64 + 2 * BLOCK_ELEMENTS + 1, 100_000..100_001];
        let table = Table::new(&ranges);
        let words = table.bytes().chunks_exact(4);
        let words: Vec<u32> =
            words.map(|word| u32::from_ne_bytes(word.try_into().expect("four bytes"))).collect();
        let end = 64 + 2 * BLOCK_ELEMENTS as u32 + 1;
        let expected = [[8, 9, 0, 0], [64, end, 1, 2], [100_000, 100_001, 4, 3]];
        assert_eq!(words, expected.concat());
        assert_eq!((table.rows(), table.blocks()), (3, 1 + 3 + 1));
    }
}
