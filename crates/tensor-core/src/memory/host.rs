//! The host's own memory as a device's memory. Large blocks are mappings of their own, in huge pages
//! where the system has them.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use memmap2::{MmapMut, MmapOptions};

use super::{ALIGNMENT, Address, Event, RawMemory, Staging};
use crate::{Error, Result};

/// Blocks from this size on are mapped: a huge page of x86-64 and of most ARM systems.
const MAPPED: usize = 2 << 20;

/// Address space that the pool's large blocks are cut from: 8 GiB of 64 bits, more than most trainings
/// take, because no block spans two segments. (Of 32 bits it is less than any large block: those are
/// then taken one by one.)
const SEGMENT: usize = 1 << (usize::BITS / 2 + 1);

/// Memory of this process, aligned for vector loads.
#[derive(Debug)]
pub struct HostMemory {
    name: &'static str,
    /// The large blocks by where they begin.
    mapped: Mutex<HashMap<Address, MmapMut>>,
}

impl HostMemory {
    /// Host memory that calls itself `name` in messages.
    pub fn new(name: &'static str) -> HostMemory {
        HostMemory { name, mapped: Mutex::default() }
    }

    fn mapped(&self) -> MutexGuard<'_, HashMap<Address, MmapMut>> {
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A zeroed block whose pages the system provides when they are first touched. With pages of 4 KiB
    /// the first pass over an activation would take longer for faults than for its arithmetic.
    fn map(&self, bytes: usize) -> Option<Address> {
        // Not counted against what the system may promise before it is touched.
        let mut block = MmapOptions::new().len(bytes).no_reserve_swap().map_anon().ok()?;
        // Where there are no huge pages, small ones do.
        #[cfg(target_os = "linux")]
        let _ = block.advise(memmap2::Advice::HugePage);
        let address = block.as_mut_ptr() as Address;
        self.mapped().insert(address, block);
        Some(address)
    }

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes.max(1), ALIGNMENT).ok()
    }
}

/// Host work is done when the call that did it returns.
struct Done;

impl Event for Done {
    fn wait(&self) -> Result<()> {
        Ok(())
    }
}

impl RawMemory for HostMemory {
    fn name(&self) -> String {
        self.name.to_string()
    }

    fn is_host(&self) -> bool {
        true
    }

    fn allocate(&self, bytes: usize) -> Result<Option<Address>> {
        if bytes >= MAPPED {
            return Ok(self.map(bytes));
        }
        let Some(layout) = Self::layout(bytes) else { return Ok(None) };
        // Zeroed, so that a slice of a fresh block never shows uninitialised memory.
        // SAFETY: the layout has at least one byte.
        let pointer = unsafe { alloc_zeroed(layout) };
        Ok((!pointer.is_null()).then_some(pointer as Address))
    }

    fn segment_bytes(&self) -> Option<usize> {
        // Elsewhere address space counts as memory from the start.
        cfg!(unix).then_some(SEGMENT)
    }

    unsafe fn free(&self, address: Address, bytes: usize) {
        if bytes >= MAPPED {
            self.mapped().remove(&address);
        } else if let Some(layout) = Self::layout(bytes) {
            // SAFETY: the caller hands back what `allocate` gave for the same number of bytes.
            unsafe { dealloc(address as *mut u8, layout) };
        }
    }

    unsafe fn copy_from_host(&self, from: &[u8], to: Address) -> Result<()> {
        // SAFETY: the caller vouches for the destination; a fresh borrow cannot overlap a block.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to as *mut u8, from.len()) };
        Ok(())
    }

    unsafe fn copy_to_host(&self, from: Address, to: &mut [u8]) -> Result<()> {
        // SAFETY: the caller vouches for the source; a unique borrow cannot overlap a block.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        // SAFETY: the caller vouches for both ranges and that they do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, bytes) };
        Ok(())
    }

    unsafe fn fill(&self, address: Address, byte: u8, bytes: usize) -> Result<()> {
        // SAFETY: the caller vouches for the range.
        unsafe { std::ptr::write_bytes(address as *mut u8, byte, bytes) };
        Ok(())
    }

    fn event(&self) -> Result<Box<dyn Event>> {
        Ok(Box::new(Done))
    }

    fn staging(&self, bytes: usize) -> Result<Box<dyn Staging>> {
        let mut staged = Vec::new();
        let reserved = staged.try_reserve_exact(bytes);
        reserved.map_err(|_| Error::OutOfMemory {
            device: "the host".to_string(),
            requested: bytes,
            in_use: 0,
            limit: None,
        })?;
        staged.resize(bytes, 0);
        Ok(Box::new(HostStaging { bytes: staged }))
    }
}

/// Transfers from host memory to host memory are copies, over when the call returns.
struct HostStaging {
    bytes: Vec<u8>,
}

impl Staging for HostStaging {
    fn bytes(&mut self) -> Result<&mut [u8]> {
        Ok(&mut self.bytes)
    }

    unsafe fn upload(&mut self, to: Address, bytes: usize) -> Result<()> {
        let from = &self.bytes[..bytes];
        // SAFETY: the caller vouches for the destination; a vector cannot overlap a block.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to as *mut u8, bytes) };
        Ok(())
    }

    fn fence(&mut self) -> Result<()> {
        Ok(())
    }

    unsafe fn download(&mut self, from: Address, bytes: usize) -> Result<()> {
        let to = &mut self.bytes[..bytes];
        // SAFETY: the caller vouches for the source; a vector cannot overlap a block.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to.as_mut_ptr(), bytes) };
        Ok(())
    }
}
