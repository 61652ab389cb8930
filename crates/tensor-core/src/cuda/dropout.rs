//! Dropout: `kernels/dropout.cu`.

use super::Cuda;
use super::launch::{DeviceParameter, index};
use super::pointwise::accumulates;
use super::vectors::{THREADS, blocks};
use crate::Result;
use crate::backend::DropoutKernels;
use crate::backend::dropout::DropoutMask;
use crate::memory::{Destination, Slice};

/// Elements of a Philox block.
const WORDS: usize = 4;

/// The mask as the kernel takes it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Mask {
    key_low: u32,
    key_high: u32,
    step_low: u32,
    step_high: u32,
    probability: f32,
    accumulate: i32,
}

// SAFETY: six numbers of four bytes each, in the kernel's order.
unsafe impl DeviceParameter for Mask {}

impl DropoutKernels for Cuda {
    fn dropout(
        &self,
        mask: &DropoutMask,
        step: Option<Slice>,
        input: Slice,
        output: Destination,
    ) -> Result<()> {
        let len = index("dropout", "the input", input.len())?;
        let mask = Mask {
            key_low: mask.key as u32,
            key_high: (mask.key >> 32) as u32,
            step_low: mask.step as u32,
            step_high: (mask.step >> 32) as u32,
            probability: mask.probability,
            accumulate: accumulates(output.mode),
        };
        self.launch("dropout", "dropout_apply_f32")?
            .read_optional(step)
            .read(input)
            .write(&output.slice)
            .value(len)
            .value(mask)
            .run([blocks(input.len(), WORDS), 1, 1], THREADS)
    }
}
