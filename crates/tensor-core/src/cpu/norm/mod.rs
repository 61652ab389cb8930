//! Batch normalisation over `[rows, channels]`. Each part reads and writes whole rows once; the
//! parts of the statistics are those of [`NormShape::part_rows`].

mod apply;
mod backward;
mod finalise;
mod statistics;

pub(super) use apply::apply_in_place;
pub(super) use statistics::part_statistics;

use super::Cpu;
use super::pointwise::parts::part_rows;
use crate::Result;
use crate::backend::NormKernels;
use crate::backend::norm::{NormBackward, NormFactors, NormShape, NormStatistics};
use crate::memory::{Destination, Slice, SliceMut};

impl NormKernels for Cpu {
    fn norm_statistics(&self, shape: &NormShape, input: Slice, partials: SliceMut) -> Result<()> {
        let rows = input.host::<f32>().chunks(shape.part_rows() * shape.channels);
        let partials = partials.host::<f32>().chunks_exact_mut(3 * shape.channels);
        self.for_each_part(shape.len(), rows.zip(partials), |(rows, partial)| {
            part_statistics(self.instruction_set, rows, shape.channels, partial);
        });
        Ok(())
    }

    fn norm_finalise(
        &self,
        shape: &NormShape,
        statistics: NormStatistics,
        gamma: Slice,
        beta: Slice,
        epsilon: f64,
        factors: NormFactors,
    ) -> Result<()> {
        finalise::finalise(shape, statistics, gamma.host(), beta.host(), epsilon, factors);
        Ok(())
    }

    fn norm_apply(
        &self,
        shape: &NormShape,
        input: Slice,
        scale: Slice,
        shift: Slice,
        addend: Option<Slice>,
        relu: bool,
        output: SliceMut,
    ) -> Result<()> {
        let part = part_rows(shape.channels) * shape.channels;
        let (scale, shift) = (scale.host::<f32>(), shift.host::<f32>());
        let addend = addend.map(Slice::host::<f32>);
        let parts = input.host::<f32>().chunks(part).zip(output.host::<f32>().chunks_mut(part));
        self.for_each_part(shape.len(), parts.enumerate(), |(index, (input, output))| {
            let addend = addend.map(|addend| &addend[index * part..][..input.len()]);
            apply::apply_part(self.instruction_set, input, scale, shift, addend, relu, output);
        });
        Ok(())
    }

    fn norm_backward_reduce(
        &self,
        shape: &NormShape,
        backward: NormBackward,
        workspace: SliceMut,
        sums: SliceMut,
    ) -> Result<()> {
        let workspace = workspace.host::<f32>();
        backward::reduce(self, shape, &backward, workspace);
        backward::join(shape, workspace, backward.inv_std.host(), sums.host());
        Ok(())
    }

    fn norm_backward_apply(
        &self,
        shape: &NormShape,
        backward: NormBackward,
        gamma: Slice,
        sums: Option<Slice>,
        input_gradient: Option<Destination>,
        addend_gradient: Option<Destination>,
    ) -> Result<()> {
        let factors = backward::Factors::new(shape, &backward, gamma.host(), sums.map(Slice::host));
        backward::apply(self, shape, &backward, &factors, input_gradient, addend_gradient);
        Ok(())
    }
}
