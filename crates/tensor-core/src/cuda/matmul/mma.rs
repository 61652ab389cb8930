//! Products on tensor cores: the host's half of `kernels/matmul_mma.cu`. bf16 always may, f32 where
//! the options allow its factors to be rounded to TF32.

use super::{Abilities, Algorithm, MATMUL, plan};
use crate::backend::Plan;
use crate::backend::matmul::MatmulShape;
use crate::cuda::Cuda;
use crate::cuda::launch::{DeviceParameter, index};
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::{DType, Result};

const STEM: &str = "matmul_mma";

/// Bytes that a copy moves.
const PIECE: usize = 16;

/// Multiprocessors of the devices that the order of the plans is meant for.
const MULTIPROCESSORS: usize = 132;

/// A tile of the product, which one block computes, 64 x 64 of it a warp.
struct Tile {
    variant: &'static str,
    /// What its kernels are called.
    kernel: &'static str,
    dtype: DType,
    rows: usize,
    columns: usize,
    /// True if it moves whole pieces only, so that every row must be made of them.
    whole_pieces: bool,
    /// Blocks that fit a multiprocessor.
    resident: usize,
    /// Its share of the tensor cores' rate, in percent.
    rate: usize,
}

const TILES: [Tile; 4] = [
    Tile {
        variant: "mma_128x256",
        kernel: "wide",
        dtype: DType::Bf16,
        rows: 128,
        columns: 256,
        whole_pieces: true,
        resident: 1,
        rate: 100,
    },
    Tile {
        variant: "mma_128x128",
        kernel: "square",
        dtype: DType::Bf16,
        rows: 128,
        columns: 128,
        whole_pieces: true,
        resident: 2,
        rate: 88,
    },
    Tile {
        variant: "mma_any",
        kernel: "any",
        dtype: DType::Bf16,
        rows: 128,
        columns: 128,
        whole_pieces: false,
        resident: 2,
        rate: 15,
    },
    Tile {
        variant: "tf32_128x128",
        kernel: "square",
        dtype: DType::F32,
        rows: 128,
        columns: 128,
        whole_pieces: true,
        resident: 2,
        rate: 88,
    },
];

/// Stages of 64 bytes of depth in shared memory.
const STAGES: usize = 4;

/// The kernels' `MatmulParameters`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Parameters {
    m: i32,
    n: i32,
    k: i32,
    accumulate: i32,
}

// SAFETY: words without padding, in the order of the kernels' `MatmulParameters`.
unsafe impl DeviceParameter for Parameters {}

impl Tile {
    fn of(plan: &Plan) -> &'static Tile {
        let found = TILES.iter().find(|tile| tile.variant == plan.variant);
        found.expect("`has_variant` said that this plan is of one of these tiles")
    }

    fn is_legal(&self, shape: &MatmulShape, dtype: DType, abilities: &Abilities) -> bool {
        let allowed = match dtype {
            DType::Bf16 => abilities.capability.has_bf16(),
            DType::F32 => abilities.tf32,
            _ => false,
        };
        let left_run = if shape.transpose_left { shape.m } else { shape.k };
        let right_run = if shape.transpose_right { shape.k } else { shape.n };
        let whole = |run: &usize| (run * dtype.size()).is_multiple_of(PIECE);
        let fits = !self.whole_pieces || [left_run, right_run, shape.n].iter().all(whole);
        self.dtype == dtype && allowed && fits
    }

    fn tiles(&self, shape: &MatmulShape) -> usize {
        shape.m.div_ceil(self.rows) * shape.n.div_ceil(self.columns)
    }

    /// Time that a device takes, in a unit of no meaning, for the sake of comparison.
    fn cost(&self, shape: &MatmulShape) -> usize {
        let blocks = self.tiles(shape).next_multiple_of(MULTIPROCESSORS * self.resident);
        blocks * self.rows * self.columns * 100 / self.rate
    }

    fn threads(&self) -> usize {
        self.rows * self.columns / (64 * 64) * 32
    }
}

/// Marks this algorithm in the list.
pub(super) struct TensorCores;

impl Algorithm for TensorCores {
    fn plans(&self, shape: &MatmulShape, dtype: DType, abilities: &Abilities) -> Vec<Plan> {
        let legal = |tile: &&Tile| tile.is_legal(shape, dtype, abilities);
        let mut tiles: Vec<&Tile> = TILES.iter().filter(legal).collect();
        tiles.sort_by_key(|tile| tile.cost(shape));
        tiles.into_iter().map(|tile| plan(tile.variant, shape, dtype)).collect()
    }

    fn has_variant(&self, variant: &str) -> bool {
        TILES.iter().any(|tile| tile.variant == variant)
    }

    fn multiply(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &MatmulShape,
        left: Slice,
        right: Slice,
        bias: Option<Slice>,
        _workspace: SliceMut,
        product: Destination,
    ) -> Result<()> {
        index(MATMUL, "the left matrix", left.len())?;
        index(MATMUL, "the right matrix", right.len())?;
        index(MATMUL, "the product", product.slice.len())?;
        let tile = Tile::of(plan);
        let side = |transposed| if transposed { 't' } else { 'n' };
        let sides = [side(shape.transpose_left), side(shape.transpose_right)];
        let Tile { kernel, dtype, rows, columns, .. } = tile;
        cuda.launch(STEM, &format!("matmul_mma_{kernel}_{}{}_{dtype}", sides[0], sides[1]))?
            .read(left)
            .read(right)
            .read_optional(bias)
            .write(&product.slice)
            .value(Parameters {
                m: shape.m as i32,
                n: shape.n as i32,
                k: shape.k as i32,
                accumulate: i32::from(product.mode == WriteMode::Accumulate),
            })
            .shared((rows + columns) * 64 * STAGES)
            .run([tile.tiles(shape), 1, 1], tile.threads())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::Capability;

    fn variants(m: usize, n: usize, k: usize, dtype: DType, tf32: bool) -> Vec<&'static str> {
        let shape = MatmulShape { m, n, k, transpose_left: false, transpose_right: false };
        let abilities = Abilities { capability: Capability::new(8, 0), tf32 };
        let plans = TensorCores.plans(&shape, dtype, &abilities);
        plans.iter().map(|plan| plan.variant).collect()
    }

    #[test]
    fn large_products_take_wide_tiles() {
        let best = variants(4096, 4096, 4096, DType::Bf16, false)[0];
        assert_eq!(best, "mma_128x256");
    }

    #[test]
    fn lengths_in_uneven_pieces_go_element_by_element() {
        assert_eq!(variants(128, 100, 64, DType::Bf16, false), ["mma_any"]);
    }

    #[test]
    fn f32_is_rounded_only_where_that_is_allowed() {
        assert!(variants(128, 128, 128, DType::F32, false).is_empty());
        assert_eq!(variants(128, 128, 128, DType::F32, true), ["tf32_128x128"]);
    }
}
