//! The two micro-kernels, generic over the vector type, and the table of their instances.
//!
//! Both keep a tile of sums in registers for a whole reduction. The tile sizes fill the register
//! file: with 32 registers 12 x 2 or 13 x 2 sums, two vectors of the panel and a broadcast; with 16
//! registers 6 x 2.

use super::super::InstructionSet;
#[cfg(target_arch = "x86_64")]
use super::super::vector::{Avx2, Avx512};
use super::super::vector::{Portable, Vector};

/// Floats of a cache line.
pub(super) const CACHE_LINE: usize = 16;

/// What a row tile reads and writes: `rows x columns` sums over taps and depth.
pub(super) struct RowTile {
    /// `[taps, tile rows]` pointers to `depth` floats each, all valid.
    pub sources: *const *const f32,
    pub taps: usize,
    pub depth: usize,
    /// `[taps, depth, panel columns]`.
    pub panel: *const f32,
    /// `[rows]` pointers to rows of the target.
    pub targets: *const *mut f32,
    /// Where in a target row the panel's first column belongs.
    pub first_column: usize,
    /// How many rows and columns of the tile are written.
    pub rows: usize,
    pub columns: usize,
    pub accumulate: bool,
    /// What is read soon after: a low tile asks for a cache line of it at each step of its depth.
    pub ahead: *const f32,
}

/// What an outer tile reads and writes: `rows x columns` sums over pixels.
pub(super) struct OuterTile {
    /// A tile's rows for each pixel, and how far apart.
    pub left: *const f32,
    pub left_stride: usize,
    /// A panel's columns for each pixel, and how far apart.
    pub right: *const f32,
    pub right_stride: usize,
    pub pixels: usize,
    pub target: *mut f32,
    pub target_stride: usize,
    /// How many rows and columns of the tile are written.
    pub rows: usize,
    pub columns: usize,
    pub accumulate: bool,
}

/// Rows of a matrix of which a tile's worth of columns is packed.
pub(super) struct PackLeft {
    pub source: *const f32,
    pub source_stride: usize,
    pub pixels: usize,
    /// How many columns there are; the rest of the tile becomes zero.
    pub columns: usize,
    /// `[pixels, tile rows]`.
    pub packed: *mut f32,
}

/// Rows that are gathered into a panel.
pub(super) struct PackRight {
    /// `[pixels]` pointers to rows; null where a row is zero.
    pub sources: *const *const f32,
    pub first_column: usize,
    pub pixels: usize,
    /// How many columns there are from there; the rest of the panel becomes zero.
    pub columns: usize,
    /// `[pixels, panel columns]`.
    pub packed: *mut f32,
}

/// A row tile's number of rows, and the tile.
type PanelRowTile = (usize, unsafe fn(&RowTile));

/// The micro-kernels of an instruction set and the sizes of their tiles.
pub(in crate::cpu) struct Kernels {
    /// Rows of a row tile; divides the 84 that parts of an output are aligned to.
    pub(super) row_tile_rows: usize,
    /// Rows of an outer tile.
    pub(super) outer_tile_rows: usize,
    /// Columns of a panel, of both kinds of tile.
    pub(in crate::cpu) columns: usize,
    pub(super) row_tile: unsafe fn(&RowTile),
    /// Row tiles for small products, each with its number of rows, the tallest first: they ask for what
    /// is `ahead`.
    pub(super) panel_row_tiles: &'static [PanelRowTile],
    pub(super) outer_tile: unsafe fn(&OuterTile),
    pub(super) pack_left: unsafe fn(&PackLeft),
    pub(super) pack_right: unsafe fn(&PackRight),
}

macro_rules! kernels {
    ($module:ident, $vector:ty, $vectors:literal, rows $rows:literal or $($low:literal)*,
     outer $outer:literal $(, features $features:literal)?) => {
        mod $module {
            use super::*;

            $(#[target_feature(enable = $features)])?
            unsafe fn row<const ROWS: usize, const AHEAD: bool>(tile: &RowTile) {
                // SAFETY: the caller vouches for the pointers; features are enabled here.
                unsafe { row_tile::<$vector, ROWS, $vectors, AHEAD>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn outer(tile: &OuterTile) {
                // SAFETY: as above.
                unsafe { outer_tile::<$vector, $outer, $vectors>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn left(pack: &PackLeft) {
                // SAFETY: as above.
                unsafe { pack_left::<$outer>(pack) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn right(pack: &PackRight) {
                // SAFETY: as above.
                unsafe { pack_right::<$vector, $vectors>(pack) }
            }

            pub(super) static KERNELS: Kernels = Kernels {
                row_tile_rows: $rows,
                outer_tile_rows: $outer,
                columns: $vectors * <$vector as Vector>::LANES,
                row_tile: row::<$rows, false>,
                panel_row_tiles: &[$(($low, row::<$low, true>)),*],
                outer_tile: outer,
                pack_left: left,
                pack_right: right,
            };
        }
    };
}

kernels!(portable, Portable, 1, rows 4 or 4 3 2, outer 4);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, Avx2, 2, rows 6 or 6 5 4 3, outer 6, features "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(avx512, Avx512, 2, rows 12 or 12 11 10 9 8 7 6, outer 13,
         features "avx2,fma,avx512f,avx512dq,avx512bw,avx512vl");

impl Kernels {
    /// The kernels of an instruction set, which this processor must have.
    pub(in crate::cpu) fn of(instruction_set: InstructionSet) -> &'static Kernels {
        debug_assert!(instruction_set.is_available());
        match instruction_set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => &avx512::KERNELS,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => &avx2::KERNELS,
            _ => &portable::KERNELS,
        }
    }

    /// Rows of an outer tile.
    pub(in crate::cpu) fn outer_tile_rows(&self) -> usize {
        self.outer_tile_rows
    }

    /// The row tile for small products, with its number of rows, that computes `rows` rows in the fewest
    /// tiles with the fewest idle rows.
    pub(super) fn panel_row_tile(&self, rows: usize) -> PanelRowTile {
        let tiles = rows.div_ceil(self.row_tile_rows);
        let suffices = |(height, _): &&PanelRowTile| rows.div_ceil(*height) == tiles;
        let lowest = self.panel_row_tiles.iter().rev().find(suffices);
        *lowest.unwrap_or(&self.panel_row_tiles[0])
    }
}

/// # Safety
/// The tile's pointers are valid as its fields say, and the processor has the vector's instructions.
#[inline(always)]
unsafe fn row_tile<V, const ROWS: usize, const VECTORS: usize, const AHEAD: bool>(tile: &RowTile)
where
    V: Vector,
{
    // SAFETY: the caller vouches for the pointers: every source has `depth` floats, the panel
    // `taps * depth` rows of columns.
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        let (mut panel, mut ahead) = (tile.panel, tile.ahead);
        for tap in 0..tile.taps {
            let sources: [*const f32; ROWS] =
                tile.sources.add(tap * ROWS).cast::<[_; ROWS]>().read();
            for depth in 0..tile.depth {
                let right = load_columns::<V, VECTORS>(panel);
                for row in 0..ROWS {
                    let left = V::splat(*sources[row].add(depth));
                    for vector in 0..VECTORS {
                        sums[row][vector] = sums[row][vector].add_product(left, right[vector]);
                    }
                }
                panel = panel.add(VECTORS * V::LANES);
                if AHEAD {
                    V::prefetch_second_level(ahead);
                    ahead = ahead.wrapping_add(CACHE_LINE);
                }
            }
        }
        for row in 0..ROWS {
            if row < tile.rows {
                let target = (*tile.targets.add(row)).add(tile.first_column);
                store_columns(sums[row], target, tile.columns, tile.accumulate);
            }
        }
    }
}

/// # Safety
/// The tile's pointers are valid as its fields say, and the processor has the vector's instructions.
#[inline(always)]
unsafe fn outer_tile<V: Vector, const ROWS: usize, const VECTORS: usize>(tile: &OuterTile) {
    // SAFETY: the caller vouches for the pointers: both sides have `pixels` rows.
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        if tile.accumulate {
            // The sums so far are far away and needed at the end.
            for row in 0..ROWS {
                let target = tile.target.wrapping_add(row * tile.target_stride);
                for vector in 0..VECTORS {
                    V::prefetch(target.wrapping_add(vector * V::LANES));
                }
            }
        }
        let (mut left, mut right) = (tile.left, tile.right);
        for _ in 0..tile.pixels {
            let columns = load_columns::<V, VECTORS>(right);
            for row in 0..ROWS {
                let factor = V::splat(*left.add(row));
                for vector in 0..VECTORS {
                    sums[row][vector] = sums[row][vector].add_product(factor, columns[vector]);
                }
            }
            left = left.wrapping_add(tile.left_stride);
            right = right.wrapping_add(tile.right_stride);
        }
        for row in 0..ROWS {
            if row < tile.rows {
                let target = tile.target.add(row * tile.target_stride);
                store_columns(sums[row], target, tile.columns, tile.accumulate);
            }
        }
    }
}

#[inline(always)]
unsafe fn load_columns<V: Vector, const VECTORS: usize>(from: *const f32) -> [V; VECTORS] {
    // SAFETY: the caller vouches for `VECTORS * LANES` floats.
    unsafe {
        let mut columns = [V::zero(); VECTORS];
        for vector in 0..VECTORS {
            columns[vector] = V::load(from.add(vector * V::LANES));
        }
        columns
    }
}

/// Writes the first `columns` of a row of sums.
#[inline(always)]
unsafe fn store_columns<V: Vector, const VECTORS: usize>(
    sums: [V; VECTORS],
    target: *mut f32,
    columns: usize,
    accumulate: bool,
) {
    // SAFETY: the caller vouches for `columns` floats at the target.
    unsafe {
        for vector in 0..VECTORS {
            let first = vector * V::LANES;
            if columns >= first + V::LANES {
                let target = target.add(first);
                let sum = sums[vector];
                let sum = if accumulate { V::load(target).add(sum) } else { sum };
                sum.store(target);
            } else if columns > first {
                let (target, count) = (target.add(first), columns - first);
                let sum = sums[vector];
                let sum = if accumulate { V::load_first(target, count).add(sum) } else { sum };
                sum.store_first(target, count);
            }
        }
    }
}

/// # Safety
/// `pixels` rows of `columns` floats, `source_stride` apart, can be read; `pixels * ROWS` written.
#[inline(always)]
unsafe fn pack_left<const ROWS: usize>(pack: &PackLeft) {
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        for pixel in 0..pack.pixels {
            let from = pack.source.add(pixel * pack.source_stride);
            let to = pack.packed.add(pixel * ROWS);
            if pack.columns >= ROWS {
                to.cast::<[f32; ROWS]>().write(from.cast::<[f32; ROWS]>().read());
            } else {
                for row in 0..ROWS {
                    to.add(row).write(if row < pack.columns { *from.add(row) } else { 0.0 });
                }
            }
        }
    }
}

/// # Safety
/// Every source is null or has `columns` floats from `first_column` on, and `pixels` rows of the panel can be written.
#[inline(always)]
unsafe fn pack_right<V: Vector, const VECTORS: usize>(pack: &PackRight) {
    let width = VECTORS * V::LANES;
    // SAFETY: the caller vouches for both sides.
    unsafe {
        for pixel in 0..pack.pixels {
            let from = *pack.sources.add(pixel);
            let to = pack.packed.add(pixel * width);
            let columns = if from.is_null() { 0 } else { pack.columns };
            let from = from.wrapping_add(pack.first_column);
            for vector in 0..VECTORS {
                let first = vector * V::LANES;
                let lanes = if columns >= first + V::LANES {
                    V::load(from.add(first))
                } else if columns > first {
                    V::load_first(from.add(first), columns - first)
                } else {
                    V::zero()
                };
                lanes.store(to.add(first));
            }
        }
    }
}
