//! Not there yet.

use crate::Result;
use crate::backend::DropoutKernels;
use crate::backend::dropout::DropoutMask;
use crate::cuda::Cuda;
use crate::memory::{Destination, Slice};

impl DropoutKernels for Cuda {
    fn dropout(&self, _: &DropoutMask, _: Option<Slice>, _: Slice, _: Destination) -> Result<()> {
        Err(super::missing("dropout"))
    }
}
