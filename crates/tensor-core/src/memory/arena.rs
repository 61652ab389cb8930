//! The blocks of recorded work: they live as long as the recording or a buffer in it, and nothing else
//! gets them meanwhile.
//!
//! Recorded work runs again at the same addresses. Its own blocks may be used again inside of it, in
//! the order in which it was recorded; between two runs nobody else may write them. A block that was
//! there when it was recorded, and that loses its last owner while the recording lives, is kept too: the
//! recording may read or write it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Address;
use super::pool::{Block, Cache, Shared};

/// Blocks of a pool that belong to one recording.
pub(crate) struct Arena {
    pool: Arc<Shared>,
    blocks: Mutex<Blocks>,
}

#[derive(Default)]
struct Blocks {
    all: Vec<Block>,
    free: Cache,
}

impl Arena {
    pub(super) fn new(pool: Arc<Shared>) -> Arena {
        Arena { pool, blocks: Mutex::default() }
    }

    /// A block that the recording has already used and let go of.
    pub(super) fn take(&self, capacity: usize) -> Option<Address> {
        self.lock().free.get_mut(&capacity)?.pop()
    }

    /// Keeps a block that came from the pool.
    pub(super) fn adopt(&self, block: Block) {
        self.lock().all.push(block);
    }

    /// Takes back a block that this arena handed out.
    pub(super) fn put_back(&self, block: Block) {
        self.lock().free.entry(block.capacity).or_default().push(block.address);
    }

    fn lock(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let blocks = std::mem::take(&mut self.lock().all);
        blocks.into_iter().for_each(|block| self.pool.put_back(block));
    }
}
