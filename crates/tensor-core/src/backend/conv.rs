//! Contract of two-dimensional convolution: NHWC pictures, KRSC weights.
//!
//! Input, output, their gradients and prepared weights are of the plan's type; weights as they are,
//! their gradient, scale, shift, partial statistics and workspaces are floats.

use std::fmt;

use super::Plan;
use super::norm::NormShape;
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

/// Everything about a convolution but its numbers.
///
/// The output is `[n, p, q, k]` with `p = (h + 2 padding - r) / stride + 1` (likewise `q`).
/// Source of the semantics: PyTorch's `conv2d` without bias or dilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Pictures.
    pub n: usize,
    /// Rows of the input.
    pub h: usize,
    /// Columns of the input.
    pub w: usize,
    /// Channels of the input.
    pub c: usize,
    /// Channels of the output.
    pub k: usize,
    /// Rows of the kernel.
    pub r: usize,
    /// Columns of the kernel.
    pub s: usize,
    /// Step between outputs, down and across.
    pub stride: [usize; 2],
    /// Zero rows and columns added on each side.
    pub padding: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl ConvShape {
    /// Rows of the output.
    pub fn p(&self) -> usize {
        (self.h + 2 * self.padding[0] - self.r) / self.stride[0] + 1
    }

    /// Columns of the output.
    pub fn q(&self) -> usize {
        (self.w + 2 * self.padding[1] - self.s) / self.stride[1] + 1
    }

    /// Input channels that one output channel sees.
    pub fn group_c(&self) -> usize {
        self.c / self.groups
    }

    /// Output channels of one group.
    pub fn group_k(&self) -> usize {
        self.k / self.groups
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.n * self.h * self.w * self.c
    }

    /// Elements of the weights.
    pub fn weight_len(&self) -> usize {
        self.k * self.r * self.s * self.group_c()
    }

    /// Output pixels, over all pictures.
    pub fn output_rows(&self) -> usize {
        self.n * self.p() * self.q()
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.output_rows() * self.k
    }

    /// The output as batch norm sees it.
    pub fn output_norm(&self) -> NormShape {
        NormShape { rows: self.output_rows(), channels: self.k }
    }

    /// Floating-point operations of each of the three directions.
    pub fn flops(&self) -> u64 {
        2 * (self.output_len() * self.r * self.s * self.group_c()) as u64
    }

    /// Bytes of input, weights and output of this type.
    pub fn bytes(&self, dtype: DType) -> u64 {
        ((self.input_len() + self.weight_len() + self.output_len()) * dtype.size()) as u64
    }
}

impl fmt::Display for ConvShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConvShape { n, h, w, c, k, r, s, stride, padding, groups } = self;
        write!(f, "[n={n} h={h} w={w} c={c}] * [k={k} r={r} s={s}]")?;
        write!(f, " stride {stride:?} padding {padding:?} groups {groups}")
    }
}

/// Which of a convolution's three computations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConvDirection {
    /// Output from input and weights.
    Forward,
    /// Gradient of the input from the output's gradient and the weights.
    InputGradient,
    /// Gradient of the weights from the input and the output's gradient.
    WeightGradient,
}

/// What a forward convolution reads.
#[derive(Clone, Copy)]
pub enum ConvInput<'a> {
    /// The input as it is.
    Plain(Slice<'a>),
    /// `relu(input * scale + shift)` (not-a-number goes through), a channel's scale and shift each; only for a plan that says
    /// `fuses_input`.
    ScaleShiftRelu {
        /// The input.
        input: Slice<'a>,
        /// `[c]` factors.
        scale: Slice<'a>,
        /// `[c]` summands.
        shift: Slice<'a>,
    },
}

/// What a forward convolution writes.
pub enum ConvOutput<'a> {
    /// The output alone.
    Plain(SliceMut<'a>),
    /// The output and its partial statistics, in the layout of
    /// [`NormKernels::norm_statistics`](super::NormKernels::norm_statistics) but in parts of as many
    /// rows as the plan's `fuses_statistics` says.
    WithStatistics {
        /// The output.
        output: SliceMut<'a>,
        /// The partial statistics of `shape.output_norm()`, part after part of its rows.
        partials: SliceMut<'a>,
    },
    /// What batch norm makes of the output: `relu?(output * scale + shift + addend?)`; only for a plan
    /// of which [`ConvKernels::conv_normalises`] is true.
    Normalised {
        /// Where that goes.
        output: SliceMut<'a>,
        /// `[k]` factors.
        scale: Slice<'a>,
        /// `[k]` summands.
        shift: Slice<'a>,
        /// As large as the output.
        addend: Option<Slice<'a>>,
        /// Whether it goes through a ReLU.
        relu: bool,
    },
}

/// Convolution. Weights come prepared wherever the plan's `prepared` is not 0.
pub trait ConvKernels {
    /// Every legal plan for this shape, type of activations and direction, the best first; never
    /// empty for a type that the backend supports.
    fn conv_plans(&self, shape: &ConvShape, dtype: DType, direction: ConvDirection) -> Vec<Plan>;

    /// Whether the forward pass by this plan can normalise its output while writing it.
    fn conv_normalises(&self, _plan: &Plan) -> bool {
        false
    }

    /// Brings `[k, r, s, c / groups]` float weights into the layout and type that `plan` reads, unless
    /// that is a mere cast (`reads_twin`).
    fn conv_prepare(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        direction: ConvDirection,
        weights: Slice,
        prepared: SliceMut,
    ) -> Result<()>;

    /// `[n, p, q, k]` output.
    fn conv_forward(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        input: ConvInput,
        weights: Slice,
        workspace: SliceMut,
        output: ConvOutput,
    ) -> Result<()>;

    /// `[n, h, w, c]` gradient of the input.
    fn conv_input_gradient(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        output_gradient: Slice,
        weights: Slice,
        workspace: SliceMut,
        input_gradient: Destination,
    ) -> Result<()>;

    /// `[k, r, s, c / groups]` gradient of the weights.
    fn conv_weight_gradient(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        input: Slice,
        output_gradient: Slice,
        workspace: SliceMut,
        weight_gradient: Destination,
    ) -> Result<()>;
}
