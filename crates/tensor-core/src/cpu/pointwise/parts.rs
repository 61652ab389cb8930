//! How row-wise families spread their work over the threads: fixed parts, small work on the calling
//! thread.

use rayon::prelude::*;

use crate::cpu::Cpu;

/// Elements of a part. A function of nothing, so that parts depend on the shape alone.
pub(in crate::cpu) const PART: usize = 16 * 1024;

/// How many whole rows of `channels` elements a part has: at least one.
pub(in crate::cpu) fn part_rows(channels: usize) -> usize {
    (PART / channels.max(1)).max(1)
}

/// The first `ROWS` rows of a block as slices of one known length, so that loops over their elements
/// need no bounds checks and the compiler vectorises them whole.
#[inline(always)]
pub(in crate::cpu) fn split_rows<const ROWS: usize>(
    block: &[f32],
    channels: usize,
) -> [&[f32]; ROWS] {
    let mut rows = [block; ROWS];
    for (index, row) in rows.iter_mut().enumerate() {
        *row = &block[index * channels..][..channels];
    }
    rows
}

impl Cpu {
    /// Calls `work` once for every part; on the calling thread if all of them together have at most
    /// [`PART`] elements, because waking the others would cost more.
    pub(in crate::cpu) fn for_each_part<P: Send>(
        &self,
        elements: usize,
        parts: impl Iterator<Item = P>,
        work: impl Fn(P) + Send + Sync,
    ) {
        if elements <= PART {
            return parts.for_each(work);
        }
        let parts: Vec<P> = parts.collect();
        self.install(|| parts.into_par_iter().for_each(work));
    }
}
