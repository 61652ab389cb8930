//! Contract of pooling: windows of any size, and whole pictures.
//!
//! Windows read and write activations. Whole pictures are the border behind which everything is
//! float: activations in, floats out, and back.

use crate::Result;
use crate::memory::{Destination, Slice, SliceMut};

/// A maximum over windows. The output is `[n, p, q, c]`; padding never wins.
/// Source of the semantics: PyTorch's `max_pool2d` (floor mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaxPoolShape {
    /// Pictures.
    pub n: usize,
    /// Rows of the input.
    pub h: usize,
    /// Columns of the input.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// Rows and columns of the window.
    pub window: [usize; 2],
    /// Step between windows, down and across.
    pub stride: [usize; 2],
    /// Rows and columns added on each side; at most half a window.
    pub padding: [usize; 2],
}

impl MaxPoolShape {
    /// Rows of the output.
    pub fn p(&self) -> usize {
        (self.h + 2 * self.padding[0] - self.window[0]) / self.stride[0] + 1
    }

    /// Columns of the output.
    pub fn q(&self) -> usize {
        (self.w + 2 * self.padding[1] - self.window[1]) / self.stride[1] + 1
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.n * self.h * self.w * self.c
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.n * self.p() * self.q() * self.c
    }
}

/// What a whole picture becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GlobalPool {
    /// The mean of each channel: `[n, c]`.
    Average,
    /// The maximum of each channel: `[n, c]`.
    Maximum,
    /// Maxima, then means: `[n, 2 c]`, as the head of the lesson takes them.
    MaximumAverage,
}

impl GlobalPool {
    /// Columns of the output for `channels` channels.
    pub fn columns(self, channels: usize) -> usize {
        match self {
            GlobalPool::Average | GlobalPool::Maximum => channels,
            GlobalPool::MaximumAverage => 2 * channels,
        }
    }
}

/// `n` pictures of `pixels` pixels of `c` channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GlobalPoolShape {
    /// Pictures.
    pub n: usize,
    /// Pixels of a picture.
    pub pixels: usize,
    /// Channels.
    pub c: usize,
}

/// Pooling.
pub trait PoolKernels {
    /// `[n, p, q, c]` maxima; a not-a-number in a window wins, so that a diverged run is seen.
    fn max_pool(&self, shape: &MaxPoolShape, input: Slice, output: SliceMut) -> Result<()>;

    /// `[n, h, w, c]`: each window's gradient goes to its first maximum in row order. Where the
    /// gradient of a window with a not-a-number goes is not specified.
    fn max_pool_gradient(
        &self,
        shape: &MaxPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()>;

    /// Float means and maxima of whole pictures of activations; a not-a-number wins.
    fn global_pool(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output: SliceMut,
    ) -> Result<()>;

    /// `[n, pixels, c]` activations from `[n, columns]` floats: a mean's gradient goes to all pixels alike, a maximum's to the first; where
    /// that of a not-a-number goes is not specified.
    fn global_pool_gradient(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()>;
}
