//! One measured thing: what was done, in words from which another program can repeat it, and how long
//! it took. Measuring is in `clock.rs`, what there is to measure in `kernels.rs` and `steps.rs`.

use serde::Serialize;
use tensor_core::backend::conv::{ConvDirection, ConvShape};

/// What was done.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Spec {
    /// A copy within the device: what memory can do at most.
    Copy {
        /// f32 elements.
        elements: usize,
    },
    /// A square product of matrices.
    Matmul {
        /// Rows, columns and length of the sums.
        size: usize,
    },
    /// One direction of a convolution.
    Conv(ConvSpec),
    /// `relu(x * scale + shift)` of a whole activation.
    NormApply {
        /// Pictures, rows, columns, channels.
        shape: [usize; 4],
    },
    /// One step of SGD with momentum over a flat buffer.
    Sgd {
        /// f32 parameters.
        elements: usize,
    },
    /// One step of Adam over a flat buffer.
    Adam {
        /// f32 parameters.
        elements: usize,
    },
    /// A whole step of a network.
    Step {
        /// torchvision's name.
        arch: String,
        /// `train` or `infer`.
        mode: &'static str,
        /// Pictures.
        batch: usize,
        /// Side of the pictures in pixels.
        size: usize,
    },
}

/// One direction of a convolution, and where it occurs.
#[derive(Serialize)]
pub struct ConvSpec {
    /// `forward`, `input_gradient` or `weight_gradient`.
    pub direction: &'static str,
    /// Pictures, rows, columns, channels of the input.
    pub input: [usize; 4],
    /// Output channels.
    pub k: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step down and across.
    pub stride: [usize; 2],
    /// Zero rows and columns on each side.
    pub padding: [usize; 2],
    /// Groups of channels.
    pub groups: usize,
    /// How often the measured networks have it, all together.
    pub count: usize,
}

impl ConvSpec {
    /// This direction of this shape.
    pub fn new(shape: &ConvShape, direction: ConvDirection, count: usize) -> ConvSpec {
        let direction = match direction {
            ConvDirection::Forward => "forward",
            ConvDirection::InputGradient => "input_gradient",
            ConvDirection::WeightGradient => "weight_gradient",
        };
        let &ConvShape { n, h, w, c, k, r, s, stride, padding, groups } = shape;
        let (input, kernel) = ([n, h, w, c], [r, s]);
        ConvSpec { direction, input, k, kernel, stride, padding, groups, count }
    }
}

/// What was done and what came out.
#[derive(Serialize)]
pub struct Row {
    /// For people.
    pub name: String,
    /// For the other program.
    pub spec: Spec,
    /// The plan's variant, or `captured` for a step that a graph repeats.
    pub variant: String,
    /// Median seconds of one run.
    pub seconds: f64,
    /// Floating-point operations of one run, or 0 where bytes are what counts.
    pub flops: u64,
    /// Bytes that one run has to read and write, or 0 where operations are what counts.
    pub bytes: u64,
    /// Pictures of one run, or 0 for a kernel.
    pub pictures: usize,
}
