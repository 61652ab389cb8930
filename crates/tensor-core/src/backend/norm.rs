//! Contract of batch normalisation in five parts, over `[rows, channels]` (a row is a pixel).
//!
//! `xhat = (x - mean) * inv_std`, `y = relu(gamma * xhat + beta + addend)`. Statistics are biased
//! (divided by the count) where they normalise and unbiased (divided by `max(count - 1, 1)`: a single
//! row has a variance of 0) where they are kept as running values.
//! Source: Ioffe and Szegedy 2015; PyTorch's `batch_norm`.
//!
//! Input, output, addend and their gradients are activations, or floats in a head: one type in a call.
//! Everything else is float.

use crate::Result;
use crate::memory::{Destination, Slice, SliceMut};

/// Length of a part: statistics are taken part by part and joined in order, so that the result
/// does not depend on who computed which part.
const PARTS: usize = 64;
const PART_ALIGNMENT: usize = 84;
const LONGEST_PART: usize = 12 * PART_ALIGNMENT;

/// What is normalised: `rows` samples of each of `channels` channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NormShape {
    /// Samples a channel: pictures times pixels.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
}

impl NormShape {
    /// Elements.
    pub fn len(&self) -> usize {
        self.rows * self.channels
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of a part (the last may be shorter): a function of the shape alone. It is a multiple of
    /// 84, which both 14 and 6 divide: the row tiles of the CPU's matrix kernels.
    pub fn part_rows(&self) -> usize {
        let wanted = self.rows.div_ceil(PARTS).next_multiple_of(PART_ALIGNMENT);
        wanted.clamp(PART_ALIGNMENT, LONGEST_PART)
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.parts_of(self.part_rows())
    }

    /// How many parts of `part_rows` rows there are.
    pub fn parts_of(&self, part_rows: usize) -> usize {
        self.rows.div_ceil(part_rows)
    }

    /// Elements of the partial statistics: `[parts, 3, channels]` of count, mean and M2 (the sum of
    /// squared distances from the part's mean).
    pub fn partials_len(&self) -> usize {
        self.parts() * 3 * self.channels
    }
}

/// Where a normalisation's mean and variance come from.
pub enum NormStatistics<'a> {
    /// The batch itself: its partial statistics; the new running values are written beside.
    Batch {
        /// `[parts, 3, channels]`, of any number of parts.
        partials: Slice<'a>,
        /// `[channels]` running mean before this batch.
        running_mean: Slice<'a>,
        /// `[channels]` running variance before this batch.
        running_var: Slice<'a>,
        /// `[channels]` running mean after it.
        new_mean: SliceMut<'a>,
        /// `[channels]` running variance after it (from the unbiased variance, M2 over
        /// `max(rows - 1, 1)`).
        new_var: SliceMut<'a>,
        /// Share of the batch in the new running values, such as 0.1.
        momentum: f64,
    },
    /// The running values, which stay as they are.
    Running {
        /// `[channels]`.
        mean: Slice<'a>,
        /// `[channels]`.
        var: Slice<'a>,
    },
}

/// What [`NormKernels::norm_finalise`] writes, `[channels]` each.
pub struct NormFactors<'a> {
    /// Mean that is subtracted.
    pub mean: SliceMut<'a>,
    /// `1 / sqrt(variance + epsilon)`.
    pub inv_std: SliceMut<'a>,
    /// `gamma * inv_std`.
    pub scale: SliceMut<'a>,
    /// `beta - mean * scale`.
    pub shift: SliceMut<'a>,
}

/// What both backward parts read.
#[derive(Clone, Copy)]
pub struct NormBackward<'a> {
    /// `[rows, channels]` gradient of the output.
    pub output_gradient: Slice<'a>,
    /// The output, if it went through a ReLU: where it is not positive, the gradient is zero.
    pub relu_output: Option<Slice<'a>>,
    /// `[channels]` scale and shift, if `relu_output` is `relu(input * scale + shift)` with nothing added:
    /// then a backend that reads the input anyway need not read the output.
    pub relu_factors: Option<[Slice<'a>; 2]>,
    /// `[rows, channels]` input of the normalisation.
    pub input: Slice<'a>,
    /// `[channels]`.
    pub mean: Slice<'a>,
    /// `[channels]`.
    pub inv_std: Slice<'a>,
}

/// Batch normalisation.
pub trait NormKernels {
    /// Part 1: count, mean and M2 of each part of the rows.
    fn norm_statistics(&self, shape: &NormShape, input: Slice, partials: SliceMut) -> Result<()>;

    /// Part 2: joins the parts (Chan et al. 1979) in order and makes scale and shift. There are
    /// `partials.len() / (3 * channels)` parts: a convolution that took the statistics may have cut
    /// the rows otherwise than `shape` does.
    fn norm_finalise(
        &self,
        shape: &NormShape,
        statistics: NormStatistics,
        gamma: Slice,
        beta: Slice,
        epsilon: f64,
        factors: NormFactors,
    ) -> Result<()>;

    /// Part 3: `relu?(input * scale + shift + addend?)`. The ReLU lets not-a-number through, so that a
    /// diverged run is seen in its loss.
    fn norm_apply(
        &self,
        shape: &NormShape,
        input: Slice,
        scale: Slice,
        shift: Slice,
        addend: Option<Slice>,
        relu: bool,
        output: SliceMut,
    ) -> Result<()>;

    /// Part 4: `sums` is `[2, channels]`: the sum over rows of g, which is beta's gradient, and of
    /// g * xhat, which is gamma's. `workspace` has `2 * parts * channels` elements.
    fn norm_backward_reduce(
        &self,
        shape: &NormShape,
        backward: NormBackward,
        workspace: SliceMut,
        sums: SliceMut,
    ) -> Result<()>;

    /// Part 5: the input's gradient, and the addend's if there was one. `sums` is there if the
    /// statistics were the batch's: then
    /// `dx = gamma inv_std (g - sum(g) / rows - xhat sum(g xhat) / rows)`, else `gamma inv_std g`.
    fn norm_backward_apply(
        &self,
        shape: &NormShape,
        backward: NormBackward,
        gamma: Slice,
        sums: Option<Slice>,
        input_gradient: Option<Destination>,
        addend_gradient: Option<Destination>,
    ) -> Result<()>;
}
