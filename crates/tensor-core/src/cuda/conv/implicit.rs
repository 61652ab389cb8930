//! Convolutions without groups as implicit matrix products on the ordinary float units: the host's
//! half of `kernels/conv.cu`. It takes every shape, and weights as they are: `[k, r, s, c]`, in the
//! activations' type.

use super::extents::Extents;
use super::split::{Split, write_parts};
use super::{Abilities, Algorithm, FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, accumulates, plan};
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvOutput, ConvShape};
use crate::cuda::Cuda;
use crate::cuda::divisor::Divisor;
use crate::cuda::launch::DeviceParameter;
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

const STEM: &str = "conv";

/// A tile of the product, which one block computes.
struct Tile {
    variant: &'static str,
    /// What its kernels are called.
    kernel: &'static str,
    /// Rows, and as many columns.
    extent: usize,
    /// True if it moves four channels at once.
    vector: bool,
    /// Its share of the float units' rate, in percent, when there are enough tiles.
    rate: usize,
    /// Blocks of a weight gradient that keep a large device busy.
    blocks: usize,
}

const TILES: [Tile; 3] = [
    Tile {
        variant: "implicit_128x128",
        kernel: "128x128",
        extent: 128,
        vector: true,
        rate: 80,
        blocks: 528,
    },
    Tile {
        variant: "implicit_64x64",
        kernel: "64x64",
        extent: 64,
        vector: true,
        rate: 65,
        blocks: 1584,
    },
    Tile {
        variant: "implicit_any",
        kernel: "any",
        extent: 64,
        vector: false,
        rate: 35,
        blocks: 1584,
    },
];

/// Multiprocessors of the devices that the order of the plans is meant for.
const MULTIPROCESSORS: usize = 132;

/// A part of the weight gradient's sum is at least this long.
const SHORTEST_PART: usize = 256;

impl Tile {
    fn of(plan: &Plan) -> &'static Tile {
        let found = TILES.iter().find(|tile| tile.variant == plan.variant);
        found.expect("`has_variant` said that this plan is of one of these tiles")
    }

    fn is_legal(&self, shape: &ConvShape, dtype: DType) -> bool {
        let fours = shape.c.is_multiple_of(4) && shape.k.is_multiple_of(4);
        // For bf16 in fours there are tensor cores.
        !self.vector || fours && dtype == DType::F32
    }

    fn tiles(&self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.extent) * columns.div_ceil(self.extent)
    }

    /// Time that a device takes, in a unit of no meaning, for the sake of comparison.
    fn cost(&self, shape: &ConvShape, direction: ConvDirection) -> usize {
        let area = self.extent * self.extent * 1000 / self.rate;
        let [rows, columns] = product(shape, direction);
        let tiles = self.tiles(rows, columns);
        match direction {
            // Its parts fill the device whatever the tile.
            ConvDirection::WeightGradient => tiles * area,
            _ => tiles.div_ceil(MULTIPROCESSORS) * MULTIPROCESSORS * area,
        }
    }

    fn split(&self, shape: &ConvShape) -> Split {
        let [rows, columns] = product(shape, ConvDirection::WeightGradient);
        Split::new(shape, self.tiles(rows, columns), self.blocks, SHORTEST_PART)
    }

    fn threads(&self) -> usize {
        self.extent * self.extent / 64
    }

    fn kernel(&self, what: &str, dtype: DType) -> String {
        format!("conv_{what}_{}_{dtype}", self.kernel)
    }
}

/// Rows and columns of a direction's matrix product; those of all phases together.
pub(super) fn product(shape: &ConvShape, direction: ConvDirection) -> [usize; 2] {
    match direction {
        ConvDirection::Forward => [shape.output_rows(), shape.k],
        ConvDirection::InputGradient => [shape.n * shape.h * shape.w, shape.c],
        ConvDirection::WeightGradient => [shape.k, shape.r * shape.s * shape.c],
    }
}

/// Input pixels of the largest phase of the stride.
pub(super) fn phase_rows(shape: &ConvShape) -> usize {
    shape.n * shape.h.div_ceil(shape.stride[0]) * shape.w.div_ceil(shape.stride[1])
}

/// The kernels' `ConvGeometry`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    extents: Extents,
    by_output_pixels: Divisor,
    by_q: Divisor,
    by_c: Divisor,
    by_s: Divisor,
}

// SAFETY: words without padding, in the order of the kernels' `ConvGeometry`.
unsafe impl DeviceParameter for Geometry {}

impl Geometry {
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if 32 bits cannot index its tensors.
    pub fn new(op: &'static str, shape: &ConvShape) -> Result<Geometry> {
        let extents = Extents::new(op, shape)?;
        Ok(Geometry {
            extents,
            by_output_pixels: Divisor::new(extents.p * extents.q),
            by_q: Divisor::new(extents.q),
            by_c: Divisor::new(extents.c),
            by_s: Divisor::new(extents.s),
        })
    }
}

/// Marks this algorithm in the list.
pub(super) struct Implicit;

impl Algorithm for Implicit {
    fn plans(
        &self,
        shape: &ConvShape,
        dtype: DType,
        direction: ConvDirection,
        abilities: &Abilities,
    ) -> Vec<Plan> {
        if shape.groups > 1 || !abilities.has_activations(dtype) {
            return Vec::new();
        }
        let mut tiles: Vec<&Tile> = TILES.iter().filter(|t| t.is_legal(shape, dtype)).collect();
        tiles.sort_by_key(|tile| tile.cost(shape, direction));
        let plan_of = |tile: &Tile| {
            let plan = plan(tile.variant, shape, dtype);
            if direction == ConvDirection::WeightGradient {
                return Plan { workspace: tile.split(shape).workspace(shape), ..plan };
            }
            let is_forward = direction == ConvDirection::Forward;
            let twin = dtype != DType::F32;
            Plan {
                prepared: if twin { shape.weight_len() } else { 0 },
                reads_twin: twin,
                fuses_input: is_forward,
                fuses_statistics: is_forward.then_some(tile.extent),
                ..plan
            }
        };
        tiles.into_iter().map(plan_of).collect()
    }

    fn has_variant(&self, variant: &str) -> bool {
        TILES.iter().any(|tile| tile.variant == variant)
    }

    fn prepare(
        &self,
        _cuda: &Cuda,
        _plan: &Plan,
        _shape: &ConvShape,
        _direction: ConvDirection,
        _weights: Slice,
        _prepared: SliceMut,
    ) -> Result<()> {
        unreachable!("these plans read the weights or their twin as they are")
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
        let tile = Tile::of(plan);
        let geometry = Geometry::new(FORWARD, shape)?;
        let (input, scale, shift) = match input {
            ConvInput::Plain(input) => (input, None, None),
            ConvInput::ScaleShiftRelu { input, scale, shift } => (input, Some(scale), Some(shift)),
        };
        let (output, partials) = match output {
            ConvOutput::Plain(output) => (output, None),
            ConvOutput::WithStatistics { output, partials } => (output, Some(partials)),
            ConvOutput::Normalised { .. } => unreachable!("no plan of this backend normalises"),
        };
        let [rows, columns] = product(shape, ConvDirection::Forward);
        cuda.launch(STEM, &tile.kernel("forward", plan.dtype))?
            .read(input)
            .read_optional(scale)
            .read_optional(shift)
            .read(weights)
            .write(&output)
            .write_optional(partials.as_ref())
            .value(geometry)
            .run([tile.tiles(rows, columns), 1, 1], tile.threads())
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
        let tile = Tile::of(plan);
        let phases = shape.stride[0] * shape.stride[1];
        cuda.launch(STEM, &tile.kernel("input_gradient", plan.dtype))?
            .read(output_gradient)
            .read(weights)
            .write(&input_gradient.slice)
            .value(Geometry::new(INPUT_GRADIENT, shape)?)
            .value(accumulates(input_gradient.mode))
            .run([tile.tiles(phase_rows(shape), shape.c), 1, phases], tile.threads())
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
        let tile = Tile::of(plan);
        let geometry = Geometry::new(WEIGHT_GRADIENT, shape)?;
        let Split { parts, part_pixels } = tile.split(shape);
        let [rows, columns] = product(shape, ConvDirection::WeightGradient);
        write_parts(cuda, STEM, parts, workspace, weight_gradient, |sums, accumulate| {
            cuda.launch(STEM, &tile.kernel("weight_gradient", plan.dtype))?
                .read(input)
                .read(output_gradient)
                .write(sums)
                .value(geometry)
                .value(part_pixels as i32)
                .value(accumulate)
                .run([tile.tiles(rows, columns), 1, parts], tile.threads())
        })
    }
}
