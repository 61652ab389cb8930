//! The first layer of a network, of few channels and a large kernel: the host's half of
//! `kernels/conv_stem.cu`. Forward its weights come prepared as `[r, s c, k]`; the input gradient is
//! left to `implicit`. On tensor cores: `stem_mma`.

use super::extents::Extents;
use super::split::{partials_len, write_parts};
use super::{Abilities, Algorithm, FORWARD, PREPARE, WEIGHT_GRADIENT, plan};
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvOutput, ConvShape};
use crate::cuda::Cuda;
use crate::cuda::divisor::Divisor;
use crate::cuda::launch::{DeviceParameter, index};
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

const STEM: &str = "conv_stem";
const VARIANT: &str = "stem";

/// A block's tile: output pixels down and across, output channels.
pub(super) const TILE_P: usize = 8;
pub(super) const TILE_Q: usize = 16;
pub(super) const TILE_K: usize = 64;

const FORWARD_THREADS: usize = 128;
const GRADIENT_THREADS: usize = 256;
const PREPARE_THREADS: usize = 256;

/// Shapes of more channels are better served by the others.
const MOST_CHANNELS: usize = 7;
/// The largest kernel or stride that is looked at: far beyond what shared memory has room for.
const LARGEST_EXTENT: usize = 64;
/// Taps that the threads of a weight gradient hold.
pub(super) const MOST_TAPS: usize = 160;
/// Shared memory that every device gives without asking.
pub(super) const MOST_SHARED: usize = 48 << 10;
/// Parts of a weight gradient that keep a large device busy.
const MOST_PARTS: usize = 264;

/// The kernels' `StemGeometry`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    extents: Extents,
    patch_rows: i32,
    patch_columns: i32,
    tiles: i32,
    by_tiles_across: Divisor,
    by_tiles_down: Divisor,
    by_patch_columns: Divisor,
}

// SAFETY: words without padding, in the order of the kernels' `StemGeometry`.
unsafe impl DeviceParameter for Geometry {}

impl Geometry {
    /// The geometry of patches as wide as `patch` says.
    pub fn new(op: &'static str, shape: &ConvShape, patch: [usize; 2]) -> Result<Geometry> {
        let extents = Extents::new(op, shape)?;
        let [rows, columns] = patch.map(|extent| extent as i32);
        let [down, across] = tiles_of_picture(shape).map(|tiles| tiles as i32);
        Ok(Geometry {
            extents,
            patch_rows: rows,
            patch_columns: columns,
            tiles: index(op, "the tiling", tiles(shape))?,
            by_tiles_across: Divisor::new(across),
            by_tiles_down: Divisor::new(down),
            by_patch_columns: Divisor::new(columns),
        })
    }
}

/// Rows of the input that a tile sees, and elements of each.
pub(super) fn patch(shape: &ConvShape) -> [usize; 2] {
    let [down, across] = shape.stride;
    [(TILE_P - 1) * down + shape.r, ((TILE_Q - 1) * across + shape.s) * shape.c]
}

/// Tiles of pixels of a picture, down and across.
fn tiles_of_picture(shape: &ConvShape) -> [usize; 2] {
    [shape.p().div_ceil(TILE_P), shape.q().div_ceil(TILE_Q)]
}

/// Tiles of pixels of all pictures.
pub(super) fn tiles(shape: &ConvShape) -> usize {
    let [down, across] = tiles_of_picture(shape);
    shape.n * down * across
}

/// Bytes of shared memory of a block: the patch, and the weights of a kernel row or the gradients of a
/// tile.
fn shared(shape: &ConvShape, direction: ConvDirection) -> usize {
    let beside = match direction {
        ConvDirection::WeightGradient => TILE_P * TILE_Q * TILE_K,
        _ => shape.s * shape.c * TILE_K,
    };
    (patch(shape).iter().product::<usize>().next_multiple_of(4) + beside) * size_of::<f32>()
}

/// Few channels under a kernel that is not enormous, so that no size of a patch overflows.
pub(super) fn has_few_channels(shape: &ConvShape) -> bool {
    let [down, across] = shape.stride;
    let largest = down.max(across).max(shape.r).max(shape.s);
    shape.groups == 1 && shape.c <= MOST_CHANNELS && largest <= LARGEST_EXTENT
}

fn is_legal(shape: &ConvShape, direction: ConvDirection) -> bool {
    let taps = shape.r * shape.s * shape.c;
    let fits = match direction {
        ConvDirection::Forward => true,
        ConvDirection::InputGradient => false,
        ConvDirection::WeightGradient => taps <= MOST_TAPS,
    };
    fits && has_few_channels(shape)
        && shape.k.is_multiple_of(4)
        && shared(shape, direction) <= MOST_SHARED
}

/// Parts of a weight gradient.
pub(super) fn parts(shape: &ConvShape) -> usize {
    tiles(shape).min(MOST_PARTS)
}

/// Marks this algorithm in the list.
pub(super) struct Stem;

impl Algorithm for Stem {
    fn plans(
        &self,
        shape: &ConvShape,
        dtype: DType,
        direction: ConvDirection,
        abilities: &Abilities,
    ) -> Vec<Plan> {
        if !abilities.has_activations(dtype) || !is_legal(shape, direction) {
            return Vec::new();
        }
        let plan = plan(VARIANT, shape, dtype);
        vec![match direction {
            ConvDirection::WeightGradient => {
                Plan { workspace: partials_len(parts(shape), shape), ..plan }
            }
            _ => Plan { prepared: shape.weight_len(), ..plan },
        }]
    }

    fn has_variant(&self, variant: &str) -> bool {
        variant == VARIANT
    }

    fn prepare(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &ConvShape,
        _direction: ConvDirection,
        weights: Slice,
        prepared: SliceMut,
    ) -> Result<()> {
        index(PREPARE, "the weights", shape.weight_len())?;
        cuda.launch(STEM, &format!("conv_stem_prepare_{}", plan.dtype))?
            .read(weights)
            .write(&prepared)
            .value(shape.k as i32)
            .value((shape.r * shape.s * shape.c) as i32)
            .run([shape.weight_len().div_ceil(PREPARE_THREADS), 1, 1], PREPARE_THREADS)
    }

    fn forward(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &ConvShape,
        input: ConvInput,
        weights: Slice,
        _workspace: SliceMut,
        output: ConvOutput,
    ) -> Result<()> {
        let (ConvInput::Plain(input), ConvOutput::Plain(output)) = (input, output) else {
            unreachable!("these plans fuse nothing")
        };
        cuda.launch(STEM, &format!("conv_stem_forward_{}", plan.dtype))?
            .read(input)
            .read(weights)
            .write(&output)
            .value(Geometry::new(FORWARD, shape, patch(shape))?)
            .shared(shared(shape, ConvDirection::Forward))
            .run([tiles(shape), shape.k.div_ceil(TILE_K), 1], FORWARD_THREADS)
    }

    fn input_gradient(
        &self,
        _cuda: &Cuda,
        _plan: &Plan,
        _shape: &ConvShape,
        _output_gradient: Slice,
        _weights: Slice,
        _workspace: SliceMut,
        _input_gradient: Destination,
    ) -> Result<()> {
        unreachable!("there is no such plan")
    }

    fn weight_gradient(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &ConvShape,
        input: Slice,
        output_gradient: Slice,
        workspace: SliceMut,
        weight_gradient: Destination,
    ) -> Result<()> {
        let geometry = Geometry::new(WEIGHT_GRADIENT, shape, patch(shape))?;
        let parts = parts(shape);
        write_parts(cuda, STEM, parts, workspace, weight_gradient, |sums, accumulate| {
            cuda.launch(STEM, &format!("conv_stem_weight_gradient_{}", plan.dtype))?
                .read(input)
                .read(output_gradient)
                .write(sums)
                .value(geometry)
                .value(accumulate)
                .shared(shared(shape, ConvDirection::WeightGradient))
                .run([parts, shape.k.div_ceil(TILE_K), 1], GRADIENT_THREADS)
        })
    }
}
