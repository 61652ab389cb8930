//! Products in f32 on the ordinary float units: the host's half of `kernels/matmul.cu`.

use super::{Abilities, Algorithm, MATMUL, plan};
use crate::backend::Plan;
use crate::backend::matmul::MatmulShape;
use crate::cuda::Cuda;
use crate::cuda::divisor::Divisor;
use crate::cuda::launch::{DeviceParameter, index};
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::{DType, Result};

const STEM: &str = "matmul";

/// A tile of the product, which one block computes.
struct Tile {
    variant: &'static str,
    /// What its kernels are called.
    kernel: &'static str,
    /// Rows, and as many columns.
    extent: usize,
    /// True if it moves four neighbours at once.
    vector: bool,
    /// Its share of the float units' rate, in percent, when there are enough tiles.
    rate: usize,
    /// Blocks that keep a large device busy.
    blocks: usize,
}

const TILES: [Tile; 3] = [
    Tile {
        variant: "simt_128x128",
        kernel: "128x128",
        extent: 128,
        vector: true,
        rate: 80,
        blocks: 264,
    },
    Tile {
        variant: "simt_64x64",
        kernel: "64x64",
        extent: 64,
        vector: true,
        rate: 65,
        blocks: 528,
    },
    Tile { variant: "simt_any", kernel: "any", extent: 64, vector: false, rate: 40, blocks: 528 },
];

/// A part of a split sum is at least this long, and a multiple of it.
const SHORTEST_PART: usize = 64;

/// Floats of partial sums that are worth a wider split.
const LARGEST_WORKSPACE: usize = 1 << 24;

const SUM_THREADS: usize = 256;

/// The kernels' `MatmulParameters`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Parameters {
    m: i32,
    n: i32,
    k: i32,
    part_depth: i32,
    accumulate: i32,
}

// SAFETY: words without padding, in the order of the kernels' `MatmulParameters`.
unsafe impl DeviceParameter for Parameters {}

impl Tile {
    fn of(plan: &Plan) -> &'static Tile {
        let found = TILES.iter().find(|tile| tile.variant == plan.variant);
        found.expect("`has_variant` said that this plan is of one of these tiles")
    }

    fn is_legal(&self, shape: &MatmulShape) -> bool {
        let left_run = if shape.transpose_left { shape.m } else { shape.k };
        let right_run = if shape.transpose_right { shape.k } else { shape.n };
        !self.vector || [left_run, right_run, shape.n].iter().all(|run| run.is_multiple_of(4))
    }

    fn tiles(&self, shape: &MatmulShape) -> usize {
        shape.m.div_ceil(self.extent) * shape.n.div_ceil(self.extent)
    }

    /// Length of the parts of the sum: as many parts as keep a device busy, by the shape alone.
    fn part_depth(&self, shape: &MatmulShape) -> usize {
        let affordable = LARGEST_WORKSPACE / (shape.m * shape.n).max(1);
        let wanted = (self.blocks / self.tiles(shape)).min(affordable);
        let parts = wanted.clamp(1, shape.k.div_ceil(SHORTEST_PART));
        shape.k.div_ceil(parts).next_multiple_of(SHORTEST_PART)
    }

    fn parts(&self, shape: &MatmulShape) -> usize {
        shape.k.div_ceil(self.part_depth(shape))
    }

    /// Time that a device takes, in a unit of no meaning, for the sake of comparison.
    fn cost(&self, shape: &MatmulShape) -> usize {
        let tiles = self.tiles(shape) * self.parts(shape);
        let block = self.extent * self.extent * self.part_depth(shape) / self.rate;
        tiles.max(self.blocks) * block
    }

    fn threads(&self) -> usize {
        self.extent * self.extent / 64
    }
}

/// Marks this algorithm in the list.
pub(super) struct Simt;

impl Algorithm for Simt {
    fn plans(&self, shape: &MatmulShape, dtype: DType, _abilities: &Abilities) -> Vec<Plan> {
        if dtype != DType::F32 {
            return Vec::new();
        }
        let mut tiles: Vec<&Tile> = TILES.iter().filter(|tile| tile.is_legal(shape)).collect();
        tiles.sort_by_key(|tile| tile.cost(shape));
        let plan_of = |tile: &Tile| {
            let parts = tile.parts(shape);
            let workspace = if parts > 1 { parts * shape.m * shape.n } else { 0 };
            Plan { workspace, ..plan(tile.variant, shape, dtype) }
        };
        tiles.into_iter().map(plan_of).collect()
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
        workspace: SliceMut,
        product: Destination,
    ) -> Result<()> {
        index(MATMUL, "the left matrix", left.len())?;
        index(MATMUL, "the right matrix", right.len())?;
        let elements = index(MATMUL, "the product", product.slice.len())?;
        index(MATMUL, "the workspace", workspace.len())?;
        let tile = Tile::of(plan);
        let parts = tile.parts(shape);
        let accumulate = i32::from(product.mode == WriteMode::Accumulate);
        let split = parts > 1;
        let side = |transposed| if transposed { 't' } else { 'n' };
        let sides = [side(shape.transpose_left), side(shape.transpose_right)];
        let name = format!("matmul_{}{}_{}_f32", sides[0], sides[1], tile.kernel);
        cuda.launch(STEM, &name)?
            .read(left)
            .read(right)
            .read_optional(if split { None } else { bias })
            .write(if split { &workspace } else { &product.slice })
            .value(Parameters {
                m: shape.m as i32,
                n: shape.n as i32,
                k: shape.k as i32,
                part_depth: tile.part_depth(shape) as i32,
                accumulate: if split { 0 } else { accumulate },
            })
            .run([tile.tiles(shape), 1, parts], tile.threads())?;
        if !split {
            return Ok(());
        }
        cuda.launch(STEM, "matmul_sum_parts_f32")?
            .read(workspace.as_slice())
            .read_optional(bias)
            .write(&product.slice)
            .value(Divisor::new(shape.n as i32))
            .value(elements)
            .value(parts as i32)
            .value(accumulate)
            .run([product.slice.len().div_ceil(SUM_THREADS), 1, 1], SUM_THREADS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::Capability;

    fn plans(m: usize, n: usize, k: usize) -> Vec<Plan> {
        let shape = MatmulShape { m, n, k, transpose_left: false, transpose_right: true };
        let abilities = Abilities { capability: Capability::new(8, 0), tf32: false };
        Simt.plans(&shape, DType::F32, &abilities)
    }

    #[test]
    fn large_products_take_large_tiles_whole() {
        let best = &plans(4096, 4096, 4096)[0];
        assert_eq!((best.variant, best.workspace), ("simt_128x128", 0));
    }

    #[test]
    fn a_head_is_split_along_its_depth() {
        let best = &plans(64, 512, 1024)[0];
        assert_eq!((best.variant, best.workspace), ("simt_64x64", 16 * 64 * 512));
    }

    #[test]
    fn lengths_that_four_does_not_divide_go_element_by_element() {
        let variants: Vec<_> = plans(64, 511, 1024).iter().map(|plan| plan.variant).collect();
        assert_eq!(variants, ["simt_any"]);
    }

    #[test]
    fn parts_cover_the_depth_once() {
        for k in [1, 63, 64, 65, 1000, 4097] {
            let shape =
                MatmulShape { m: 8, n: 8, k, transpose_left: false, transpose_right: false };
            for tile in &TILES {
                let (parts, depth) = (tile.parts(&shape), tile.part_depth(&shape));
                assert!((parts - 1) * depth < k && k <= parts * depth, "{parts} of {depth}: {k}");
                assert!(depth.is_multiple_of(8));
            }
        }
    }
}
