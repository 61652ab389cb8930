//! Dropout: the mask is made from the Philox counter of each block of four elements.

use super::Cpu;
use super::pointwise::parts::PART;
use super::vector::dispatch;
use crate::Result;
use crate::backend::DropoutKernels;
use crate::backend::dropout::DropoutMask;
use crate::memory::{Destination, Slice, WriteMode};
use crate::random::{Philox, unit_f32};

/// Elements of a Philox block.
const WORDS: usize = 4;

/// Philox blocks that are made together, for the compiler to vectorise.
const BLOCKS: usize = 16;

impl DropoutKernels for Cpu {
    fn dropout(
        &self,
        mask: &DropoutMask,
        step: Option<Slice>,
        input: Slice,
        output: Destination,
    ) -> Result<()> {
        let mask = &mask.at(step.map(Slice::host));
        let (set, mode) = (self.instruction_set, output.mode);
        let parts =
            input.host::<f32>().chunks(PART).zip(output.slice.host::<f32>().chunks_mut(PART));
        self.for_each_part(input.len(), parts.enumerate(), |(index, (input, to))| {
            let first_block = index * (PART / WORDS);
            match mode {
                WriteMode::Write => drop_part::<false>(set, mask, first_block, input, to),
                WriteMode::Accumulate => drop_part::<true>(set, mask, first_block, input, to),
            }
        });
        Ok(())
    }
}

dispatch! {
    fn drop_part<const ACCUMULATE: bool>(
        mask: &DropoutMask,
        first_block: usize,
        input: &[f32],
        to: &mut [f32],
    ) {
        let random = Philox::new(mask.key);
        let kept = 1.0 - mask.probability;
        let runs = input.chunks(BLOCKS * WORDS).zip(to.chunks_mut(BLOCKS * WORDS));
        for (run, (input, to)) in runs.enumerate() {
            let mut words = [0; BLOCKS * WORDS];
            for (block, words) in words.chunks_exact_mut(WORDS).enumerate() {
                let counter = mask.counter(first_block + run * BLOCKS + block);
                words.copy_from_slice(&random.block(counter));
            }
            for ((to, &input), word) in to.iter_mut().zip(input).zip(words) {
                let value = if unit_f32(word) < mask.probability { 0.0 } else { input / kept };
                *to = if ACCUMULATE { *to + value } else { value };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::pointwise::testing::{
        MODES, assert_close, before, destination, normal, on_all_sets, read,
    };

    #[test]
    fn elements_are_dropped_by_their_own_words() {
        let mask = DropoutMask { key: 0x1234_5678_9abc_def0, step: 1 << 33 | 5, probability: 0.3 };
        for len in [1, 6, 67, 3 * PART + 9] {
            let input = normal(len, 1);
            let mut dropped = 0;
            for mode in MODES {
                let old = before(mode, len);
                let expected: Vec<f64> = (0..len)
                    .map(|i| {
                        let block = Philox::new(mask.key).block(mask.counter(i / 4));
                        let old = if old[i].is_nan() { 0.0 } else { f64::from(old[i]) };
                        if unit_f32(block[i % 4]) < mask.probability {
                            dropped += 1;
                            return old;
                        }
                        old + f64::from(input[i]) / (1.0 - f64::from(mask.probability))
                    })
                    .collect();
                let compute = |cpu: &Cpu| {
                    let mut to = before(mode, len);
                    cpu.dropout(&mask, None, read(&input), destination(&mut to, mode)).unwrap();
                    to
                };
                on_all_sets(compute, |set, found| {
                    assert_close(found, &expected, 1e-6, &format!("{set} {len} {mode:?}"));
                });
            }
            if len > PART {
                let share = f64::from(dropped) / (2 * len) as f64;
                assert!((share - 0.3).abs() < 0.01, "{share}");
            }
        }
    }

    #[test]
    fn probability_zero_keeps_everything() {
        let mask = DropoutMask { key: 7, step: 0, probability: 0.0 };
        let input = normal(101, 1);
        let compute = |cpu: &Cpu| {
            let mut to = vec![f32::NAN; 101];
            cpu.dropout(&mask, None, read(&input), destination(&mut to, WriteMode::Write)).unwrap();
            to
        };
        on_all_sets(compute, |_, found| assert_eq!(found, input));
    }
}
