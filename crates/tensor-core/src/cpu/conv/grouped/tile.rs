//! The micro-kernels of grouped convolutions, for each instruction set.

use std::marker::PhantomData;

use super::super::super::InstructionSet;
#[cfg(target_arch = "x86_64")]
use super::super::super::vector::{Avx2, Avx512};
use super::super::super::vector::{MOST_LANES, Portable, Vector};

/// Channels of a group that an outer tile takes at once, where groups have so many.
pub(super) const OUTER_DEPTH: usize = 4;

/// Taps that an outer tile takes at once.
pub(super) const OUTER_TAPS: usize = 3;

/// Sums over taps and depth of output pixels side by side, for a register's channels.
pub(super) struct ProductTile {
    /// `[taps]`: what the first pixel reads.
    pub sources: *const *const f32,
    /// `[taps]`: `depth` registers of weights.
    pub weights: *const *const f32,
    pub taps: usize,
    pub depth: usize,
    /// Floats from what a pixel reads to what the next reads.
    pub pixel_step: usize,
    pub target: *mut f32,
    /// Floats from an output pixel to the next.
    pub target_step: usize,
    pub accumulate: bool,
}

/// Sums over pixels of a register's gradients times what the taps read.
pub(super) struct OuterTile {
    /// What the first pixel reads at each tap.
    pub sources: [*const f32; OUTER_TAPS],
    pub pixel_step: usize,
    /// The first pixel's gradients.
    pub gradients: *const f32,
    pub gradient_step: usize,
    pub pixels: usize,
    /// Where each tap's registers of sums lie, which are added to.
    pub sums: [*mut f32; OUTER_TAPS],
}

/// Pixels of a register's channels that become `width` registers each.
pub(super) struct Spread {
    pub from: *const f32,
    /// Floats from a pixel to the next.
    pub stride: usize,
    pub pixels: usize,
    /// Channels of a group: a divisor of the lanes.
    pub width: usize,
    pub to: *mut f32,
}

/// Tiles with their number of pixels, the longest first; the last is of one pixel.
type Products = [(usize, unsafe fn(&ProductTile)); 3];

/// Outer tiles of [`OUTER_TAPS`] taps and of one, each at depth [`OUTER_DEPTH`] and at 1.
type Outers = [[unsafe fn(&OuterTile); 2]; 2];

/// Of one instruction set. Pairs are of spread sources and of sources whose channels lanes share.
pub(super) struct Tiles {
    pub lanes: usize,
    pub products: [Products; 2],
    pub outers: [Outers; 2],
    pub spread: unsafe fn(&Spread),
    prefetch: unsafe fn(*const f32, usize),
}

macro_rules! tiles {
    ($module:ident, $vector:ty $(, features $features:literal)?) => {
        mod $module {
            use super::*;

            $(#[target_feature(enable = $features)])?
            unsafe fn product<const PIXELS: usize, const SHARED: bool>(tile: &ProductTile) {
                // SAFETY: the caller vouches for the pointers; features are enabled here.
                unsafe { product_tile::<$vector, PIXELS, SHARED>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn outer<const TAPS: usize, const DEPTH: usize, const SHARED: bool>(
                tile: &OuterTile,
            ) {
                // SAFETY: as above.
                unsafe { outer_tile::<$vector, TAPS, DEPTH, SHARED>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn spread(spread: &Spread) {
                // SAFETY: as above.
                unsafe {
                    match spread.width {
                        1 => spread_pixels::<$vector, 1>(spread),
                        2 => spread_pixels::<$vector, 2>(spread),
                        4 => spread_pixels::<$vector, 4>(spread),
                        8 => spread_pixels::<$vector, 8>(spread),
                        width => unreachable!("groups of {width} divide no register"),
                    }
                }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn prefetch(first: *const f32, len: usize) {
                /// Floats of a cache line.
                const LINE: usize = 16;
                for at in (0..len).step_by(LINE) {
                    // SAFETY: as above.
                    unsafe { <$vector>::prefetch(first.wrapping_add(at)) };
                }
            }

            pub(super) static TILES: Tiles = Tiles {
                lanes: <$vector as Vector>::LANES,
                products: [
                    [(14, product::<14, false>), (7, product::<7, false>), (1, product::<1, false>)],
                    [(14, product::<14, true>), (7, product::<7, true>), (1, product::<1, true>)],
                ],
                outers: [
                    [
                        [outer::<OUTER_TAPS, OUTER_DEPTH, false>, outer::<OUTER_TAPS, 1, false>],
                        [outer::<1, OUTER_DEPTH, false>, outer::<1, 1, false>],
                    ],
                    [
                        [outer::<OUTER_TAPS, OUTER_DEPTH, true>, outer::<OUTER_TAPS, 1, true>],
                        [outer::<1, OUTER_DEPTH, true>, outer::<1, 1, true>],
                    ],
                ],
                spread,
                prefetch,
            };
        }
    };
}

tiles!(portable, Portable);
#[cfg(target_arch = "x86_64")]
tiles!(avx2, Avx2, features "avx2,fma");
#[cfg(target_arch = "x86_64")]
tiles!(avx512, Avx512, features "avx2,fma,avx512f,avx512dq,avx512bw,avx512vl");

impl Tiles {
    /// The tiles of an instruction set, which this processor must have.
    pub fn of(instruction_set: InstructionSet) -> &'static Tiles {
        debug_assert!(instruction_set.is_available());
        match instruction_set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => &avx512::TILES,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => &avx2::TILES,
            _ => &portable::TILES,
        }
    }

    /// Asks for elements, which may be anywhere, to be brought near.
    pub fn prefetch(&self, first: *const f32, len: usize) {
        // SAFETY: a hint; whoever has these tiles has the instructions.
        unsafe { (self.prefetch)(first, len) };
    }
}

/// What lanes multiply at depth `depth`.
///
/// # Safety
/// A register, or one float if `SHARED`, can be read there.
#[inline(always)]
unsafe fn read<V: Vector, const SHARED: bool>(source: *const f32, depth: usize) -> V {
    // SAFETY: the caller vouches for it.
    unsafe {
        if SHARED { V::splat(*source.add(depth)) } else { V::load(source.add(depth * V::LANES)) }
    }
}

/// # Safety
/// The tile's pointers are valid as its fields say, and the processor has the vector's instructions.
#[inline(always)]
unsafe fn product_tile<V: Vector, const PIXELS: usize, const SHARED: bool>(tile: &ProductTile) {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let mut sums = [V::zero(); PIXELS];
        for tap in 0..tile.taps {
            let (source, weights) = (*tile.sources.add(tap), *tile.weights.add(tap));
            for depth in 0..tile.depth {
                let weight = V::load(weights.add(depth * V::LANES));
                for pixel in 0..PIXELS {
                    let value = read::<V, SHARED>(source.add(pixel * tile.pixel_step), depth);
                    sums[pixel] = sums[pixel].add_product(value, weight);
                }
            }
        }
        for pixel in 0..PIXELS {
            let target = tile.target.add(pixel * tile.target_step);
            let sum = sums[pixel];
            let sum = if tile.accumulate { V::load(target).add(sum) } else { sum };
            sum.store(target);
        }
    }
}

/// # Safety
/// As [`product_tile`]; the first `TAPS` sources and sums count.
#[inline(always)]
unsafe fn outer_tile<V: Vector, const TAPS: usize, const DEPTH: usize, const SHARED: bool>(
    tile: &OuterTile,
) {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        let mut sums = [[V::zero(); DEPTH]; TAPS];
        for pixel in 0..tile.pixels {
            let gradient = V::load(tile.gradients.add(pixel * tile.gradient_step));
            for tap in 0..TAPS {
                let source = tile.sources[tap].add(pixel * tile.pixel_step);
                for depth in 0..DEPTH {
                    let value = read::<V, SHARED>(source, depth);
                    sums[tap][depth] = sums[tap][depth].add_product(value, gradient);
                }
            }
        }
        for tap in 0..TAPS {
            for depth in 0..DEPTH {
                let target = tile.sums[tap].add(depth * V::LANES);
                V::load(target).add(sums[tap][depth]).store(target);
            }
        }
    }
}

/// Which lane of a pixel's register each lane of the spread registers comes from.
struct Sources<V, const WIDTH: usize>(PhantomData<V>);

impl<V: Vector, const WIDTH: usize> Sources<V, WIDTH> {
    const LANES: [[i32; MOST_LANES]; WIDTH] = {
        let mut lanes = [[0; MOST_LANES]; WIDTH];
        let mut place = 0;
        while place < WIDTH * V::LANES {
            let (depth, lane) = (place / V::LANES, place % V::LANES);
            lanes[depth][lane] = (lane / WIDTH * WIDTH + depth) as i32;
            place += 1;
        }
        lanes
    };
}

/// # Safety
/// As many pixels of `LANES` channels can be read as pixels of `WIDTH` registers written.
#[inline(always)]
unsafe fn spread_pixels<V: Vector, const WIDTH: usize>(spread: &Spread) {
    for pixel in 0..spread.pixels {
        // SAFETY: the caller vouches for both sides; the lanes lie in a register.
        unsafe {
            let channels = V::load(spread.from.add(pixel * spread.stride));
            let to = spread.to.add(pixel * WIDTH * V::LANES);
            for depth in 0..WIDTH {
                channels
                    .permute(&Sources::<V, WIDTH>::LANES[depth])
                    .store(to.add(depth * V::LANES));
            }
        }
    }
}
