//! Raw memory of a device, and the pool that hands it out.
//!
//! [`RawMemory`] is what a kind of device must offer; [`MemoryPool`] caches its blocks, counts them
//! and enforces a limit; a [`Buffer`] is a shared block, [`Slice`] and [`SliceMut`] are typed ranges
//! of it, the only thing a backend's kernels see. Shapes live further up, in `Tensor`.

mod arena;
mod buffer;
mod host;
mod pool;
mod segments;
mod slice;

pub(crate) use arena::Arena;
pub use buffer::Buffer;
pub use host::HostMemory;
pub use pool::{MemoryPool, MemoryReport};
pub use slice::{Destination, Slice, SliceMut, WriteMode};

use crate::Result;

/// Every block, and every parameter inside a flat buffer, begins at a multiple of this many bytes.
pub const ALIGNMENT: usize = 256;

/// Where a block begins: a host pointer or a device pointer, as a number.
pub type Address = u64;

/// A point in a device's work that one can wait for.
pub trait Event: Send + Sync {
    /// Blocks until all work given to the device before this event is done.
    ///
    /// # Errors
    /// What that work failed with.
    fn wait(&self) -> Result<()>;
}

/// The memory of one kind of device: allocate, free, copy, fill, and an event to wait for.
pub trait RawMemory: Send + Sync + 'static {
    /// The device's name, for messages.
    fn name(&self) -> String;

    /// True if addresses are pointers that this process can read.
    fn is_host(&self) -> bool;

    /// A block of at least `bytes` bytes, aligned to [`ALIGNMENT`]; `None` if there is no room.
    ///
    /// # Errors
    /// What earlier work failed with.
    fn allocate(&self, bytes: usize) -> Result<Option<Address>>;

    /// The bytes to take at once and to cut large blocks from, where bytes that nobody has touched cost
    /// nothing; `None`: large blocks are taken one by one.
    fn segment_bytes(&self) -> Option<usize> {
        None
    }

    /// Gives a block back.
    ///
    /// # Safety
    /// `address` and `bytes` are those of an earlier [`allocate`](Self::allocate), not freed since.
    unsafe fn free(&self, address: Address, bytes: usize);

    /// Copies host bytes into device memory.
    ///
    /// # Safety
    /// `to .. to + from.len()` lies in one live block.
    unsafe fn copy_from_host(&self, from: &[u8], to: Address) -> Result<()>;

    /// Copies device memory into host bytes and waits until they are there.
    ///
    /// # Safety
    /// `from .. from + to.len()` lies in one live block and was written.
    unsafe fn copy_to_host(&self, from: Address, to: &mut [u8]) -> Result<()>;

    /// Copies within the device.
    ///
    /// # Safety
    /// Both ranges lie in live blocks and do not overlap.
    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()>;

    /// Sets every byte of a range.
    ///
    /// # Safety
    /// `address .. address + bytes` lies in one live block.
    unsafe fn fill(&self, address: Address, byte: u8, bytes: usize) -> Result<()>;

    /// An event after all work given to the device so far.
    ///
    /// # Errors
    /// What earlier work failed with.
    fn event(&self) -> Result<Box<dyn Event>>;

    /// `bytes` bytes of host memory for transfers beside the device's work.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) on the host.
    fn staging(&self, bytes: usize) -> Result<Box<dyn Staging>>;
}

/// Host memory that a device reads and writes by itself, while it and the host do other work.
pub trait Staging: Send {
    /// The bytes, once the last transfer is over: to be filled before an upload, or what a download
    /// brought.
    ///
    /// # Errors
    /// What earlier work failed with.
    fn bytes(&mut self) -> Result<&mut [u8]>;

    /// Begins to copy the first `bytes` bytes to the device. It waits for the last
    /// [`fence`](Self::fence), but for no other work; work given from now on waits for it.
    ///
    /// # Safety
    /// `to .. to + bytes` lies in a live block, which stays alive until the copy is over, and which only
    /// work before the last fence reads or writes.
    unsafe fn upload(&mut self, to: Address, bytes: usize) -> Result<()>;

    /// The next upload waits for all work given so far.
    ///
    /// # Errors
    /// What earlier work failed with.
    fn fence(&mut self) -> Result<()>;

    /// Begins to copy bytes of the device to the first bytes here, behind all work given so far.
    ///
    /// # Safety
    /// `from .. from + bytes` lies in a live block and was written.
    unsafe fn download(&mut self, from: Address, bytes: usize) -> Result<()>;
}
