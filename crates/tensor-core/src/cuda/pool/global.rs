//! Means and maxima of whole pictures, and their gradients.

use crate::Result;
use crate::backend::pool::{GlobalPool, GlobalPoolShape};
use crate::cuda::Cuda;
use crate::cuda::launch::{DeviceParameter, index};
use crate::cuda::rows::{ROW_THREADS, RowTiles, pack};
use crate::memory::{Address, Destination, Slice, SliceMut, WriteMode};

/// No column of the output holds this.
const NOT_WANTED: i32 = -1;

/// How blocks lie over the pictures, and which columns hold what.
#[repr(C)]
#[derive(Clone, Copy)]
struct Pictures {
    tiles: RowTiles,
    columns: u32,
    maximum: i32,
    mean: i32,
    accumulate: u32,
}

// SAFETY: 32-bit numbers in the order of the kernels' own struct.
unsafe impl DeviceParameter for Pictures {}

impl Pictures {
    /// One block down the pixels of each picture.
    fn new(
        op: &'static str,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        pack: usize,
        accumulate: bool,
    ) -> Result<Pictures> {
        let GlobalPoolShape { n, pixels, c } = *shape;
        index(op, "the input", n * pixels * c)?;
        let tiles = RowTiles::of_parts(op, [pixels, c], pixels, pack)?;
        let (maximum, mean) = match kind {
            GlobalPool::Average => (NOT_WANTED, 0),
            GlobalPool::Maximum => (0, NOT_WANTED),
            GlobalPool::MaximumAverage => (0, c as i32),
        };
        let columns = kind.columns(c) as u32;
        Ok(Pictures { tiles, columns, maximum, mean, accumulate: u32::from(accumulate) })
    }
}

impl Cuda {
    pub(super) fn whole_pictures(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        let dtype = input.dtype();
        let pack = pack(shape.c, dtype, &[input.address(), output.address()]);
        let pictures = Pictures::new("global_pool", kind, shape, pack, false)?;
        self.launch("pool_global", &format!("pool_global_reduce_{dtype}"))?
            .read(input)
            .write(&output)
            .value(pictures)
            .run([pictures.tiles.tiles() * shape.n, 1, 1], ROW_THREADS)
    }

    pub(super) fn whole_pictures_gradient(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        let Destination { slice: to, mode } = input_gradient;
        let accumulate = mode == WriteMode::Accumulate;
        let addresses: [Address; 3] = [input.address(), output_gradient.address(), to.address()];
        let pack = pack(shape.c, input.dtype(), &addresses);
        let pictures = Pictures::new("global_pool.gradient", kind, shape, pack, accumulate)?;
        self.launch("pool_global", &format!("pool_global_gradient_{}", input.dtype()))?
            .read(input)
            .read(output_gradient)
            .write(&to)
            .value(pictures)
            .run([pictures.tiles.tiles() * shape.n, 1, 1], ROW_THREADS)
    }
}
