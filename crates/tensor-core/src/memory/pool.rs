//! A caching allocator over [`RawMemory`]: size classes up to 1 MiB, near-exact blocks above.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{ALIGNMENT, Address, Buffer, RawMemory};
use crate::{Error, Result};

const LARGEST_CLASS: usize = 1 << 20;
const LARGE_STEP: usize = 64 << 10;

/// What a pool has handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryReport {
    /// Bytes in live buffers, rounded up to the blocks they occupy.
    pub in_use: usize,
    /// The largest `in_use` since the pool was made or [`MemoryPool::reset_peak`] was called.
    pub peak: usize,
    /// Bytes taken from the device: in use and cached.
    pub reserved: usize,
    /// How many buffers were handed out, ever.
    pub allocations: u64,
    /// The limit on `in_use`, if one is set.
    pub limit: Option<usize>,
}

/// Hands out [`Buffer`]s and keeps their blocks for the next time.
#[derive(Clone)]
pub struct MemoryPool {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) memory: Box<dyn RawMemory>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cached: BTreeMap<usize, Vec<Address>>,
    report: MemoryReport,
    poison: bool,
}

impl MemoryPool {
    /// A pool without a limit over this memory.
    pub fn new(memory: impl RawMemory) -> MemoryPool {
        let state = Mutex::new(State::default());
        MemoryPool { shared: Arc::new(Shared { memory: Box::new(memory), state }) }
    }

    /// The memory below.
    pub fn memory(&self) -> &dyn RawMemory {
        &*self.shared.memory
    }

    /// A buffer of arbitrary content, of `bytes` bytes, aligned to [`ALIGNMENT`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] beyond the limit, or when the device has no room even after the cache
    /// was given back.
    pub fn allocate(&self, bytes: usize) -> Result<Buffer> {
        let capacity = block_size(bytes);
        let (address, poison) = {
            let mut state = self.shared.lock();
            let within =
                state.report.limit.is_none_or(|limit| state.report.in_use + capacity <= limit);
            let address = if within { self.take(&mut state, capacity)? } else { None };
            let Some(address) = address else {
                return Err(Error::OutOfMemory {
                    device: self.shared.memory.name(),
                    requested: bytes,
                    in_use: state.report.in_use,
                    limit: state.report.limit,
                });
            };
            state.report.in_use += capacity;
            state.report.peak = state.report.peak.max(state.report.in_use);
            state.report.allocations += 1;
            (address, state.poison)
        };
        let buffer = Buffer::new(self.shared.clone(), address, bytes, capacity);
        if poison {
            // SAFETY: the block was just handed out and nobody else knows it.
            unsafe { self.shared.memory.fill(address, 0xFF, capacity)? };
        }
        Ok(buffer)
    }

    /// A block of this size from the cache or from the device, which gets the cache back if it is full.
    fn take(&self, state: &mut State, capacity: usize) -> Result<Option<Address>> {
        if let Some(cached) = state.cached.get_mut(&capacity).and_then(Vec::pop) {
            return Ok(Some(cached));
        }
        let mut fresh = self.shared.memory.allocate(capacity)?;
        if fresh.is_none() {
            self.shared.release(state);
            fresh = self.shared.memory.allocate(capacity)?;
        }
        state.report.reserved += fresh.map_or(0, |_| capacity);
        Ok(fresh)
    }

    /// Sets or lifts the limit on bytes in use; what is in use already stays.
    pub fn set_limit(&self, limit: Option<usize>) {
        self.shared.lock().report.limit = limit;
    }

    /// Fills every buffer with 0xFF when it is handed out (not-a-number in every float type), so that
    /// a test sees what an op forgot to write.
    pub fn set_poison(&self, poison: bool) {
        self.shared.lock().poison = poison;
    }

    /// The counts as they are now.
    pub fn report(&self) -> MemoryReport {
        self.shared.lock().report
    }

    /// Starts a new count of the peak from what is in use now.
    pub fn reset_peak(&self) {
        let mut state = self.shared.lock();
        state.report.peak = state.report.in_use;
    }

    /// Gives every cached block back to the device.
    pub fn release_cached(&self) {
        let mut state = self.shared.lock();
        self.shared.release(&mut state);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a block into the cache; called when the last owner of a buffer is gone.
    pub(super) fn put_back(&self, address: Address, capacity: usize) {
        let mut state = self.lock();
        state.report.in_use -= capacity;
        state.cached.entry(capacity).or_default().push(address);
    }

    fn release(&self, state: &mut State) {
        for (capacity, blocks) in std::mem::take(&mut state.cached) {
            for address in blocks {
                state.report.reserved -= capacity;
                // SAFETY: cached blocks came from `allocate` with this size and have no owner.
                unsafe { self.memory.free(address, capacity) };
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut state = std::mem::take(&mut *self.lock());
        self.release(&mut state);
    }
}

/// Powers of two up to 1 MiB; above, multiples of 64 KiB or of a sixteenth of the size, so that
/// the few per cent between like activations do not each need a block of their own.
fn block_size(bytes: usize) -> usize {
    if bytes <= LARGEST_CLASS {
        bytes.max(ALIGNMENT).next_power_of_two()
    } else {
        let step = (bytes.next_power_of_two() / 32).max(LARGE_STEP);
        bytes.div_ceil(step) * step
    }
}

#[cfg(test)]
mod tests {
    use super::super::HostMemory;
    use super::*;

    fn pool() -> MemoryPool {
        MemoryPool::new(HostMemory::new("cpu"))
    }

    #[test]
    fn blocks_waste_at_most_a_sixteenth_above_a_mebibyte() {
        for bytes in [LARGEST_CLASS + 1, 3 << 20, (5 << 20) + 7, 100 << 20] {
            let block = block_size(bytes);
            assert!(block >= bytes && block - bytes <= (bytes / 16).max(LARGE_STEP), "{bytes}");
        }
        assert_eq!([block_size(0), block_size(257), block_size(1 << 20)], [256, 512, 1 << 20]);
    }

    #[test]
    fn a_dropped_buffer_is_handed_out_again() {
        let pool = pool();
        let first = pool.allocate(1000).expect("room").address();
        assert_eq!(pool.allocate(900).expect("room").address(), first);
        let report = pool.report();
        assert_eq!((report.in_use, report.peak, report.reserved), (0, 1024, 1024));
        pool.release_cached();
        assert_eq!(pool.report().reserved, 0);
    }

    #[test]
    fn the_limit_is_an_ordinary_error_that_a_free_cures() {
        let pool = pool();
        pool.set_limit(Some(2048));
        let held = pool.allocate(2048).expect("within the limit");
        let refused = pool.allocate(1).err();
        assert!(matches!(refused, Some(Error::OutOfMemory { requested: 1, in_use: 2048, .. })));
        drop(held);
        assert!(pool.allocate(1).is_ok());
    }

    #[test]
    fn a_size_no_machine_has_is_an_error_and_no_abort() {
        assert!(matches!(pool().allocate(1 << 60), Err(Error::OutOfMemory { .. })));
    }
}
