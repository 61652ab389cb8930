//! Not there yet.

use crate::DType;
use crate::Result;
use crate::backend::ConvKernels;
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvOutput, ConvShape};
use crate::cuda::Cuda;
use crate::memory::{Destination, Slice, SliceMut};

impl ConvKernels for Cuda {
    fn conv_plans(&self, _: &ConvShape, _: DType, _: ConvDirection) -> Vec<Plan> {
        Vec::new()
    }

    fn conv_prepare(
        &self,
        _: &Plan,
        _: &ConvShape,
        _: ConvDirection,
        _: Slice,
        _: SliceMut,
    ) -> Result<()> {
        Err(super::missing("conv"))
    }

    fn conv_forward(
        &self,
        _: &Plan,
        _: &ConvShape,
        _: ConvInput,
        _: Slice,
        _: SliceMut,
        _: ConvOutput,
    ) -> Result<()> {
        Err(super::missing("conv"))
    }

    fn conv_input_gradient(
        &self,
        _: &Plan,
        _: &ConvShape,
        _: Slice,
        _: Slice,
        _: SliceMut,
        _: Destination,
    ) -> Result<()> {
        Err(super::missing("conv"))
    }

    fn conv_weight_gradient(
        &self,
        _: &Plan,
        _: &ConvShape,
        _: Slice,
        _: Slice,
        _: SliceMut,
        _: Destination,
    ) -> Result<()> {
        Err(super::missing("conv"))
    }
}
