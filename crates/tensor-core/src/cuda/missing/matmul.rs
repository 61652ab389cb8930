//! Not there yet.

use crate::DType;
use crate::Result;
use crate::backend::MatmulKernels;
use crate::backend::Plan;
use crate::backend::matmul::MatmulShape;
use crate::cuda::Cuda;
use crate::memory::{Destination, Slice, SliceMut};

impl MatmulKernels for Cuda {
    fn matmul_plans(&self, _: &MatmulShape, _: DType) -> Vec<Plan> {
        Vec::new()
    }

    fn matmul(
        &self,
        _: &Plan,
        _: &MatmulShape,
        _: Slice,
        _: Slice,
        _: Option<Slice>,
        _: SliceMut,
        _: Destination,
    ) -> Result<()> {
        Err(super::missing("matmul"))
    }
}
