//! A caching allocator over [`RawMemory`]: size classes up to 1 MiB, near-exact blocks above, or blocks
//! cut from segments (`segments.rs`) where untouched memory costs nothing. While
//! work is recorded for later, blocks come from an arena (`arena.rs`) that lives with the recording.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::arena::Arena;
use super::segments::Segments;
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
    /// Bytes taken from the device: in use and cached. On a host that is address space, of which only
    /// what was in use at some time is in memory.
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

/// Memory of the device that was handed out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) address: Address,
    pub(super) capacity: usize,
    /// How many buffers had been handed out before.
    pub(super) birth: u64,
}

/// Free blocks by size.
pub(super) type Cache = BTreeMap<usize, Vec<Address>>;

#[derive(Default)]
struct State {
    cached: Cache,
    segments: Segments,
    report: MemoryReport,
    poison: bool,
    /// Where blocks come from while work is recorded.
    arena: Option<Arc<Arena>>,
    /// Arenas of recordings that are finished, and how many buffers had been handed out by then: blocks
    /// that were there may be read and written by what was recorded.
    finished: Vec<(u64, Weak<Arena>)>,
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
        let capacity = self.shared.block_size(bytes);
        let mut state = self.shared.lock();
        let arena = state.arena.clone();
        let birth = state.report.allocations;
        let reused = arena.as_ref().and_then(|arena| arena.take(capacity));
        let block = match reused {
            Some(address) => Block { address, capacity, birth },
            None => {
                let address = self.take(&mut state, bytes, capacity)?;
                let block = Block { address, capacity, birth };
                if let Some(arena) = &arena {
                    arena.adopt(block);
                }
                block
            }
        };
        state.report.allocations += 1;
        let poison = state.poison;
        drop(state);
        let buffer = Buffer::new(self.shared.clone(), arena, block, bytes);
        if poison {
            // SAFETY: the block was just handed out and nobody else knows it.
            unsafe { self.shared.memory.fill(block.address, 0xFF, capacity)? };
        }
        Ok(buffer)
    }

    /// A block of `capacity` for `bytes` bytes, within the limit, counted as in use.
    fn take(&self, state: &mut State, bytes: usize, capacity: usize) -> Result<Address> {
        let after = state.report.in_use + capacity;
        let within = state.report.limit.is_none_or(|limit| after <= limit);
        let address = if within { self.find(state, capacity)? } else { None };
        let address = address.ok_or_else(|| Error::OutOfMemory {
            device: self.shared.memory.name(),
            requested: bytes,
            in_use: state.report.in_use,
            limit: state.report.limit,
        })?;
        state.report.in_use = after;
        state.report.peak = state.report.peak.max(after);
        Ok(address)
    }

    /// A block of this size from the cache or from the device, which gets the cache back if it is
    /// full. While work is recorded it does not: a device waits for its work before it takes memory
    /// back, and recorded work has not even begun.
    fn find(&self, state: &mut State, capacity: usize) -> Result<Option<Address>> {
        if let Some(segment) = self.shared.segment_for(capacity) {
            return self.cut(state, capacity, segment);
        }
        if let Some(cached) = state.cached.get_mut(&capacity).and_then(Vec::pop) {
            return Ok(Some(cached));
        }
        self.fresh(state, capacity)
    }

    /// A block of this size from a segment: one that is there, or a new one of `segment` bytes.
    fn cut(&self, state: &mut State, capacity: usize, segment: usize) -> Result<Option<Address>> {
        if let Some(cut) = state.segments.take(capacity) {
            return Ok(Some(cut));
        }
        let length = segment.max(capacity);
        let (address, length) = match self.shared.memory.allocate(length)? {
            Some(address) => {
                state.report.reserved += length;
                (Some(address), length)
            }
            None => (self.fresh(state, capacity)?, capacity),
        };
        let Some(address) = address else { return Ok(None) };
        state.segments.add(address, length);
        Ok(state.segments.take(capacity))
    }

    /// A block of this size from the device.
    fn fresh(&self, state: &mut State, capacity: usize) -> Result<Option<Address>> {
        let mut fresh = self.shared.memory.allocate(capacity)?;
        if fresh.is_none() && state.arena.is_none() {
            self.shared.release(state);
            fresh = self.shared.memory.allocate(capacity)?;
        }
        state.report.reserved += fresh.map_or(0, |_| capacity);
        Ok(fresh)
    }

    /// From now until the recording ends, blocks come from an arena of its own.
    ///
    /// # Errors
    /// [`Error::Device`] if there is a recording already.
    pub(crate) fn record(&self) -> Result<Recording> {
        let mut state = self.shared.lock();
        if state.arena.is_some() {
            let name = self.shared.memory.name();
            return Err(Error::Device(format!("{name}: work is being recorded already")));
        }
        state.arena = Some(Arc::new(Arena::new(self.shared.clone())));
        Ok(Recording { shared: self.shared.clone() })
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

    /// Gives every cached block back to the device, unless work is being recorded.
    pub fn release_cached(&self) {
        let mut state = self.shared.lock();
        if state.arena.is_none() {
            self.shared.release(&mut state);
        }
    }
}

/// A pool whose blocks come from an arena, until this is finished or dropped.
pub(crate) struct Recording {
    shared: Arc<Shared>,
}

impl Recording {
    /// Ends it. For as long as the arena lives, no block that was in use by now is handed out again.
    pub(crate) fn finish(self) -> Option<Arc<Arena>> {
        let mut state = self.shared.lock();
        let arena = state.arena.take()?;
        let until = state.report.allocations;
        state.finished.push((until, Arc::downgrade(&arena)));
        Some(arena)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Its blocks go back to the pool, which takes the lock: not while it is held here.
        let arena = self.shared.lock().arena.take();
        drop(arena);
    }
}

impl State {
    /// The arena of a recording that may read or write a block that is let go of now.
    fn keeper(&mut self, block: &Block) -> Option<Arc<Arena>> {
        self.finished.retain(|(_, arena)| arena.strong_count() > 0);
        let mut seen = self.finished.iter().filter(|(until, _)| block.birth < *until);
        self.arena.clone().or_else(|| seen.find_map(|(_, arena)| arena.upgrade()))
    }

    fn put_back(&mut self, block: Block, is_cut: bool) {
        self.report.in_use -= block.capacity;
        if is_cut {
            return self.segments.put_back(block.address, block.capacity);
        }
        self.cached.entry(block.capacity).or_default().push(block.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a block into the cache, or to the recording that may still use it; called when the last
    /// owner of a buffer is gone.
    pub(super) fn put_back(&self, block: Block) {
        let mut state = self.lock();
        let keeper = state.keeper(&block);
        match &keeper {
            Some(arena) => arena.adopt(block),
            None => state.put_back(block, self.segment_for(block.capacity).is_some()),
        }
        // The keeper may be the last owner of its arena by now, whose end takes the lock.
        drop(state);
    }

    /// How long segments are that a block of this size is cut from, if it is.
    fn segment_for(&self, capacity: usize) -> Option<usize> {
        self.memory.segment_bytes().filter(|_| capacity > LARGEST_CLASS)
    }

    /// A block cut from a segment leaves its rest to others, and need not be like any before.
    fn block_size(&self, bytes: usize) -> usize {
        match self.segment_for(bytes) {
            Some(_) => bytes.next_multiple_of(LARGE_STEP),
            None => block_size(bytes),
        }
    }

    fn release(&self, state: &mut State) {
        for (address, length) in state.segments.remove_unused() {
            state.report.reserved -= length;
            // SAFETY: the segment came from `allocate` with this length, and no block of it has an owner.
            unsafe { self.memory.free(address, length) };
        }
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
    fn a_recording_shares_no_block_with_what_runs_between_its_replays() {
        let pool = pool();
        let before = pool.allocate(1000).expect("room");
        let written_by_recording = pool.allocate(1000).expect("room");
        let (first, second) = (before.address(), written_by_recording.address());
        let recording = pool.record().expect("the first");
        assert!(pool.record().is_err(), "one at a time");
        let scratch = pool.allocate(1000).expect("room").address();
        let output = pool.allocate(1000).expect("room");
        assert_eq!(output.address(), scratch, "a recording uses its own blocks again");
        drop(before);
        let arena = recording.finish();
        drop((output, written_by_recording));
        let between = [(); 3].map(|()| pool.allocate(1000).expect("room"));
        for buffer in &between {
            assert!(![first, second, scratch].contains(&buffer.address()));
        }
        assert_eq!(pool.report().in_use, 6 * 1024);
        drop((arena, between));
        assert_eq!((pool.report().in_use, pool.report().reserved), (0, 6 * 1024));
    }

    #[test]
    fn what_two_recordings_use_is_kept_until_both_are_gone() {
        let pool = pool();
        let shared = pool.allocate(1000).expect("room");
        let address = shared.address();
        let record = || pool.record().expect("one at a time").finish();
        let (older, newer) = (record(), record());
        let after = pool.allocate(1000).expect("room");
        let unseen = after.address();
        drop((shared, after));
        assert_eq!(pool.allocate(1000).expect("room").address(), unseen, "made after both");
        drop(older);
        assert_eq!(pool.report().in_use, 1024);
        let held = [(); 2].map(|()| pool.allocate(1000).expect("room"));
        assert!(held.iter().all(|buffer| buffer.address() != address));
        drop((newer, held));
        assert_eq!(pool.report().in_use, 0);
    }

    #[test]
    fn an_abandoned_recording_gives_its_blocks_back() {
        let pool = pool();
        let recording = pool.record().expect("the first");
        drop(pool.allocate(1000).expect("room"));
        drop(recording);
        assert_eq!((pool.report().in_use, pool.report().reserved), (0, 1024));
        assert!(pool.record().is_ok());
    }

    #[test]
    fn a_size_no_machine_has_is_an_error_and_no_abort() {
        assert!(matches!(pool().allocate(1 << 60), Err(Error::OutOfMemory { .. })));
    }
}
