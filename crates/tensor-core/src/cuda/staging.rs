//! Page-locked host memory, and transfers between it and the device beside the kernels.
//!
//! Uploads go through the copy stream, so that the next batch travels while the last is computed;
//! downloads follow the compute stream's work. Ordinary copies are in `memory.rs`.

use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{self, CUresult};

use super::context::{Context, StreamEvent};
use super::driver::check;
use crate::memory::{Address, Event, Staging};
use crate::{Error, Result};

/// Host memory that the device can read and write by itself.
pub(super) struct PinnedBlock {
    context: Arc<Context>,
    start: *mut u8,
    len: usize,
}

// SAFETY: the block is plain memory, owned by this value alone.
unsafe impl Send for PinnedBlock {}

impl PinnedBlock {
    /// `len` zero bytes.
    pub fn new(context: &Arc<Context>, len: usize) -> Result<PinnedBlock> {
        context.bind()?;
        let mut start = std::ptr::null_mut();
        // SAFETY: the driver writes one pointer; the block is freed in `drop`.
        match unsafe { sys::cuMemAllocHost_v2(&mut start, len.max(1)) } {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Err(Error::OutOfMemory {
                device: format!("the host (page-locked memory for {context})"),
                requested: len,
                in_use: 0,
                limit: None,
            }),
            result => {
                check(format_args!("locking {len} bytes of host memory"), result)?;
                let start = start.cast::<u8>();
                // SAFETY: the driver gave this many bytes.
                unsafe { start.write_bytes(0, len) };
                Ok(PinnedBlock { context: context.clone(), start, len })
            }
        }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `new` made this many initialised bytes, and `self` is borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl Drop for PinnedBlock {
    fn drop(&mut self) {
        // SAFETY: the block came from the driver and nobody uses it any more.
        unsafe {
            let _ = self.context.bind();
            let _ = sys::cuMemFreeHost(self.start.cast());
        }
    }
}

/// Host bytes that captured copies read whenever they run.
#[derive(Clone, Default)]
pub(super) struct CapturedBytes {
    blocks: Arc<Mutex<Vec<PinnedBlock>>>,
}

impl CapturedBytes {
    /// Keeps a copy of host bytes, and gives its address.
    pub fn keep(&self, context: &Arc<Context>, bytes: &[u8]) -> Result<*const u8> {
        let mut block = PinnedBlock::new(context, bytes.len())?;
        block.bytes_mut().copy_from_slice(bytes);
        let address = block.start.cast_const();
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).push(block);
        Ok(address)
    }

    /// Hands over what was kept since the last call.
    pub fn take(&self) -> Vec<PinnedBlock> {
        std::mem::take(&mut *self.blocks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Page-locked memory with the events that guard it.
pub(super) struct PinnedStaging {
    context: Arc<Context>,
    block: PinnedBlock,
    /// Behind the last transfer.
    transferred: StreamEvent,
    /// Behind the last work that reads what was uploaded.
    read: StreamEvent,
}

impl PinnedStaging {
    pub fn new(context: &Arc<Context>, bytes: usize) -> Result<PinnedStaging> {
        Ok(PinnedStaging {
            context: context.clone(),
            block: PinnedBlock::new(context, bytes)?,
            transferred: StreamEvent::new(context)?,
            read: StreamEvent::new(context)?,
        })
    }
}

impl Staging for PinnedStaging {
    fn bytes(&mut self) -> Result<&mut [u8]> {
        self.context.begin_uncaptured("using staged bytes")?;
        self.transferred.wait()?;
        Ok(self.block.bytes_mut())
    }

    unsafe fn upload(&mut self, to: Address, bytes: usize) -> Result<()> {
        assert!(bytes <= self.block.len, "{bytes} of {} staged bytes", self.block.len);
        self.context.begin_uncaptured("an upload beside the device's work")?;
        if bytes == 0 {
            return Ok(());
        }
        let Context { compute, copies, .. } = *self.context;
        self.read.hold_back(copies)?;
        let source = self.block.start.cast_const().cast();
        // SAFETY: the caller vouches for the destination; the block is not touched before
        // `transferred` has passed.
        let result = unsafe { sys::cuMemcpyHtoDAsync_v2(to, source, bytes, copies) };
        check(format_args!("uploading {bytes} bytes"), result)?;
        self.transferred.record(copies)?;
        self.transferred.hold_back(compute)
    }

    fn fence(&mut self) -> Result<()> {
        self.context.begin_uncaptured("guarding an upload")?;
        self.read.record(self.context.compute)
    }

    unsafe fn download(&mut self, from: Address, bytes: usize) -> Result<()> {
        assert!(bytes <= self.block.len, "{bytes} of {} staged bytes", self.block.len);
        self.context.begin_uncaptured("a download beside the device's work")?;
        if bytes == 0 {
            return Ok(());
        }
        let (target, stream) = (self.block.start.cast(), self.context.compute);
        // SAFETY: the caller vouches for the source; the block is not touched before `transferred`
        // has passed.
        let result = unsafe { sys::cuMemcpyDtoHAsync_v2(target, from, bytes, stream) };
        check(format_args!("downloading {bytes} bytes"), result)?;
        self.transferred.record(stream)
    }
}

impl Drop for PinnedStaging {
    fn drop(&mut self) {
        // The block may be the source or target of a transfer that is still under way. An error is one
        // of earlier work, which the next call reports.
        let _ = self.transferred.wait();
    }
}
