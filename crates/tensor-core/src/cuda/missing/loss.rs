//! Not there yet.

use crate::Result;
use crate::backend::LossKernels;
use crate::backend::loss::{Loss, LossShape, Targets};
use crate::cuda::Cuda;
use crate::memory::{Destination, Slice, SliceMut};

impl LossKernels for Cuda {
    fn loss(
        &self,
        _: Loss,
        _: &LossShape,
        _: Slice,
        _: Targets,
        _: SliceMut,
        _: SliceMut,
    ) -> Result<()> {
        Err(super::missing("loss"))
    }

    fn loss_gradient(
        &self,
        _: Loss,
        _: &LossShape,
        _: Slice,
        _: Targets,
        _: Slice,
        _: Destination,
    ) -> Result<()> {
        Err(super::missing("loss"))
    }

    fn probabilities(&self, _: Loss, _: &LossShape, _: Slice, _: SliceMut) -> Result<()> {
        Err(super::missing("loss"))
    }
}
