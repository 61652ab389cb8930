//! Not there yet.

use crate::Result;
use crate::backend::OptimizerKernels;
use crate::backend::optimizer::{AdamStep, Segment, SgdStep};
use crate::cuda::Cuda;
use crate::memory::{Slice, SliceMut};
use std::ops::Range;

impl OptimizerKernels for Cuda {
    fn sgd_step(
        &self,
        _: &SgdStep,
        _: &[Segment],
        _: Slice,
        _: SliceMut,
        _: Option<SliceMut>,
        _: SliceMut,
    ) -> Result<()> {
        Err(super::missing("optimizer"))
    }

    fn adam_step(
        &self,
        _: &AdamStep,
        _: &[Segment],
        _: Slice,
        _: SliceMut,
        _: Option<SliceMut>,
        _: SliceMut,
        _: SliceMut,
    ) -> Result<()> {
        Err(super::missing("optimizer"))
    }

    fn sum_of_squares(&self, _: &[Range<usize>], _: Slice) -> Result<f64> {
        Err(super::missing("optimizer"))
    }
}
