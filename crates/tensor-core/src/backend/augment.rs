//! Contract of `augment`: a ragged batch of decoded pictures becomes a normalised tensor of
//! activations in one sampling.

use crate::Result;
use crate::memory::{Slice, SliceMut};

/// What lies beyond a picture's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Border {
    /// The picture mirrored, its edge pixel repeated: `cba|abc|cba`.
    #[default]
    Reflect,
    /// Black, before normalisation.
    Zero,
    /// The edge pixel.
    Edge,
}

/// One picture of a ragged batch, and how to sample it.
#[derive(Debug, Clone, PartialEq)]
pub struct AugmentPicture {
    /// First byte of the picture in the batch's bytes: RGB, row after row without gaps.
    pub offset: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Row-major 2x3: maps the centre `(x + 0.5, y + 0.5)` of an output pixel to its place in the
    /// picture, pixels, in the same convention; sampled bilinearly.
    pub geometry: [f32; 6],
    /// Row-major 3x4 on red, green, blue in 0..1, the last column added; clipped to 0..1 after.
    pub colour: [f32; 12],
    /// What lies beyond the edge.
    pub border: Border,
}

/// Size of the output: `[n, height, width, 3]`, and what normalises it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AugmentShape {
    /// Pictures.
    pub n: usize,
    /// Rows of each output picture.
    pub height: usize,
    /// Columns of each output picture.
    pub width: usize,
    /// Subtracted from each channel after clipping.
    pub mean: [f32; 3],
    /// Divides each channel after that.
    pub std: [f32; 3],
}

/// The input's way to the device.
pub trait AugmentKernels {
    /// Samples, colours, clips and normalises each picture.
    fn augment(
        &self,
        shape: &AugmentShape,
        pictures: &[AugmentPicture],
        bytes: Slice,
        output: SliceMut,
    ) -> Result<()>;
}
