//! Convolutions with groups, all groups in one launch: the host's half of `kernels/conv_grouped.cu`.
//!
//! Weights come prepared as `[r, s, from / width, to, width]`, where `to` are all channels of the side
//! that is written (k forward, c backward) and `from` those of one group on the other side, so that
//! threads on neighbouring channels read neighbouring weights.

use super::extents::Extents;
use super::split::{Split, write_parts};
use super::{
    Abilities, Algorithm, FORWARD, INPUT_GRADIENT, PREPARE, WEIGHT_GRADIENT, accumulates, plan,
};
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvOutput, ConvShape};
use crate::cuda::Cuda;
use crate::cuda::divisor::Divisor;
use crate::cuda::launch::{DeviceParameter, index};
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

const STEM: &str = "conv_grouped";
const X4: &str = "grouped_x4";
const ANY: &str = "grouped_any";

const THREADS: usize = 256;
/// Pixels that a thread computes.
const PIXELS: usize = 4;
/// Taps of a kernel row that a thread of the weight gradient sums.
const TAPS: usize = 3;

/// Blocks of a weight gradient that keep a large device busy, and its shortest part.
const BLOCKS: usize = 792;
const SHORTEST_PART: usize = 64;

/// The kernels' `GroupedGeometry`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Geometry {
    extents: Extents,
    group_c: i32,
    group_k: i32,
    by_group_c: Divisor,
    by_group_k: Divisor,
    by_output_pixels: Divisor,
    by_q: Divisor,
    by_input_pixels: Divisor,
    by_w: Divisor,
    by_stride: [Divisor; 2],
}

// SAFETY: words without padding, in the order of the kernels' `GroupedGeometry`.
unsafe impl DeviceParameter for Geometry {}

impl Geometry {
    fn new(op: &'static str, shape: &ConvShape) -> Result<Geometry> {
        let extents = Extents::new(op, shape)?;
        let (group_c, group_k) = (shape.group_c() as i32, shape.group_k() as i32);
        Ok(Geometry {
            extents,
            group_c,
            group_k,
            by_group_c: Divisor::new(group_c),
            by_group_k: Divisor::new(group_k),
            by_output_pixels: Divisor::new(extents.p * extents.q),
            by_q: Divisor::new(extents.q),
            by_input_pixels: Divisor::new(extents.h * extents.w),
            by_w: Divisor::new(extents.w),
            by_stride: extents.stride.map(Divisor::new),
        })
    }
}

/// The kernels' `GroupedUnits`: what the threads of a weight gradient are for.
#[repr(C)]
#[derive(Clone, Copy)]
struct Units {
    by_output_quads: Divisor,
    by_input_quads: Divisor,
    by_tap_chunks: Divisor,
    units: i32,
    part_pixels: i32,
}

// SAFETY: words without padding, in the order of the kernels' `GroupedUnits`.
unsafe impl DeviceParameter for Units {}

/// Channels that a thread has on each side.
fn width(variant: &str) -> usize {
    if variant == X4 { 4 } else { 1 }
}

fn kernel(what: &str, plan: &Plan) -> String {
    let name = if plan.variant == X4 { "x4" } else { "any" };
    format!("conv_grouped_{what}_{name}_{}", plan.dtype)
}

/// Threads of one part of a weight gradient.
fn units(shape: &ConvShape, width: usize) -> usize {
    shape.r * shape.s.div_ceil(TAPS) * (shape.group_c() / width) * (shape.k / width)
}

fn split(shape: &ConvShape, width: usize) -> Split {
    Split::new(shape, units(shape, width).div_ceil(THREADS), BLOCKS, SHORTEST_PART)
}

/// Blocks for `channels` channels of each of `pixels` pixels.
fn blocks(pixels: usize, channels: usize, width: usize) -> usize {
    (pixels.div_ceil(PIXELS) * (channels / width)).div_ceil(THREADS)
}

/// Marks this algorithm in the list.
pub(super) struct Grouped;

impl Algorithm for Grouped {
    fn plans(
        &self,
        shape: &ConvShape,
        dtype: DType,
        direction: ConvDirection,
        abilities: &Abilities,
    ) -> Vec<Plan> {
        if shape.groups == 1 || !abilities.has_activations(dtype) {
            return Vec::new();
        }
        let fours = shape.group_c().is_multiple_of(4) && shape.group_k().is_multiple_of(4);
        let plan_of = |variant| {
            let plan = plan(variant, shape, dtype);
            match direction {
                ConvDirection::WeightGradient => {
                    let split = split(shape, width(variant));
                    Plan { workspace: split.workspace(shape), ..plan }
                }
                _ => Plan { prepared: shape.weight_len(), ..plan },
            }
        };
        let variants: &[&'static str] = if fours { &[X4, ANY] } else { &[ANY] };
        variants.iter().map(|variant| plan_of(variant)).collect()
    }

    fn has_variant(&self, variant: &str) -> bool {
        [X4, ANY].contains(&variant)
    }

    fn prepare(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &ConvShape,
        direction: ConvDirection,
        weights: Slice,
        prepared: SliceMut,
    ) -> Result<()> {
        cuda.launch(STEM, &format!("conv_grouped_prepare_{}", plan.dtype))?
            .read(weights)
            .write(&prepared)
            .value(Geometry::new(PREPARE, shape)?)
            .value(i32::from(direction == ConvDirection::InputGradient))
            .value(width(plan.variant) as i32)
            .run([shape.weight_len().div_ceil(THREADS), 1, 1], THREADS)
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
        let width = width(plan.variant);
        cuda.launch(STEM, &kernel("forward", plan))?
            .read(input)
            .read(weights)
            .write(&output)
            .value(Geometry::new(FORWARD, shape)?)
            .value(Divisor::new((shape.k / width) as i32))
            .run([blocks(shape.output_rows(), shape.k, width), 1, 1], THREADS)
    }

    fn input_gradient(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &ConvShape,
        output_gradient: Slice,
        weights: Slice,
        _workspace: SliceMut,
        input_gradient: Destination,
    ) -> Result<()> {
        let width = width(plan.variant);
        let pixels = shape.n * shape.h * shape.w;
        cuda.launch(STEM, &kernel("input_gradient", plan))?
            .read(output_gradient)
            .read(weights)
            .write(&input_gradient.slice)
            .value(Geometry::new(INPUT_GRADIENT, shape)?)
            .value(Divisor::new((shape.c / width) as i32))
            .value(accumulates(input_gradient.mode))
            .run([blocks(pixels, shape.c, width), 1, 1], THREADS)
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
        let geometry = Geometry::new(WEIGHT_GRADIENT, shape)?;
        let width = width(plan.variant);
        let Split { parts, part_pixels } = split(shape, width);
        let threads = units(shape, width);
        let units = Units {
            by_output_quads: Divisor::new((shape.k / width) as i32),
            by_input_quads: Divisor::new((shape.group_c() / width) as i32),
            by_tap_chunks: Divisor::new(shape.s.div_ceil(TAPS) as i32),
            units: index(WEIGHT_GRADIENT, "the weights' gradient", threads)?,
            part_pixels: index(WEIGHT_GRADIENT, "a part", part_pixels)?,
        };
        write_parts(cuda, STEM, parts, workspace, weight_gradient, |sums, accumulate| {
            cuda.launch(STEM, &kernel("weight_gradient", plan))?
                .read(input)
                .read(output_gradient)
                .write(sums)
                .value(geometry)
                .value(units)
                .value(accumulate)
                .run([threads.div_ceil(THREADS), parts, 1], THREADS)
        })
    }
}
