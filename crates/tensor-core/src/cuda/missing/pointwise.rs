//! Not there yet.

use crate::Result;
use crate::backend::PointwiseKernels;
use crate::backend::pointwise::{Binary, Unary};
use crate::cuda::Cuda;
use crate::memory::{Destination, Slice, SliceMut};

impl PointwiseKernels for Cuda {
    fn unary(&self, _: Unary, _: Slice, _: SliceMut) -> Result<()> {
        Err(super::missing("pointwise"))
    }

    fn unary_gradient(&self, _: Unary, _: Slice, _: Slice, _: Destination) -> Result<()> {
        Err(super::missing("pointwise"))
    }

    fn binary(&self, _: Binary, _: Slice, _: Slice, _: Destination) -> Result<()> {
        Err(super::missing("pointwise"))
    }

    fn cast(&self, _: Slice, _: SliceMut) -> Result<()> {
        Err(super::missing("pointwise"))
    }
}
