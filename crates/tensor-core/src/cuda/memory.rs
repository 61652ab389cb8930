//! Device memory for the pool: blocks from `cuMemAlloc`, copies and fills on the compute stream.

use std::sync::Arc;

use cudarc::driver::sys::{self, CUresult};

use super::context::{Context, StreamEvent};
use super::driver::check;
use super::staging::{CapturedBytes, PinnedStaging};
use crate::Result;
use crate::memory::{Address, Event, RawMemory, Staging};

/// A device's memory.
pub(super) struct CudaMemory {
    context: Arc<Context>,
    captured_bytes: CapturedBytes,
}

impl CudaMemory {
    /// Copies that are captured keep their bytes in `captured_bytes`.
    pub fn new(context: Arc<Context>, captured_bytes: CapturedBytes) -> CudaMemory {
        CudaMemory { context, captured_bytes }
    }
}

impl RawMemory for CudaMemory {
    fn name(&self) -> String {
        self.context.to_string()
    }

    fn is_host(&self) -> bool {
        false
    }

    fn allocate(&self, bytes: usize) -> Result<Option<Address>> {
        self.context.bind()?;
        let mut address = 0;
        // SAFETY: the driver writes one address.
        match unsafe { sys::cuMemAlloc_v2(&mut address, bytes.max(1)) } {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Ok(None),
            result => {
                check(format_args!("allocating {bytes} bytes"), result)?;
                Ok(Some(address))
            }
        }
    }

    unsafe fn free(&self, address: Address, _bytes: usize) {
        // The driver waits for work that uses the block. An error is one of earlier work, which the
        // next call reports.
        // SAFETY: the caller hands back what `allocate` gave.
        unsafe {
            let _ = self.context.bind();
            let _ = sys::cuMemFree_v2(address);
        }
    }

    unsafe fn copy_from_host(&self, from: &[u8], to: Address) -> Result<()> {
        if from.is_empty() {
            return Ok(());
        }
        self.context.begin_work()?;
        // A captured copy reads its source whenever it runs.
        let source = match self.context.is_capturing() {
            true => self.captured_bytes.keep(&self.context, from)?,
            false => from.as_ptr(),
        };
        let (source, stream) = (source.cast(), self.context.compute);
        // SAFETY: the caller vouches for the destination. The bytes are pageable, so the driver has
        // taken its own copy of them when it returns, or kept with the capture.
        let result = unsafe { sys::cuMemcpyHtoDAsync_v2(to, source, from.len(), stream) };
        check(format_args!("copying {} bytes to the device", from.len()), result)
    }

    unsafe fn copy_to_host(&self, from: Address, to: &mut [u8]) -> Result<()> {
        if to.is_empty() {
            return Ok(());
        }
        self.context.begin_uncaptured("reading results")?;
        let (target, stream) = (to.as_mut_ptr().cast(), self.context.compute);
        // SAFETY: the caller vouches for the source; `to` is borrowed until the stream has been
        // waited for.
        let result = unsafe { sys::cuMemcpyDtoHAsync_v2(target, from, to.len(), stream) };
        let copied = check(format_args!("copying {} bytes from the device", to.len()), result);
        // Waited for even after an error: nothing may write to `to` once this returns.
        self.context.synchronize().and(copied)
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.context.begin_work()?;
        // SAFETY: the caller vouches for both ranges; the stream keeps the order of what uses them.
        let result = unsafe { sys::cuMemcpyDtoDAsync_v2(to, from, bytes, self.context.compute) };
        check(format_args!("copying {bytes} bytes on the device"), result)
    }

    unsafe fn fill(&self, address: Address, byte: u8, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.context.begin_work()?;
        // SAFETY: the caller vouches for the range.
        let result = unsafe { sys::cuMemsetD8Async(address, byte, bytes, self.context.compute) };
        check(format_args!("filling {bytes} bytes on the device"), result)
    }

    fn event(&self) -> Result<Box<dyn Event>> {
        self.context.begin_uncaptured("marking a point to wait for")?;
        let event = StreamEvent::new(&self.context)?;
        event.record(self.context.compute)?;
        Ok(Box::new(event))
    }

    fn staging(&self, bytes: usize) -> Result<Box<dyn Staging>> {
        Ok(Box::new(PinnedStaging::new(&self.context, bytes)?))
    }
}
