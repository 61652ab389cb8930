//! The blocks of recorded work: they live as long as the recording or a buffer in it, and nothing else
//! gets them meanwhile.
//!
//! Recorded work runs again at the same addresses. Its own blocks may be used again inside of it, in
//! the order in which it was recorded; between two runs nobody else may write them. A block that was
//! there before and that loses its last owner while work is recorded is kept too: the recording may
//! read it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Address;
use super::pool::{Cache, Shared};

/// Blocks of a pool that belong to one recording.
pub(crate) struct Arena {
    pool: Arc<Shared>,
    blocks: Mutex<Blocks>,
}

#[derive(Default)]
struct Blocks {
    all: Vec<(Address, usize)>,
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
    pub(super) fn adopt(&self, address: Address, capacity: usize) {
        self.lock().all.push((address, capacity));
    }

    /// Takes back a block that this arena handed out.
    pub(super) fn put_back(&self, address: Address, capacity: usize) {
        self.lock().free.entry(capacity).or_default().push(address);
    }

    fn lock(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let blocks = std::mem::take(&mut self.lock().all);
        self.pool.put_back_all(blocks.into_iter());
    }
}
