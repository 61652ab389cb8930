//! Capture of a stretch of work as a CUDA graph: the driver records launches and copies instead of
//! running them, and replays them all at the price of one launch.
//!
//! The memory of captured work comes from an arena of the pool that lives with the graph; host bytes
//! that it copies are kept with it. What waits for the device cannot be captured and says so.

use std::sync::Arc;

use cudarc::driver::sys;

use super::Cuda;
use super::context::Context;
use super::driver::check;
use super::staging::PinnedBlock;
use crate::Result;
use crate::backend::Replay;
use crate::memory::Arena;

impl Cuda {
    /// Captures what `record` gives to the device.
    pub(super) fn capture_graph(
        &self,
        record: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Box<dyn Replay>> {
        let memory = self.memory.record()?;
        let capture = StreamCapture::begin(&self.context)?;
        let recorded = record();
        let captured = capture.end();
        let captured_bytes = self.captured_bytes.take();
        recorded?;
        let template = captured?;
        let mut executable = std::ptr::null_mut();
        // SAFETY: the template is live; the driver writes one handle.
        let made = unsafe { sys::cuGraphInstantiateWithFlags(&mut executable, template.0, 0) };
        check("making a graph of the captured work", made)?;
        let graph = Graph {
            executable,
            arena: memory.finish(),
            captured_bytes,
            context: self.context.clone(),
        };
        // SAFETY: graph and stream are live.
        let ready = unsafe { sys::cuGraphUpload(graph.executable, self.context.compute) };
        check("bringing a graph to the device", ready)?;
        Ok(Box::new(graph))
    }
}

/// A capture under way; dropped without `end`, for a panic in what is recorded, it is given up.
struct StreamCapture<'a> {
    context: &'a Context,
    ended: bool,
}

impl<'a> StreamCapture<'a> {
    fn begin(context: &'a Context) -> Result<StreamCapture<'a>> {
        context.bind()?;
        context.begin_capture()?;
        // Relaxed: the pool may take fresh memory and modules may load meanwhile. Neither waits for
        // the captured stream, and what does is refused before the driver sees it.
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream is live.
        let begun = unsafe { sys::cuStreamBeginCapture_v2(context.compute, mode) };
        if let Err(error) = check("beginning a capture", begun) {
            context.end_capture();
            return Err(error);
        }
        Ok(StreamCapture { context, ended: false })
    }

    fn end(mut self) -> Result<Template> {
        self.ended = true;
        self.stop()
    }

    fn stop(&self) -> Result<Template> {
        let mut template = std::ptr::null_mut();
        // SAFETY: the stream is live and capturing; the driver writes one handle.
        let ended = unsafe { sys::cuStreamEndCapture(self.context.compute, &mut template) };
        let template = Template(template);
        self.context.end_capture();
        check("capturing work", ended)?;
        Ok(template)
    }
}

impl Drop for StreamCapture<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // The panic is on its way; an error of the driver would add nothing.
            let _ = self.stop();
        }
    }
}

/// What was captured, before it is made executable.
struct Template(sys::CUgraph);

impl Drop for Template {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the handle is live and used by nobody else.
            let _ = unsafe { sys::cuGraphDestroy(self.0) };
        }
    }
}

/// Captured work that can run again and again.
struct Graph {
    context: Arc<Context>,
    executable: sys::CUgraphExec,
    /// Held for the captured work's sake, as is what follows.
    #[expect(dead_code, reason = "the captured work reads and writes its blocks")]
    arena: Option<Arc<Arena>>,
    #[expect(dead_code, reason = "captured copies read from it")]
    captured_bytes: Vec<PinnedBlock>,
}

// SAFETY: the driver's handles are valid in every thread; `replay` takes the graph uniquely.
unsafe impl Send for Graph {}

impl Replay for Graph {
    fn replay(&mut self) -> Result<()> {
        self.context.begin_uncaptured("replaying a graph")?;
        // SAFETY: graph and stream are live; its memory lives in the arena and the kept bytes.
        let launched = unsafe { sys::cuGraphLaunch(self.executable, self.context.compute) };
        check("replaying a graph", launched)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // Copies of a run under way read the kept bytes, which are freed next. An error is one of
        // earlier work, which the next call reports.
        // SAFETY: the handle is live and used by nobody else.
        unsafe {
            let _ = self.context.synchronize();
            let _ = sys::cuGraphExecDestroy(self.executable);
        }
    }
}
