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
    /// The same mask at the step that these two words are, if there are any: for a backend that reads
    /// them.
    pub(crate) fn at(&self, words: Option<&[i32]>) -> DropoutMask {
        let step = |words: &[i32]| u64::from(words[0] as u32) | u64::from(words[1] as u32) << 32;
        DropoutMask { step: words.map_or(self.step, step), ..*self }
    }

    /// The Philox counter of the block that holds elements `4 * block .. 4 * block + 4`.
    pub fn counter(&self, block: usize) -> [u32; 4] {
        [block as u32, (block as u64 >> 32) as u32, self.step as u32, (self.step >> 32) as u32]
    }
}

/// Dropout.
pub trait DropoutKernels {
    /// Zero where `unit_f32(word of element i) < probability`, else `input[i] / (1 - probability)`.
    /// The gradient is the same function of the output's gradient. `step`, where it is given, is the
    /// step in device memory, `[2]` words of type `I32`, the lower first; it takes the place of the
    /// mask's, so that recorded work sees a new one when it runs again.
    fn dropout(
        &self,
        mask: &DropoutMask,
        step: Option<Slice>,
        input: Slice,
        output: Destination,
    ) -> Result<()>;
}
