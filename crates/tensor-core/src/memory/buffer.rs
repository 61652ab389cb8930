//! A block of device memory shared by the tensors that look into it.

use std::sync::Arc;

use super::arena::Arena;
use super::pool::{Block, Shared};
use super::{Address, RawMemory, Slice, SliceMut};
use crate::DType;

/// A reference-counted block from a [`MemoryPool`](super::MemoryPool); it goes back to the pool with
/// its last owner.
#[derive(Clone)]
pub struct Buffer {
    owned: Arc<Owned>,
}

struct Owned {
    pool: Arc<Shared>,
    /// Whose block it is, if it was handed out while work was recorded.
    arena: Option<Arc<Arena>>,
    block: Block,
    bytes: usize,
}

impl Drop for Owned {
    fn drop(&mut self) {
        match &self.arena {
            Some(arena) => arena.put_back(self.block),
            None => self.pool.put_back(self.block),
        }
    }
}

impl Buffer {
    pub(super) fn new(
        pool: Arc<Shared>,
        arena: Option<Arc<Arena>>,
        block: Block,
        bytes: usize,
    ) -> Buffer {
        Buffer { owned: Arc::new(Owned { pool, arena, block, bytes }) }
    }

    /// Where the block begins.
    pub fn address(&self) -> Address {
        self.owned.block.address
    }

    /// How many bytes were asked for.
    pub fn bytes(&self) -> usize {
        self.owned.bytes
    }

    /// The memory that the block belongs to.
    pub fn memory(&self) -> &dyn RawMemory {
        &*self.owned.pool.memory
    }

    /// True if nobody else holds this block, so that it may be written.
    pub fn is_unique(&mut self) -> bool {
        Arc::get_mut(&mut self.owned).is_some()
    }

    /// `len` elements beginning `offset` bytes into the block.
    ///
    /// # Panics
    /// If the range is not inside the block: that is a fault in this crate.
    pub fn slice(&self, dtype: DType, offset: usize, len: usize) -> Slice<'_> {
        self.check(dtype, offset, len);
        // SAFETY: the range lies in this block, which the borrow keeps alive.
        unsafe {
            Slice::from_raw(self.address() + offset as u64, len, dtype, self.memory().is_host())
        }
    }

    /// The same range for writing.
    ///
    /// # Panics
    /// If the range is not inside the block or the block is shared: tensors do not change after the
    /// op that made them, so either is a fault in this crate or the one above.
    pub fn slice_mut(&mut self, dtype: DType, offset: usize, len: usize) -> SliceMut<'_> {
        self.check(dtype, offset, len);
        assert!(
            self.is_unique(),
            "a shared buffer of {} bytes was about to be written",
            self.bytes()
        );
        let (address, host) = (self.address() + offset as u64, self.memory().is_host());
        // SAFETY: the range lies in this block, which this borrow alone can reach.
        unsafe { SliceMut::from_raw(address, len, dtype, host) }
    }

    fn check(&self, dtype: DType, offset: usize, len: usize) {
        let end = len.checked_mul(dtype.size()).and_then(|bytes| bytes.checked_add(offset));
        assert!(
            end.is_some_and(|end| end <= self.bytes()) && offset.is_multiple_of(dtype.size()),
            "{len} {dtype} elements at byte {offset} are not inside a buffer of {} bytes",
            self.bytes()
        );
    }
}
