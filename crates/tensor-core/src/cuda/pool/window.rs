//! Maxima over windows, and their gradient.

use crate::backend::pool::MaxPoolShape;
use crate::cuda::Cuda;
use crate::cuda::launch::{DeviceParameter, index};
use crate::cuda::rows::pack;
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::{Error, Result};

const THREADS: usize = 256;

/// Places of maxima that a block of the gradient keeps: what 48 KiB of shared memory hold.
const MOST_PLACES: usize = 48 * 1024 / size_of::<u16>();

/// Rows and columns of a block of the gradient at most, as a power of two: with windows of three at a
/// stride of two a quarter of the windows is then computed twice.
const SIDE_LOG2: u32 = 4;

/// Channels of such a block at most: lines of 128 bytes.
const TILE_BYTES: usize = 128;

/// A pooling as kernels take it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Windows {
    n: u32,
    h: u32,
    w: u32,
    c: u32,
    p: u32,
    q: u32,
    window: [u32; 2],
    stride: [u32; 2],
    padding: [u32; 2],
    vectors: u32,
}

// SAFETY: 32-bit numbers in the order of the kernels' own struct.
unsafe impl DeviceParameter for Windows {}

impl Windows {
    fn new(op: &'static str, shape: &MaxPoolShape, pack: usize) -> Result<Windows> {
        index(op, "the input", shape.input_len())?;
        index(op, "the output", shape.output_len())?;
        // Sizes and padding are below the input's; a window is below twice that, and a stride
        // beyond it is as good as one of that length.
        let both = |values: [usize; 2]| values.map(|value| value.min(i32::MAX as usize) as u32);
        let [n, h, w, c] = [shape.n, shape.h, shape.w, shape.c].map(|length| length as u32);
        let [p, q] = [shape.p(), shape.q()].map(|length| length as u32);
        let (window, stride, padding) =
            (both(shape.window), both(shape.stride), both(shape.padding));
        Ok(Windows { n, h, w, c, p, q, window, stride, padding, vectors: u32::from(pack > 1) })
    }
}

/// How blocks of the gradient lie over the input.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Tiles {
    shape: Windows,
    side_log2: u32,
    packs_log2: u32,
    tiles: [u32; 3],
    windows: [u32; 2],
    accumulate: u32,
}

// SAFETY: 32-bit numbers in the order of the kernel's own struct.
unsafe impl DeviceParameter for Tiles {}

impl Tiles {
    /// The largest tiles whose windows' places fit the shared memory; first the pixels shrink, then the
    /// channels.
    fn new(
        op: &'static str,
        shape: &MaxPoolShape,
        [pack, element]: [usize; 2],
        accumulate: bool,
    ) -> Result<Tiles> {
        let windows = Windows::new(op, shape, pack)?;
        let packs = shape.c / pack;
        let widest = (TILE_BYTES / (pack * element)).min(packs.next_power_of_two()).ilog2();
        let choices =
            (0..=widest).rev().flat_map(|packs| (0..=SIDE_LOG2).rev().map(move |s| [s, packs]));
        let fits = |&[side_log2, packs_log2]: &[u32; 2]| {
            let [down, across] = reaching(shape, 1 << side_log2);
            let places =
                down.checked_mul(across).and_then(|all| all.checked_mul(pack << packs_log2));
            places.is_some_and(|places| places <= MOST_PLACES)
        };
        // A place is kept in 16 bits.
        let place_fits = shape.window[0].saturating_mul(shape.window[1]) <= 1 << 16;
        let chosen = choices.into_iter().find(fits).filter(|_| place_fits);
        let [side_log2, packs_log2] = chosen.ok_or_else(|| too_many_windows(op, shape))?;
        let tiles = [shape.h.div_ceil(1 << side_log2), shape.w.div_ceil(1 << side_log2)];
        let [down, across] = tiles.map(|tiles| tiles as u32);
        let tiles = [down, across, packs.div_ceil(1 << packs_log2) as u32];
        let windows_of_tile = reaching(shape, 1 << side_log2).map(|windows| windows as u32);
        Ok(Tiles {
            shape: windows,
            side_log2,
            packs_log2,
            tiles,
            windows: windows_of_tile,
            accumulate: u32::from(accumulate),
        })
    }

    /// Bytes of shared memory: two a window, channel and block.
    fn shared(&self, pack: usize) -> usize {
        let [down, across] = self.windows.map(|windows| windows as usize);
        down * across * (pack << self.packs_log2) * size_of::<u16>()
    }

    fn blocks(&self) -> usize {
        self.tiles.iter().map(|&tiles| tiles as usize).product::<usize>() * self.shape.n as usize
    }
}

/// How many windows reach a stretch of `side` pixels, down and across.
fn reaching(shape: &MaxPoolShape, side: usize) -> [usize; 2] {
    let windows = [shape.p(), shape.q()];
    [0, 1].map(|axis| {
        let reach = (side + shape.window[axis] - 2) / shape.stride[axis] + 1;
        reach.min(windows[axis])
    })
}

fn too_many_windows(op: &'static str, shape: &MaxPoolShape) -> Error {
    let message = format!(
        "windows of {:?} at strides of {:?} overlap too much for a block's shared memory; use smaller \
         windows or longer strides",
        shape.window, shape.stride
    );
    Error::Unsupported { op, device: "cuda".to_string(), message }
}

impl Cuda {
    pub(super) fn window_maxima(
        &self,
        shape: &MaxPoolShape,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        let pack = pack(shape.c, input.dtype(), &[input.address(), output.address()]);
        let windows = Windows::new("max_pool", shape, pack)?;
        let row_blocks = (shape.q() * (shape.c / pack)).div_ceil(THREADS);
        self.launch("pool", &format!("pool_max_{}", input.dtype()))?
            .read(input)
            .write(&output)
            .value(windows)
            .run([shape.n * shape.p(), row_blocks, 1], THREADS)
    }

    pub(super) fn window_gradient(
        &self,
        shape: &MaxPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        const OP: &str = "max_pool.gradient";
        let Destination { slice: to, mode } = input_gradient;
        let dtype = input.dtype();
        let addresses = [input.address(), output_gradient.address(), to.address()];
        let pack = pack(shape.c, dtype, &addresses);
        let accumulate = mode == WriteMode::Accumulate;
        let tiles = Tiles::new(OP, shape, [pack, dtype.size()], accumulate)?;
        self.launch("pool", &format!("pool_max_gradient_{dtype}"))?
            .read(input)
            .read(output_gradient)
            .write(&to)
            .value(tiles)
            .shared(tiles.shared(pack))
            .run([tiles.blocks(), 1, 1], THREADS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OP: &str = "max_pool.gradient";

    fn shape(window: usize, stride: usize, padding: usize, hw: usize, c: usize) -> MaxPoolShape {
        let (window, stride, padding) = ([window; 2], [stride; 2], [padding; 2]);
        MaxPoolShape { n: 2, h: hw, w: hw, c, window, stride, padding }
    }

    #[test]
    fn tiles_of_a_residual_network_are_large() {
        let tiles = Tiles::new(OP, &shape(3, 2, 1, 112, 64), [8, 2], false).expect("fits");
        assert_eq!((tiles.side_log2, tiles.packs_log2, tiles.windows), (4, 3, [9, 9]));
        assert_eq!((tiles.tiles, tiles.blocks()), ([7, 7, 1], 98));
        assert_eq!(tiles.shared(8), 9 * 9 * 64 * 2);
    }

    #[test]
    fn tiles_shrink_until_their_places_fit() {
        for (window, pack) in [(7, 8), (31, 8), (60, 4), (101, 1)] {
            let shape = shape(window, 1, window / 2, 200, 64);
            let tiles = Tiles::new(OP, &shape, [pack, 16 / pack.max(4)], false).expect("fits");
            assert!(tiles.shared(pack) <= 48 * 1024, "{tiles:?}");
        }
    }

    #[test]
    fn windows_that_overlap_too_much_are_refused_by_name() {
        let refused =
            Tiles::new(OP, &shape(255, 1, 127, 300, 1), [1, 4], false).expect_err("too many");
        assert!(refused.to_string().contains("overlap"), "{refused}");
    }
}
