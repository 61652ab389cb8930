//! The first layer of a network on tensor cores, in bf16: the host's half of
//! `kernels/conv_stem_mma.cu`, for the shapes of `stem`. Forward its weights come prepared as the
//! fragments that lanes load, `[k / 64][step of 16][4][lane][4][2]`, filled up with zeros.

use super::split::{partials_len, write_parts};
use super::stem::{
    Geometry, MOST_SHARED, MOST_TAPS, TILE_K, TILE_P, TILE_Q, has_few_channels, parts, tiles,
};
use super::{Abilities, Algorithm, FORWARD, PREPARE, WEIGHT_GRADIENT, plan, stem};
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvOutput, ConvShape};
use crate::cuda::Cuda;
use crate::cuda::launch::index;
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

const STEM: &str = "conv_stem_mma";
const VARIANT: &str = "stem_mma";

const THREADS: usize = 128;
const PREPARE_THREADS: usize = 256;
/// Tiles of pixels that a block of the forward direction does.
const TILES_OF_BLOCK: usize = 4;
/// Depth of a step of the tensor cores; half of it is what runs of taps are filled up to.
const STEP: usize = 16;
const HALF_STEP: usize = 8;

/// Rows and columns of a patch, the columns rounded up so that pairs of elements are aligned.
fn patch(shape: &ConvShape) -> [usize; 2] {
    let [rows, columns] = stem::patch(shape);
    [rows, columns.next_multiple_of(2)]
}

/// Steps of a window.
fn steps(shape: &ConvShape) -> usize {
    (shape.r * (shape.s * shape.c).div_ceil(HALF_STEP)).div_ceil(2)
}

/// Elements of the prepared weights.
fn prepared_len(shape: &ConvShape) -> usize {
    shape.k.div_ceil(TILE_K) * steps(shape) * STEP * TILE_K
}

/// Bytes of shared memory of a block: the patch, with room for what is read beyond its end, and the
/// weights, or the gradients of a tile.
fn shared(shape: &ConvShape, direction: ConvDirection) -> usize {
    let patch = patch(shape).iter().product::<usize>() + 2 * HALF_STEP;
    let beside = match direction {
        ConvDirection::WeightGradient => TILE_P * TILE_Q * TILE_K,
        _ => steps(shape) * STEP * TILE_K,
    };
    (patch.next_multiple_of(HALF_STEP) + beside) * DType::Bf16.size()
}

fn is_legal(shape: &ConvShape, direction: ConvDirection) -> bool {
    let fits = match direction {
        ConvDirection::Forward => (shape.stride[1] * shape.c).is_multiple_of(2),
        ConvDirection::InputGradient => false,
        ConvDirection::WeightGradient => shape.r * shape.s * shape.c <= MOST_TAPS,
    };
    fits && has_few_channels(shape)
        && shape.k.is_multiple_of(HALF_STEP)
        && shared(shape, direction) <= MOST_SHARED
}

/// Marks this algorithm in the list.
pub(super) struct StemMma;

impl Algorithm for StemMma {
    fn plans(
        &self,
        shape: &ConvShape,
        dtype: DType,
        direction: ConvDirection,
        abilities: &Abilities,
    ) -> Vec<Plan> {
        let has_cores = dtype == DType::Bf16 && abilities.capability.has_bf16();
        if !has_cores || !is_legal(shape, direction) {
            return Vec::new();
        }
        let plan = plan(VARIANT, shape, dtype);
        vec![match direction {
            ConvDirection::WeightGradient => {
                Plan { workspace: partials_len(parts(shape), shape), ..plan }
            }
            _ => Plan { prepared: prepared_len(shape), ..plan },
        }]
    }

    fn has_variant(&self, variant: &str) -> bool {
        variant == VARIANT
    }

    fn prepare(
        &self,
        cuda: &Cuda,
        _plan: &Plan,
        shape: &ConvShape,
        _direction: ConvDirection,
        weights: Slice,
        prepared: SliceMut,
    ) -> Result<()> {
        let elements = index(PREPARE, "the prepared weights", prepared.len())?;
        cuda.launch(STEM, "conv_stem_mma_prepare_bf16")?
            .read(weights)
            .write(&prepared)
            .value(Geometry::new(PREPARE, shape, patch(shape))?)
            .value(elements)
            .run([prepared.len().div_ceil(PREPARE_THREADS), 1, 1], PREPARE_THREADS)
    }

    fn forward(
        &self,
        cuda: &Cuda,
        _plan: &Plan,
        shape: &ConvShape,
        input: ConvInput,
        weights: Slice,
        _workspace: SliceMut,
        output: ConvOutput,
    ) -> Result<()> {
        let (ConvInput::Plain(input), ConvOutput::Plain(output)) = (input, output) else {
            unreachable!("these plans fuse nothing")
        };
        let blocks = tiles(shape).div_ceil(TILES_OF_BLOCK);
        cuda.launch(STEM, "conv_stem_mma_forward_bf16")?
            .read(input)
            .read(weights)
            .write(&output)
            .value(Geometry::new(FORWARD, shape, patch(shape))?)
            .shared(shared(shape, ConvDirection::Forward))
            .run([blocks, shape.k.div_ceil(TILE_K), 1], THREADS)
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
        _plan: &Plan,
        shape: &ConvShape,
        input: Slice,
        output_gradient: Slice,
        workspace: SliceMut,
        weight_gradient: Destination,
    ) -> Result<()> {
        let geometry = Geometry::new(WEIGHT_GRADIENT, shape, patch(shape))?;
        let parts = parts(shape);
        write_parts(cuda, STEM, parts, workspace, weight_gradient, |sums, accumulate| {
            cuda.launch(STEM, "conv_stem_mma_weight_gradient_bf16")?
                .read(input)
                .read(output_gradient)
                .write(sums)
                .value(geometry)
                .value(accumulate)
                .shared(shared(shape, ConvDirection::WeightGradient))
                .run([parts, shape.k.div_ceil(TILE_K), 1], THREADS)
        })
    }
}
