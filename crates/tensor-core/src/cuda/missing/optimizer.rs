//! Not there yet.

use crate::Result;
use crate::backend::OptimizerKernels;
use crate::cuda::Cuda;
use crate::memory::{Slice, SliceMut};
use std::ops::Range;

impl OptimizerKernels for Cuda {
    fn gradient_scale(&self, _: &[Range<usize>], _: Slice, _: Slice, _: SliceMut) -> Result<()> {
        Err(super::missing("optimizer"))
    }

    fn sgd_step(
        &self,
        _: &[Range<usize>],
        _: Slice,
        _: Slice,
        _: Slice,
        _: SliceMut,
        _: Option<SliceMut>,
        _: SliceMut,
    ) -> Result<()> {
        Err(super::missing("optimizer"))
    }

    fn adam_step(
        &self,
        _: &[Range<usize>],
        _: Slice,
        _: Slice,
        _: Slice,
        _: SliceMut,
        _: Option<SliceMut>,
        _: SliceMut,
        _: SliceMut,
    ) -> Result<()> {
        Err(super::missing("optimizer"))
    }

    fn commit(&self, _: Slice, _: Slice, _: SliceMut) -> Result<()> {
        Err(super::missing("optimizer"))
    }
}
