//! Not there yet.

use crate::Result;
use crate::backend::NormKernels;
use crate::backend::norm::{NormBackward, NormFactors, NormShape, NormStatistics};
use crate::cuda::Cuda;
use crate::memory::{Destination, Slice, SliceMut};

impl NormKernels for Cuda {
    fn norm_statistics(&self, _: &NormShape, _: Slice, _: SliceMut) -> Result<()> {
        Err(super::missing("norm"))
    }

    fn norm_finalise(
        &self,
        _: &NormShape,
        _: NormStatistics,
        _: Slice,
        _: Slice,
        _: f64,
        _: NormFactors,
    ) -> Result<()> {
        Err(super::missing("norm"))
    }

    fn norm_apply(
        &self,
        _: &NormShape,
        _: Slice,
        _: Slice,
        _: Slice,
        _: Option<Slice>,
        _: bool,
        _: SliceMut,
    ) -> Result<()> {
        Err(super::missing("norm"))
    }

    fn norm_backward_reduce(
        &self,
        _: &NormShape,
        _: NormBackward,
        _: SliceMut,
        _: SliceMut,
    ) -> Result<()> {
        Err(super::missing("norm"))
    }

    fn norm_backward_apply(
        &self,
        _: &NormShape,
        _: NormBackward,
        _: Slice,
        _: Option<Slice>,
        _: Option<Destination>,
        _: Option<Destination>,
    ) -> Result<()> {
        Err(super::missing("norm"))
    }
}
