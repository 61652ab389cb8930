//! The transforms of whole tiles, all channels of them, and the table of their instances.

use super::Tile;
use super::transform::{Filter, FilterGradient, Input, Linear, Output, OutputGradient};
use crate::cpu::InstructionSet;
#[cfg(target_arch = "x86_64")]
use crate::cpu::vector::{Avx2, Avx512};
use crate::cpu::vector::{Portable, Vector};

/// A square of elements, each a run of channels, of which some may lie outside of a picture: those
/// read as zero and are not written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patch<P> {
    /// Element (0, 0), even if it lies outside.
    pub first: P,
    /// Floats from a row to the next and from a column to the next.
    pub strides: [isize; 2],
    /// First row and column inside, and those after the last.
    pub begin: [usize; 2],
    pub end: [usize; 2],
}

impl<P> Patch<P> {
    /// A patch without a picture's edge.
    pub fn whole(first: P, strides: [isize; 2]) -> Patch<P> {
        Patch { first, strides, begin: [0; 2], end: [usize::MAX; 2] }
    }

    #[inline(always)]
    fn is_whole(&self, size: usize) -> bool {
        self.begin == [0, 0] && self.end.iter().all(|end| *end >= size)
    }

    #[inline(always)]
    fn has(&self, row: usize, column: usize) -> bool {
        let rows = self.begin[0]..self.end[0];
        rows.contains(&row) && (self.begin[1]..self.end[1]).contains(&column)
    }

    #[inline(always)]
    fn offset(&self, row: usize, column: usize) -> isize {
        row as isize * self.strides[0] + column as isize * self.strides[1]
    }
}

/// What a transform reads and writes.
pub(super) struct Transform {
    pub source: Patch<*const f32>,
    pub target: Patch<*mut f32>,
    /// Floats of each element.
    pub channels: usize,
    /// Whether the target's elements are added to.
    pub accumulate: bool,
    /// How far behind the source that of the next transform lies, in floats, if it is far from this
    /// core: it is asked for early.
    pub ahead: Option<isize>,
}

/// A function that carries a transform out. Whoever calls it vouches that all elements inside of
/// both patches have `channels` floats, and that the processor has the instructions.
pub(super) type Kernel = unsafe fn(&Transform);

/// The transforms of a tile size on an instruction set.
pub(super) struct Kernels {
    pub input: Kernel,
    pub output: Kernel,
    pub output_gradient: Kernel,
    pub filter: Kernel,
    pub filter_gradient: Kernel,
}

macro_rules! kernels {
    ($module:ident, $vector:ty, $outputs:literal, $points:literal $(, features $features:literal)?) => {
        mod $module {
            use super::*;

            $(#[target_feature(enable = $features)])?
            unsafe fn input(it: &Transform) {
                // SAFETY: the caller vouches for the elements; features are enabled here.
                unsafe { transform::<$vector, Input, $points, $points>(it) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn output(it: &Transform) {
                // SAFETY: as above.
                unsafe { transform::<$vector, Output, $points, $outputs>(it) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn output_gradient(it: &Transform) {
                // SAFETY: as above.
                unsafe { transform::<$vector, OutputGradient, $outputs, $points>(it) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn filter(it: &Transform) {
                // SAFETY: as above.
                unsafe { transform::<$vector, Filter, 3, $points>(it) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn filter_gradient(it: &Transform) {
                // SAFETY: as above.
                unsafe { transform::<$vector, FilterGradient, $points, 3>(it) }
            }

            pub(super) static KERNELS: Kernels =
                Kernels { input, output, output_gradient, filter, filter_gradient };
        }
    };
}

kernels!(portable_two, Portable, 2, 4);
kernels!(portable_four, Portable, 4, 6);
#[cfg(target_arch = "x86_64")]
kernels!(avx2_two, Avx2, 2, 4, features "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(avx2_four, Avx2, 4, 6, features "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(avx512_two, Avx512, 2, 4, features "avx2,fma,avx512f,avx512dq,avx512bw,avx512vl");
#[cfg(target_arch = "x86_64")]
kernels!(avx512_four, Avx512, 4, 6, features "avx2,fma,avx512f,avx512dq,avx512bw,avx512vl");

impl Kernels {
    /// The transforms of a tile size on an instruction set, which this processor must have.
    pub fn of(tile: Tile, instruction_set: InstructionSet) -> &'static Kernels {
        debug_assert!(instruction_set.is_available());
        match (tile, instruction_set) {
            #[cfg(target_arch = "x86_64")]
            (Tile::Two, InstructionSet::Avx512) => &avx512_two::KERNELS,
            #[cfg(target_arch = "x86_64")]
            (Tile::Four, InstructionSet::Avx512) => &avx512_four::KERNELS,
            #[cfg(target_arch = "x86_64")]
            (Tile::Two, InstructionSet::Avx2) => &avx2_two::KERNELS,
            #[cfg(target_arch = "x86_64")]
            (Tile::Four, InstructionSet::Avx2) => &avx2_four::KERNELS,
            (Tile::Two, _) => &portable_two::KERNELS,
            (Tile::Four, _) => &portable_four::KERNELS,
        }
    }
}

/// What elements outside of a picture read, for as many channels.
static ZEROS: [f32; 2048] = [0.0; 2048];

/// # Safety
/// As [`Kernel`] says.
#[inline(always)]
unsafe fn transform<V: Vector, L: Linear<F, T>, const F: usize, const T: usize>(it: &Transform) {
    for first in (0..it.channels).step_by(ZEROS.len()) {
        let mut sources = [[ZEROS.as_ptr(); F]; F];
        for row in 0..F {
            for column in 0..F {
                if it.source.has(row, column) {
                    let at = it.source.first.wrapping_offset(it.source.offset(row, column));
                    sources[row][column] = at.wrapping_add(first);
                }
            }
        }
        let channels = ZEROS.len().min(it.channels - first);
        // SAFETY: every source has `channels` floats, be they zeros; the caller vouches for the rest.
        unsafe {
            match (it.ahead, it.target.is_whole(T) && !it.accumulate) {
                (None, true) => piece::<V, L, F, T, false, true>(it, &sources, first, channels),
                (None, false) => piece::<V, L, F, T, false, false>(it, &sources, first, channels),
                (Some(_), _) => piece::<V, L, F, T, true, true>(it, &sources, first, channels),
            }
        }
    }
}

/// Transforms `channels` channels from `first` on, which begin at `sources`. `AHEAD` says whether to ask
/// for the next source, `WHOLE` whether the target has no edge and is not added to.
///
/// # Safety
/// As [`Kernel`] says, for these channels.
#[inline(always)]
unsafe fn piece<
    V: Vector,
    L: Linear<F, T>,
    const F: usize,
    const T: usize,
    const AHEAD: bool,
    const WHOLE: bool,
>(
    it: &Transform,
    sources: &[[*const f32; F]; F],
    first: usize,
    channels: usize,
) {
    let ahead = it.ahead.unwrap_or(0);
    for channel in (0..channels).step_by(V::LANES) {
        let count = channels - channel;
        // SAFETY: `count` channels are left in every source and in the target's elements inside.
        unsafe {
            let mut half = [[V::zero(); F]; T];
            for column in 0..F {
                let mut from = [V::zero(); F];
                for row in 0..F {
                    let at = sources[row][column].wrapping_add(channel);
                    from[row] = load(at, count);
                    if AHEAD {
                        V::prefetch(at.wrapping_offset(ahead));
                    }
                }
                let down = L::apply(from);
                for row in 0..T {
                    half[row][column] = down[row];
                }
            }
            for row in 0..T {
                let across = L::apply(half[row]);
                for column in 0..T {
                    if WHOLE || it.target.has(row, column) {
                        let at = it.target.first.wrapping_offset(it.target.offset(row, column));
                        let at = at.wrapping_add(first + channel);
                        let sum = across[column];
                        let sum = if !WHOLE && it.accumulate {
                            load::<V>(at, count).add(sum)
                        } else {
                            sum
                        };
                        if count >= V::LANES {
                            sum.store(at)
                        } else {
                            sum.store_first(at, count)
                        };
                    }
                }
            }
        }
    }
}

/// As many lanes as there are, at least one.
#[inline(always)]
unsafe fn load<V: Vector>(from: *const f32, count: usize) -> V {
    // SAFETY: the caller vouches for `count` floats.
    unsafe { if count >= V::LANES { V::load(from) } else { V::load_first(from, count) } }
}
