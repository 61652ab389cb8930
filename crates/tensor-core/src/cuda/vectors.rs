//! Grids over flat arrays, as `kernels/common/vectors.cuh` walks them.

/// Threads of a block.
pub const THREADS: usize = 256;

/// Packs that a thread takes where there are many.
const PACKS: usize = 2;

/// Blocks that a chip can hold at once, more or less: with fewer packs than these have threads, a
/// thread takes only one.
const RESIDENT_BLOCKS: usize = 1024;

/// Blocks for `len` elements in packs of `width`.
pub fn blocks(len: usize, width: usize) -> usize {
    let one_each = len.div_ceil(width).div_ceil(THREADS);
    one_each.div_ceil(PACKS).max(one_each.min(RESIDENT_BLOCKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_threads_for_all_and_blocks_for_a_chip() {
        assert_eq!(blocks(0, 4), 0);
        assert_eq!(blocks(1, 4), 1);
        assert_eq!(blocks(1024, 4), 1);
        assert_eq!(blocks(1025, 4), 2);
        assert_eq!(blocks(1024 * 1024, 4), 1024);
        assert_eq!(blocks(4096 * 1024, 4), 2048);
    }
}
