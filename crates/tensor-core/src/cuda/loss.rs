//! The losses: `kernels/loss.cu`.

use super::Cuda;
use super::launch::{DeviceParameter, index};
use super::pointwise::accumulates;
use crate::Result;
use crate::backend::LossKernels;
use crate::backend::loss::{Loss, LossShape, Targets};
use crate::memory::{Destination, Slice, SliceMut};

/// Threads of a block.
const THREADS: usize = 256;

/// Rows that a block takes, a warp each.
const ROWS: usize = THREADS / 32;

/// From more classes than this on a block takes one row.
const WIDE: usize = 256;

/// The shape as the kernels take it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Shape {
    n: u32,
    classes: u32,
    loss: i32,
}

// SAFETY: three numbers of four bytes each, in the kernels' order.
unsafe impl DeviceParameter for Shape {}

/// How a loss of one shape is launched.
struct Rows {
    shape: Shape,
    kernel: String,
    blocks: usize,
}

impl Rows {
    fn new(op: &'static str, what: &str, loss: Loss, shape: &LossShape) -> Result<Rows> {
        index(op, "the logits", shape.n * shape.classes)?;
        let wide = shape.classes > WIDE;
        let loss = match loss {
            Loss::CrossEntropy => 0,
            Loss::BinaryCrossEntropy => 1,
        };
        Ok(Rows {
            kernel: format!("loss_{what}{}_f32", if wide { "_wide" } else { "" }),
            blocks: if wide { shape.n } else { shape.n.div_ceil(ROWS) },
            shape: Shape { n: shape.n as u32, classes: shape.classes as u32, loss },
        })
    }
}

/// Classes and probabilities, of which one is there.
fn parts(targets: Targets) -> (Option<Slice>, Option<Slice>) {
    match targets {
        Targets::Classes(classes) => (Some(classes), None),
        Targets::Probabilities(probabilities) => (None, Some(probabilities)),
    }
}

impl LossKernels for Cuda {
    fn loss(
        &self,
        loss: Loss,
        shape: &LossShape,
        logits: Slice,
        targets: Targets,
        values: SliceMut,
        log_probabilities: SliceMut,
    ) -> Result<()> {
        let rows = Rows::new("loss", "forward", loss, shape)?;
        let (classes, probabilities) = parts(targets);
        self.launch("loss", &rows.kernel)?
            .read(logits)
            .read_optional(classes)
            .read_optional(probabilities)
            .write(&values)
            .write(&log_probabilities)
            .value(rows.shape)
            .run([rows.blocks, 1, 1], THREADS)
    }

    fn loss_gradient(
        &self,
        loss: Loss,
        shape: &LossShape,
        log_probabilities: Slice,
        targets: Targets,
        value_gradients: Slice,
        logit_gradient: Destination,
    ) -> Result<()> {
        let rows = Rows::new("loss.gradient", "gradient", loss, shape)?;
        let (classes, probabilities) = parts(targets);
        self.launch("loss", &rows.kernel)?
            .read(log_probabilities)
            .read_optional(classes)
            .read_optional(probabilities)
            .read(value_gradients)
            .write(&logit_gradient.slice)
            .value(rows.shape)
            .value(accumulates(logit_gradient.mode))
            .run([rows.blocks, 1, 1], THREADS)
    }

    fn probabilities(
        &self,
        loss: Loss,
        shape: &LossShape,
        logits: Slice,
        probabilities: SliceMut,
    ) -> Result<()> {
        let rows = Rows::new("loss.probabilities", "probabilities", loss, shape)?;
        self.launch("loss", &rows.kernel)?
            .read(logits)
            .write(&probabilities)
            .value(rows.shape)
            .run([rows.blocks, 1, 1], THREADS)
    }
}
