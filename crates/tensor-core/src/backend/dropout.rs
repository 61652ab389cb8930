//! Contract of dropout of floats: a mask that is never stored, because its numbers can be made again.

use crate::Result;
use crate::memory::{Destination, Slice};

/// Which elements are dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DropoutMask {
    /// Key of the [`Philox`](crate::random::Philox) family of this seed and layer.
    pub key: u64,
    /// The training step: upper words of the counter, whose lowest counts blocks of four elements.
    pub step: u64,
    /// Probability that an element is dropped, in `[0, 1)`.
    pub probability: f32,
}

impl DropoutMask {
    /// The Philox counter of the block that holds elements `4 * block .. 4 * block + 4`.
    pub fn counter(&self, block: usize) -> [u32; 4] {
        [block as u32, (block as u64 >> 32) as u32, self.step as u32, (self.step >> 32) as u32]
    }
}

/// Dropout.
pub trait DropoutKernels {
    /// Zero where `unit_f32(word of element i) < probability`, else `input[i] / (1 - probability)`.
    /// The gradient is the same function of the output's gradient.
    fn dropout(&self, mask: &DropoutMask, input: Slice, output: Destination) -> Result<()>;
}
