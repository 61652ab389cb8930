//! Not there yet.

use crate::Result;
use crate::backend::ReduceKernels;
use crate::backend::reduce::{Axis, Reduction};
use crate::cuda::Cuda;
use crate::memory::{Slice, SliceMut};

impl ReduceKernels for Cuda {
    fn reduce(
        &self,
        _: Reduction,
        _: Axis,
        _: usize,
        _: usize,
        _: Slice,
        _: SliceMut,
    ) -> Result<()> {
        Err(super::missing("reduce"))
    }
}
