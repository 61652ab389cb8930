//! Winograd's minimal filtering for 3x3 kernels of stride 1: tiles of 2x2 or 4x4 outputs and what they
//! read are transformed so that the convolution becomes a matrix product at each of 16 or 36 points,
//! which takes 2.25 or 4 times fewer multiplications. Source: Lavin and Gray 2015.
//!
//! Tiles pass through in blocks whose transforms stay in cache. The transforms round more than plain
//! sums do, and an element's error is one of its whole tile's: on normal inputs, with sums of at least
//! [`SHORTEST_SUM`] products at a point, 4x4 tiles are up to 5.4 epsilon of the sum of absolute products
//! off (plain sums: 2.7, 2x2 tiles: 1.6), and as a whole 1.7 times as far as plain sums.

mod filters;
mod kernels;
mod product;
mod tiling;
mod transform;
mod weight_gradient;

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use super::super::InstructionSet;
use super::super::gemm::{self, FinishPart};
use crate::DType;
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvShape};
use crate::memory::WriteMode;
use filters::Filters;
use kernels::Kernels;
use product::{Product, is_by_panels, pass_tiles, workspace_by_panels};
use tiling::{Blocks, Tiling};
use weight_gradient::WeightGradient;

/// Taps of a kernel.
const TAPS: usize = 9;

/// Sums at a point, over channels or, in the weight gradient, over tiles, that are shorter have too few
/// rounding errors to average out, and cost less than the transforms do.
const SHORTEST_SUM: usize = 16;

/// The size of an output tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tile {
    /// 2x2 outputs from 4x4 inputs.
    Two,
    /// 4x4 outputs from 6x6 inputs.
    Four,
}

impl Tile {
    /// The larger first.
    pub const ALL: [Tile; 2] = [Tile::Four, Tile::Two];

    /// The variant of plans with this tile.
    fn variant(self) -> &'static str {
        match self {
            Tile::Two => "winograd_2x2",
            Tile::Four => "winograd_4x4",
        }
    }

    /// The tile of a plan's variant, if it is one of these.
    pub fn of_variant(variant: &str) -> Option<Tile> {
        Tile::ALL.into_iter().find(|tile| tile.variant() == variant)
    }

    /// True if a convolution can be computed with this tile, with errors within the bounds of plain sums.
    pub fn is_legal(self, shape: &ConvShape, direction: ConvDirection) -> bool {
        let kernel = shape.r == 3 && shape.s == 3 && shape.stride == [1, 1] && shape.groups == 1;
        // Corners that see a single element of a picture share a tile's errors with those that see nine.
        let padding = match direction {
            ConvDirection::InputGradient => shape.padding.iter().all(|padding| *padding == 1),
            _ => shape.padding.iter().all(|padding| *padding <= 1),
        };
        let channels = shape.c.min(shape.k) >= SHORTEST_SUM;
        kernel && padding && channels && {
            let of_tiles = direction == ConvDirection::WeightGradient;
            !of_tiles || Tiling::forward(self, shape).tiles() >= SHORTEST_SUM
        }
    }

    /// Rows and columns of outputs.
    fn outputs(self) -> usize {
        match self {
            Tile::Two => 2,
            Tile::Four => 4,
        }
    }

    /// Rows and columns of inputs, and of points.
    fn side(self) -> usize {
        self.outputs() + 2
    }

    /// Points at which matrices are multiplied.
    fn points(self) -> usize {
        self.side() * self.side()
    }
}

/// The tile that computes a convolution faster than plain sums do, if any does. Measured with AVX-512 and
/// AVX2, two cores.
///
/// The number of pictures has no say: an output has the same bits in any batch.
pub(super) fn faster_tile(shape: &ConvShape, direction: ConvDirection) -> Option<Tile> {
    /// Plain multiplications to those at the points, without which the transforms do not pay.
    const LEAST_SAVING: f64 = 2.0;
    /// Channels whose products outweigh the transforms of tiles.
    const ENOUGH_CHANNELS: usize = 64;
    /// Tiles of a picture whose products, in a usual batch, outweigh the transforms of filters.
    const ENOUGH_TILES: usize = 4;
    let tiles = |tile: Tile| Tiling::forward(tile, shape).picture_tiles();
    let products = |tile: &Tile| tiles(*tile) * tile.points();
    let legal = Tile::ALL.into_iter().filter(|tile| tile.is_legal(shape, direction));
    let tile = legal.min_by_key(products)?;
    let saving = (shape.p() * shape.q() * TAPS) as f64 / products(&tile) as f64;
    let enough_channels = shape.c.min(shape.k) >= ENOUGH_CHANNELS;
    (saving >= LEAST_SAVING && enough_channels && tiles(tile) >= ENOUGH_TILES).then_some(tile)
}

/// What all parts of one computation share.
struct Shared {
    tile: Tile,
    instruction_set: InstructionSet,
    kernels: &'static Kernels,
    gemm: &'static gemm::Kernels,
}

/// One direction of a convolution, with tiles of one size.
pub(super) struct Winograd {
    shared: Shared,
    shape: ConvShape,
    direction: ConvDirection,
    tiling: Tiling,
}

impl Winograd {
    pub fn new(
        tile: Tile,
        instruction_set: InstructionSet,
        shape: &ConvShape,
        direction: ConvDirection,
    ) -> Winograd {
        let kernels = Kernels::of(tile, instruction_set);
        let gemm = gemm::Kernels::of(instruction_set);
        let tiling = match direction {
            ConvDirection::InputGradient => Tiling::input_gradient(tile, shape),
            _ => Tiling::forward(tile, shape),
        };
        let shared = Shared { tile, instruction_set, kernels, gemm };
        Winograd { shared, shape: *shape, direction, tiling }
    }

    fn filters(&self) -> Filters<'_> {
        Filters { shared: &self.shared, shape: &self.shape, direction: self.direction }
    }

    /// The plan.
    pub fn plan(&self, dtype: DType) -> Plan {
        Plan {
            variant: self.shared.tile.variant(),
            dtype,
            workspace: self.workspace(),
            prepared: self.prepared(),
            reads_twin: false,
            fuses_input: false,
            fuses_statistics: self.statistics_rows(),
            flops: self.shape.flops(),
            bytes: self.shape.bytes(dtype),
        }
    }

    /// Elements of scratch space.
    fn workspace(&self) -> usize {
        let (shared, tiling) = (&self.shared, &self.tiling);
        match self.direction {
            ConvDirection::WeightGradient => weight_gradient::workspace(shared, tiling),
            _ if is_by_panels(&self.filters()) => {
                workspace_by_panels(shared, tiling, pass_tiles(shared, tiling))
            }
            _ => 0,
        }
    }

    /// Elements of prepared weights.
    fn prepared(&self) -> usize {
        match self.direction {
            ConvDirection::WeightGradient => 0,
            _ if is_by_panels(&self.filters()) => 0,
            _ => self.filters().len(),
        }
    }

    /// Rows of a part of fused statistics.
    fn statistics_rows(&self) -> Option<usize> {
        let forward = self.direction == ConvDirection::Forward;
        Blocks::of(&self.tiling).pixels.filter(|_| forward)
    }

    /// Prepares weights.
    pub fn prepare(&self, weights: &[f32], prepared: &mut [f32]) {
        self.filters().transform_all(weights, prepared);
    }

    /// The forward pass or the input gradient, from prepared weights if there are any; `finish` gets
    /// the index and the rows of each part of as many rows as the plan's `fuses_statistics` says.
    pub fn product(
        &self,
        source: &[f32],
        weights: &[f32],
        workspace: &mut [f32],
        (target, mode): (&mut [f32], WriteMode),
        finish: Option<FinishPart>,
    ) {
        let (shared, tiling, filters) = (&self.shared, &self.tiling, self.filters());
        let product = Product { shared, tiling, filters, source, mode };
        if is_by_panels(&filters) {
            let pass_tiles = pass_tiles(shared, tiling);
            product.run_by_panels(weights, pass_tiles, workspace, target, finish);
        } else {
            product.run_by_tiles(weights, target, finish);
        }
    }

    /// The weight gradient.
    pub fn weight_gradient(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        workspace: &mut [f32],
        target: &mut [f32],
        mode: WriteMode,
    ) {
        let (shared, tiling) = (&self.shared, &self.tiling);
        WeightGradient { shared, tiling, input, output_gradient }.run(workspace, target, mode);
    }
}

/// Floats from a row to the next: at least `len`, in cache lines of which there are not a multiple of eight,
/// so that rows side by side lie in different sets of a cache.
fn spread(len: usize) -> usize {
    const LINE: usize = 16;
    let lines = len.div_ceil(LINE);
    (lines + usize::from(lines.is_multiple_of(8))) * LINE
}

/// Room for transforms; one for each thread, kept, so that it stays in this core's cache.
struct Scratch(Vec<f32>);

thread_local! {
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch(Vec::new())) };
}

impl Scratch {
    /// Runs `work` with this thread's.
    fn with(work: impl FnOnce(&mut Scratch)) {
        SCRATCH.with_borrow_mut(work);
    }

    /// Pieces of these lengths, with anything in them.
    fn take<const PIECES: usize>(&mut self, lens: [usize; PIECES]) -> [&mut [f32]; PIECES] {
        let len = lens.iter().sum();
        if self.0.len() < len {
            self.0.resize(len, 0.0);
        }
        let mut rest = &mut self.0[..];
        lens.map(|len| rest.split_off_mut(..len).unwrap_or_default())
    }
}
