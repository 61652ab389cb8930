//! Pooling: [`window`] launches `kernels/pool.cu`, [`global`] `kernels/pool_global.cu`.

mod global;
mod window;

use super::Cuda;
use crate::Result;
use crate::backend::PoolKernels;
use crate::backend::pool::{GlobalPool, GlobalPoolShape, MaxPoolShape};
use crate::memory::{Destination, Slice, SliceMut};

impl PoolKernels for Cuda {
    fn max_pool(&self, shape: &MaxPoolShape, input: Slice, output: SliceMut) -> Result<()> {
        self.window_maxima(shape, input, output)
    }

    fn max_pool_gradient(
        &self,
        shape: &MaxPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        self.window_gradient(shape, input, output_gradient, input_gradient)
    }

    fn global_pool(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        self.whole_pictures(kind, shape, input, output)
    }

    fn global_pool_gradient(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        self.whole_pictures_gradient(kind, shape, input, output_gradient, input_gradient)
    }
}
