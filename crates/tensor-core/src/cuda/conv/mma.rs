//! Convolutions without groups on tensor cores: the host's half of `kernels/conv_mma.cu`. bf16 always
//! may, f32 where the options allow its factors to be rounded to TF32. Channels of input and output
//! must fill whole pieces of 16 bytes. Weights are read where they lie, in bf16 from their twin.

use super::implicit::{Geometry, phase_rows, product};
use super::split::{Split, write_parts};
use super::{Abilities, Algorithm, FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, accumulates, plan};
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvOutput, ConvShape};
use crate::cuda::Cuda;
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

const STEM: &str = "conv_mma";

/// Bytes that every copy moves.
const PIECE: usize = 16;

/// The kernels keep a pixel's row and column, padding included, in 16 bits each.
const LARGEST_EXTENT: usize = 32_000;

/// Rows of a part of the statistics.
const STATISTICS_ROWS: usize = 128;

/// Multiprocessors of the devices that the order of the plans is meant for.
const MULTIPROCESSORS: usize = 132;

/// A part of the weight gradient's sum is at least this long.
const SHORTEST_PART: usize = 256;

/// A tile of the product, which one block computes, 64 x 64 of it a warp.
struct Tile {
    variant: &'static str,
    /// What its kernels are called.
    kernel: &'static str,
    dtype: DType,
    rows: usize,
    columns: usize,
    /// Stages of 64 bytes of depth in shared memory.
    stages: usize,
    /// Blocks that fit a multiprocessor.
    resident: usize,
    /// Its share of the tensor cores' rate, in percent.
    rate: usize,
    /// What beginning and ending a tile costs, as depth that could have been summed meanwhile; little
    /// where another block computes at that time.
    overhead: usize,
    directions: &'static [ConvDirection],
}

const TO_AND_FRO: &[ConvDirection] = &[ConvDirection::Forward, ConvDirection::InputGradient];
const ALL: &[ConvDirection] =
    &[ConvDirection::Forward, ConvDirection::InputGradient, ConvDirection::WeightGradient];

const TILES: [Tile; 5] = [
    Tile {
        variant: "mma_128x128",
        kernel: "square",
        dtype: DType::Bf16,
        rows: 128,
        columns: 128,
        stages: 4,
        resident: 2,
        rate: 88,
        overhead: 96,
        directions: ALL,
    },
    Tile {
        variant: "mma_128x256",
        kernel: "wide",
        dtype: DType::Bf16,
        rows: 128,
        columns: 256,
        stages: 4,
        resident: 1,
        rate: 100,
        overhead: 256,
        directions: TO_AND_FRO,
    },
    Tile {
        variant: "mma_256x64",
        kernel: "tall",
        dtype: DType::Bf16,
        rows: 256,
        columns: 64,
        stages: 3,
        resident: 2,
        rate: 75,
        overhead: 96,
        directions: ALL,
    },
    Tile {
        variant: "mma_64x256",
        kernel: "flat",
        dtype: DType::Bf16,
        rows: 64,
        columns: 256,
        stages: 3,
        resident: 2,
        rate: 75,
        overhead: 96,
        directions: &[ConvDirection::WeightGradient],
    },
    Tile {
        variant: "tf32_128x128",
        kernel: "square",
        dtype: DType::F32,
        rows: 128,
        columns: 128,
        stages: 4,
        resident: 2,
        rate: 88,
        overhead: 48,
        directions: ALL,
    },
];

impl Tile {
    fn of(plan: &Plan) -> &'static Tile {
        let found = TILES.iter().find(|tile| tile.variant == plan.variant);
        found.expect("`has_variant` said that this plan is of one of these tiles")
    }

    fn tiles(&self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }

    fn threads(&self) -> usize {
        self.rows * self.columns / (64 * 64) * 32
    }

    /// Dynamic shared memory in bytes: the stages; the windows of all rows if a thread has more than
    /// four of them; where each row goes, for an input gradient.
    fn shared_bytes(&self, direction: ConvDirection) -> usize {
        let stages = (self.rows + self.columns) * 64 * self.stages;
        let rows_at_once = self.threads() / 4;
        let windows = if self.rows > 4 * rows_at_once { self.rows * 8 } else { 0 };
        match direction {
            ConvDirection::Forward => stages + windows,
            ConvDirection::InputGradient => stages + self.rows * 4 + windows,
            ConvDirection::WeightGradient => stages,
        }
    }

    fn kernel(&self, what: &str) -> String {
        format!("conv_mma_{what}_{}_{}", self.kernel, self.dtype)
    }

    /// Time that a device takes, in a unit of no meaning, for the sake of comparison.
    fn cost(&self, shape: &ConvShape, direction: ConvDirection) -> usize {
        let area = self.rows * self.columns;
        let [rows, columns] = product(shape, direction);
        let tiles = self.tiles(rows, columns);
        if direction == ConvDirection::WeightGradient {
            // Its parts fill the device whatever the tile.
            return tiles * area * 100 / self.rate;
        }
        let channels = if direction == ConvDirection::Forward { shape.c } else { shape.k };
        let depth = shape.r * shape.s * channels;
        let at_once = MULTIPROCESSORS * self.resident;
        tiles.next_multiple_of(at_once) * area * (depth * 100 / self.rate + self.overhead)
    }

    /// Parts that come closest to filling every round of blocks, in few rounds.
    fn split(&self, shape: &ConvShape) -> Split {
        let [rows, columns] = product(shape, ConvDirection::WeightGradient);
        let tiles = self.tiles(rows, columns);
        let blocks = |rounds: usize| rounds * MULTIPROCESSORS * self.resident;
        let percent = |rounds: usize| blocks(rounds) / tiles * tiles * 100 / blocks(rounds);
        let nearly_full = (1..=4).find(|&rounds| percent(rounds) >= 90);
        let rounds = nearly_full.or_else(|| (1..=4).max_by_key(|&rounds| percent(rounds)));
        Split::new(shape, tiles, blocks(rounds.unwrap_or(1)), SHORTEST_PART)
    }

    fn plan(&self, shape: &ConvShape, direction: ConvDirection) -> Plan {
        let plan = plan(self.variant, shape, self.dtype);
        if direction == ConvDirection::WeightGradient {
            return Plan { workspace: self.split(shape).workspace(shape), ..plan };
        }
        let is_bf16 = self.dtype == DType::Bf16;
        let fuses = is_bf16 && direction == ConvDirection::Forward;
        Plan {
            prepared: if is_bf16 { shape.weight_len() } else { 0 },
            reads_twin: is_bf16,
            fuses_input: fuses,
            fuses_statistics: fuses.then_some(STATISTICS_ROWS),
            ..plan
        }
    }
}

fn is_legal(shape: &ConvShape, dtype: DType, abilities: &Abilities) -> bool {
    let has_type = match dtype {
        DType::Bf16 => abilities.capability.has_bf16(),
        DType::F32 => abilities.tf32,
        _ => false,
    };
    let whole_pieces = |channels: usize| (channels * dtype.size()).is_multiple_of(PIECE);
    let reach = (shape.h + 2 * shape.padding[0]).max(shape.w + 2 * shape.padding[1]);
    has_type
        && shape.groups == 1
        && whole_pieces(shape.c)
        && whole_pieces(shape.k)
        && reach <= LARGEST_EXTENT
}

/// Marks this algorithm in the list.
pub(super) struct TensorCores;

impl Algorithm for TensorCores {
    fn plans(
        &self,
        shape: &ConvShape,
        dtype: DType,
        direction: ConvDirection,
        abilities: &Abilities,
    ) -> Vec<Plan> {
        if !is_legal(shape, dtype, abilities) {
            return Vec::new();
        }
        let serves = |tile: &&Tile| tile.dtype == dtype && tile.directions.contains(&direction);
        let mut tiles: Vec<&Tile> = TILES.iter().filter(serves).collect();
        tiles.sort_by_key(|tile| tile.cost(shape, direction));
        tiles.into_iter().map(|tile| tile.plan(shape, direction)).collect()
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
        let (what, input, scale, shift) = match input {
            ConvInput::Plain(input) => ("forward", input, None, None),
            ConvInput::ScaleShiftRelu { input, scale, shift } => {
                ("forward_scaled", input, Some(scale), Some(shift))
            }
        };
        let (output, partials) = match output {
            ConvOutput::Plain(output) => (output, None),
            ConvOutput::WithStatistics { output, partials } => (output, Some(partials)),
            ConvOutput::Normalised { .. } => unreachable!("no plan of this backend normalises"),
        };
        let [rows, columns] = product(shape, ConvDirection::Forward);
        cuda.launch(STEM, &tile.kernel(what))?
            .read(input)
            .read_optional(scale)
            .read_optional(shift)
            .read(weights)
            .write(&output)
            .write_optional(partials.as_ref())
            .value(Geometry::new(FORWARD, shape)?)
            .shared(tile.shared_bytes(ConvDirection::Forward))
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
        cuda.launch(STEM, &tile.kernel("input_gradient"))?
            .read(output_gradient)
            .read(weights)
            .write(&input_gradient.slice)
            .value(Geometry::new(INPUT_GRADIENT, shape)?)
            .value(accumulates(input_gradient.mode))
            .shared(tile.shared_bytes(ConvDirection::InputGradient))
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
            cuda.launch(STEM, &tile.kernel("weight_gradient"))?
                .read(input)
                .read(output_gradient)
                .write(sums)
                .value(geometry)
                .value(part_pixels as i32)
                .value(accumulate)
                .shared(tile.shared_bytes(ConvDirection::WeightGradient))
                .run([tile.tiles(rows, columns), 1, parts], tile.threads())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::Capability;

    fn shape(side: usize, c: usize, k: usize, kernel: usize) -> ConvShape {
        let (stride, padding) = ([1, 1], [kernel / 2; 2]);
        ConvShape {
            n: 256,
            h: side,
            w: side,
            c,
            k,
            r: kernel,
            s: kernel,
            stride,
            padding,
            groups: 1,
        }
    }

    fn best(shape: ConvShape, direction: ConvDirection) -> &'static str {
        let abilities = Abilities { capability: Capability::new(9, 0), tf32: false };
        TensorCores.plans(&shape, DType::Bf16, direction, &abilities)[0].variant
    }

    #[test]
    fn tiles_follow_the_channels() {
        assert_eq!(best(shape(56, 64, 64, 3), ConvDirection::Forward), "mma_256x64");
        assert_eq!(best(shape(28, 128, 128, 3), ConvDirection::Forward), "mma_128x128");
        assert_eq!(best(shape(14, 256, 256, 3), ConvDirection::Forward), "mma_128x256");
        assert_eq!(best(shape(56, 64, 256, 1), ConvDirection::InputGradient), "mma_256x64");
        assert_eq!(best(shape(56, 64, 64, 3), ConvDirection::WeightGradient), "mma_64x256");
        assert_eq!(best(shape(56, 64, 256, 1), ConvDirection::WeightGradient), "mma_256x64");
        assert_eq!(best(shape(14, 256, 256, 3), ConvDirection::WeightGradient), "mma_128x128");
    }

    #[test]
    fn channels_in_uneven_pieces_and_exact_f32_are_left_to_others() {
        let of = |shape: ConvShape, dtype, tf32| {
            let abilities = Abilities { capability: Capability::new(8, 0), tf32 };
            TensorCores.plans(&shape, dtype, ConvDirection::Forward, &abilities).len()
        };
        assert_eq!(of(shape(8, 12, 16, 3), DType::Bf16, true), 0);
        assert_eq!(of(shape(8, 16, 12, 3), DType::Bf16, true), 0);
        assert_eq!(of(shape(8, 12, 12, 3), DType::F32, false), 0);
        assert_eq!(of(shape(8, 12, 12, 3), DType::F32, true), 1);
        assert_eq!(of(ConvShape { groups: 2, ..shape(8, 16, 16, 3) }, DType::Bf16, false), 0);
    }

    #[test]
    fn parts_of_a_weight_gradient_fill_the_device_and_cover_all_pixels() {
        for shape in [shape(56, 64, 64, 3), shape(14, 256, 256, 3), shape(7, 512, 512, 3)] {
            for tile in TILES.iter().filter(|tile| tile.directions.len() != 2) {
                let Split { parts, part_pixels } = tile.split(&shape);
                let pixels = shape.output_rows();
                assert!((parts - 1) * part_pixels < pixels && pixels <= parts * part_pixels);
                let [rows, columns] = product(&shape, ConvDirection::WeightGradient);
                let blocks = tile.tiles(rows, columns) * parts;
                let at_once = MULTIPROCESSORS * tile.resident;
                assert!(blocks * 100 >= blocks.next_multiple_of(at_once) * 80, "{blocks} blocks");
            }
        }
    }
}
