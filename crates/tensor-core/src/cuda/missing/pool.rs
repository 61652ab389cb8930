//! Not there yet.

use crate::Result;
use crate::backend::PoolKernels;
use crate::backend::pool::{GlobalPool, GlobalPoolShape, MaxPoolShape};
use crate::cuda::Cuda;
use crate::memory::{Destination, Slice, SliceMut};

impl PoolKernels for Cuda {
    fn max_pool(&self, _: &MaxPoolShape, _: Slice, _: SliceMut) -> Result<()> {
        Err(super::missing("pool"))
    }

    fn max_pool_gradient(
        &self,
        _: &MaxPoolShape,
        _: Slice,
        _: Slice,
        _: Destination,
    ) -> Result<()> {
        Err(super::missing("pool"))
    }

    fn global_pool(&self, _: GlobalPool, _: &GlobalPoolShape, _: Slice, _: SliceMut) -> Result<()> {
        Err(super::missing("pool"))
    }

    fn global_pool_gradient(
        &self,
        _: GlobalPool,
        _: &GlobalPoolShape,
        _: Slice,
        _: Slice,
        _: Destination,
    ) -> Result<()> {
        Err(super::missing("pool"))
    }
}
