//! What happens to a part of the output's rows once they are complete and still in cache.

use crate::backend::conv::ConvOutput;
use crate::cpu::InstructionSet;
use crate::cpu::gemm::SharedTarget;
use crate::cpu::norm::{apply_in_place, part_statistics};
use crate::memory::{Slice, SliceMut};

/// What follows a forward convolution.
pub(super) enum Epilogue<'a> {
    Nothing,
    /// Batch norm's statistics of the part, `[3, k]`, behind those of the parts before.
    Statistics(SharedTarget),
    /// Batch norm itself.
    Normalise {
        scale: &'a [f32],
        shift: &'a [f32],
        addend: Option<&'a [f32]>,
        relu: bool,
    },
}

impl<'a> Epilogue<'a> {
    /// Where an output goes, and what follows.
    pub fn of(output: ConvOutput<'a>) -> (SliceMut<'a>, Epilogue<'a>) {
        match output {
            ConvOutput::Plain(output) => (output, Epilogue::Nothing),
            ConvOutput::WithStatistics { output, partials } => {
                (output, Epilogue::Statistics(SharedTarget::new(partials.host())))
            }
            ConvOutput::Normalised { output, scale, shift, addend, relu } => {
                let (scale, shift) = (scale.host(), shift.host());
                let addend = addend.map(Slice::host);
                (output, Epilogue::Normalise { scale, shift, addend, relu })
            }
        }
    }

    /// Whether nothing follows.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Epilogue::Nothing)
    }

    /// Finishes a part, of `part_rows` rows of `channels` unless it is the last, on this instruction set.
    pub fn finish(
        &self,
        instruction_set: InstructionSet,
        channels: usize,
        part_rows: usize,
        part: usize,
        rows: &mut [f32],
    ) {
        match self {
            Epilogue::Nothing => {}
            Epilogue::Statistics(partials) => {
                // SAFETY: every part is finished once, and its partial statistics are its own.
                let partial = unsafe { partials.range(part * 3 * channels, 3 * channels) };
                part_statistics(instruction_set, rows, channels, partial);
            }
            Epilogue::Normalise { scale, shift, addend, relu } => {
                let first = part * part_rows * channels;
                let addend = addend.map(|addend| &addend[first..first + rows.len()]);
                apply_in_place(instruction_set, rows, scale, shift, addend, *relu);
            }
        }
    }
}
