//! How the weight gradient's long sum over pixels is split into parts, and how the parts are added.
//! A split is a function of the shape alone, so that the bits are the same on every device.

use super::{WEIGHT_GRADIENT, accumulates};
use crate::Result;
use crate::backend::conv::ConvShape;
use crate::cuda::Cuda;
use crate::cuda::launch::index;
use crate::memory::{Destination, Slice, SliceMut, WriteMode};

/// Floats of partial sums that are worth a wider split.
const LARGEST_WORKSPACE: usize = 1 << 24;

const THREADS: usize = 256;

/// Parts of equally many neighbouring pixels, the last one perhaps fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub parts: usize,
    pub part_pixels: usize,
}

impl Split {
    /// As many parts as give `blocks` blocks where one part is `tiles`, but none of fewer than
    /// `shortest` pixels unless there are no more.
    pub fn new(shape: &ConvShape, tiles: usize, blocks: usize, shortest: usize) -> Split {
        let pixels = shape.output_rows();
        let wanted = (blocks / tiles.max(1)).min(LARGEST_WORKSPACE / shape.weight_len());
        let parts = wanted.clamp(1, pixels.div_ceil(shortest));
        let part_pixels = pixels.div_ceil(parts).next_multiple_of(shortest.min(8));
        Split { parts: pixels.div_ceil(part_pixels), part_pixels }
    }

    /// Floats for the partial sums; none if there is one part, which goes straight to its destination.
    pub fn workspace(&self, shape: &ConvShape) -> usize {
        partials_len(self.parts, shape)
    }
}

/// Floats of so many parts' sums.
pub(super) fn partials_len(parts: usize, shape: &ConvShape) -> usize {
    if parts > 1 { parts * shape.weight_len() } else { 0 }
}

/// Has `launch` write the sums of each part, then adds them up by the kernel `<stem>_sum_parts_f32`;
/// a single part is written to its destination. `launch` gets where, and whether to add.
pub(super) fn write_parts(
    cuda: &Cuda,
    stem: &'static str,
    parts: usize,
    workspace: SliceMut,
    target: Destination,
    launch: impl FnOnce(&SliceMut, i32) -> Result<()>,
) -> Result<()> {
    let Destination { slice, mode } = target;
    if parts == 1 {
        return launch(&slice, accumulates(mode));
    }
    index(WEIGHT_GRADIENT, "the workspace", workspace.len())?;
    launch(&workspace, accumulates(WriteMode::Write))?;
    sum_parts(cuda, stem, parts, workspace.as_slice(), slice, mode)
}

fn sum_parts(
    cuda: &Cuda,
    stem: &'static str,
    parts: usize,
    partials: Slice,
    target: SliceMut,
    mode: WriteMode,
) -> Result<()> {
    cuda.launch(stem, &format!("{stem}_sum_parts_f32"))?
        .read(partials)
        .write(&target)
        .value(index(WEIGHT_GRADIENT, "the weights' gradient", target.len())?)
        .value(index(WEIGHT_GRADIENT, "the parts", parts)?)
        .value(accumulates(mode))
        .run([target.len().div_ceil(THREADS), 1, 1], THREADS)
}
