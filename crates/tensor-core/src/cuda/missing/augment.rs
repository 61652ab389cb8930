//! Not there yet.

use crate::Result;
use crate::backend::AugmentKernels;
use crate::backend::augment::{AugmentPicture, AugmentShape};
use crate::cuda::Cuda;
use crate::memory::{Slice, SliceMut};

impl AugmentKernels for Cuda {
    fn augment(&self, _: &AugmentShape, _: &[AugmentPicture], _: Slice, _: SliceMut) -> Result<()> {
        Err(super::missing("augment"))
    }
}
