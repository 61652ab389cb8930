//! An opened device: its primary context, its two streams, and whether work is being captured.
//!
//! All kernels go to the compute stream, so that memory freed by one op may be written by the next
//! without waiting. The copy stream writes into fixed input slots only. Which devices there are is
//! asked in `driver.rs`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cudarc::driver::sys;

use super::driver::{self, DeviceInfo, check};
use crate::memory::Event;
use crate::{Error, Result};

/// A device that is open. Handles of the driver may be used from any thread that has bound the
/// context.
pub(super) struct Context {
    pub info: DeviceInfo,
    pub compute: sys::CUstream,
    pub copies: sys::CUstream,
    device: sys::CUdevice,
    handle: sys::CUcontext,
    /// The thread that captures work of the compute stream, 0 if none does.
    capturer: AtomicUsize,
}

/// A number for the calling thread, never 0: the address of something of its own.
fn this_thread() -> usize {
    thread_local!(static TOKEN: u8 = const { 0 });
    TOKEN.with(|token| std::ptr::from_ref(token) as usize)
}

// SAFETY: the driver's handles are valid in every thread, and the driver locks what it shares.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// Opens a device.
    pub fn open(info: DeviceInfo) -> Result<Context> {
        let device = driver::handle(info.index)?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the driver writes one handle, which is given back in `drop`.
        let retained = unsafe { sys::cuDevicePrimaryCtxRetain(&mut handle, device) };
        check(format_args!("opening device {} ({})", info.index, info.name), retained)?;
        let none = std::ptr::null_mut();
        let mut context = Context {
            info,
            compute: none,
            copies: none,
            device,
            handle,
            capturer: AtomicUsize::new(0),
        };
        context.bind()?;
        context.compute = stream()?;
        context.copies = stream()?;
        Ok(context)
    }

    /// Makes this device the one that the calling thread's driver calls mean.
    pub fn bind(&self) -> Result<()> {
        // SAFETY: the context is retained until `drop`.
        check("binding the device to a thread", unsafe { sys::cuCtxSetCurrent(self.handle) })
    }

    /// Binds the device for giving it work. While one thread captures, the work of all others would
    /// become part of the capture, so it is refused.
    pub fn begin_work(&self) -> Result<()> {
        let capturer = self.capturer.load(Ordering::Acquire);
        if capturer != 0 && capturer != this_thread() {
            return Err(Error::Device(format!(
                "{self}: another thread is capturing the device's work; wait until it is done"
            )));
        }
        self.bind()
    }

    /// Binds the device for what cannot be captured, because it waits for the device or is done by
    /// another stream; `what` says what that is.
    pub fn begin_uncaptured(&self, what: &str) -> Result<()> {
        if self.is_capturing() {
            return Err(Error::Device(format!(
                "{self}: {what} is not possible while work is being captured; do it before or after"
            )));
        }
        self.bind()
    }

    pub fn is_capturing(&self) -> bool {
        self.capturer.load(Ordering::Acquire) != 0
    }

    /// Marks the calling thread as the one whose work is captured.
    pub fn begin_capture(&self) -> Result<()> {
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        let begun = self.capturer.compare_exchange(0, this_thread(), order, failed);
        let taken =
            |_| Error::Device(format!("{self}: the device's work is being captured already"));
        begun.map(|_| ()).map_err(taken)
    }

    /// Ends what [`begin_capture`](Self::begin_capture) began.
    pub fn end_capture(&self) {
        self.capturer.store(0, Ordering::Release);
    }

    /// Blocks until all work given to the compute stream is done.
    pub fn synchronize(&self) -> Result<()> {
        self.begin_uncaptured("waiting for the device")?;
        // SAFETY: the stream lives as long as `self`.
        check("waiting for the device", unsafe { sys::cuStreamSynchronize(self.compute) })
    }

    /// Bytes that are free on the device now, for any process.
    pub fn free_memory(&self) -> Result<usize> {
        self.bind()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: the driver writes two numbers.
        check("asking for free memory", unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) })?;
        Ok(free)
    }
}

/// A stream that does not wait for the default stream.
fn stream() -> Result<sys::CUstream> {
    let mut stream = std::ptr::null_mut();
    let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
    // SAFETY: a context is bound; the driver writes one handle.
    check("making a stream", unsafe { sys::cuStreamCreate(&mut stream, flags) })?;
    Ok(stream)
}

impl Drop for Context {
    fn drop(&mut self) {
        // Errors have nowhere to go here; the driver cleans up with the process at the latest.
        // SAFETY: every owner of memory, modules and events of this context holds it by `Arc`, so
        // they are gone; null streams are those that were never made.
        unsafe {
            let _ = self.bind();
            for stream in [self.compute, self.copies].into_iter().filter(|s| !s.is_null()) {
                let _ = sys::cuStreamDestroy_v2(stream);
            }
            let _ = sys::cuDevicePrimaryCtxRelease_v2(self.device);
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cuda:{} ({})", self.info.index, self.info.name)
    }
}

/// A point in a stream's work.
pub(super) struct StreamEvent {
    context: Arc<Context>,
    handle: sys::CUevent,
}

// SAFETY: as for `Context`.
unsafe impl Send for StreamEvent {}
// SAFETY: as for `Context`.
unsafe impl Sync for StreamEvent {}

impl StreamEvent {
    /// An event that has not been recorded: nothing waits for it.
    pub fn new(context: &Arc<Context>) -> Result<StreamEvent> {
        context.bind()?;
        let mut handle = std::ptr::null_mut();
        let flags = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
        // SAFETY: a context is bound; the driver writes one handle, destroyed in `drop`.
        check("making an event", unsafe { sys::cuEventCreate(&mut handle, flags) })?;
        Ok(StreamEvent { context: context.clone(), handle })
    }

    /// Moves the event behind all work given to `stream` so far.
    pub fn record(&self, stream: sys::CUstream) -> Result<()> {
        self.context.bind()?;
        // SAFETY: both handles are live; the stream is one of this context's.
        check("recording an event", unsafe { sys::cuEventRecord(self.handle, stream) })
    }

    /// Work given to `stream` from now on waits for this event.
    pub fn hold_back(&self, stream: sys::CUstream) -> Result<()> {
        self.context.bind()?;
        // SAFETY: as above.
        check("waiting for an event", unsafe { sys::cuStreamWaitEvent(stream, self.handle, 0) })
    }
}

impl Event for StreamEvent {
    fn wait(&self) -> Result<()> {
        self.context.bind()?;
        // SAFETY: the handle is live.
        check("waiting for the device", unsafe { sys::cuEventSynchronize(self.handle) })
    }
}

impl Drop for StreamEvent {
    fn drop(&mut self) {
        // SAFETY: the handle is live and used by nobody else.
        unsafe {
            let _ = self.context.bind();
            let _ = sys::cuEventDestroy_v2(self.handle);
        }
    }
}
