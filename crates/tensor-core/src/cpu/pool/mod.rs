//! Pooling: [`window`] and [`window_gradient`] for maxima over windows, [`global`] for whole pictures.
//! Pictures, or bands of their rows, are the parts.

mod first_maximum;
mod global;
mod window;
mod window_gradient;

use super::Cpu;
use crate::Result;
use crate::backend::PoolKernels;
use crate::backend::pool::{GlobalPool, GlobalPoolShape, MaxPoolShape};
use crate::memory::{Destination, Slice, SliceMut, WriteMode};

/// Output rows that one task computes.
const BAND_ROWS: usize = 8;

impl PoolKernels for Cpu {
    fn max_pool(&self, shape: &MaxPoolShape, input: Slice, output: SliceMut) -> Result<()> {
        let picture = shape.h * shape.w * shape.c;
        let row = shape.q() * shape.c;
        let outputs = output.host::<f32>().chunks_exact_mut(shape.p() * row);
        let parts = input.host::<f32>().chunks_exact(picture).zip(outputs);
        let parts = parts.flat_map(|(picture, output)| {
            let bands = output.chunks_mut(BAND_ROWS * row).enumerate();
            bands.map(move |(band, output)| (picture, band * BAND_ROWS, output))
        });
        self.for_each_part(shape.input_len(), parts, |(picture, first_row, output)| {
            window::maxima(self.instruction_set, shape, picture, first_row, output);
        });
        Ok(())
    }

    fn max_pool_gradient(
        &self,
        shape: &MaxPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        let (set, mode) = (self.instruction_set, input_gradient.mode);
        let picture = shape.h * shape.w * shape.c;
        let gradients = output_gradient.host::<f32>().chunks_exact(shape.p() * shape.q() * shape.c);
        let destinations = input_gradient.slice.host::<f32>().chunks_exact_mut(picture);
        let parts = input.host::<f32>().chunks_exact(picture).zip(gradients).zip(destinations);
        let gradient = match mode {
            WriteMode::Write => window_gradient::gradient::<false>,
            WriteMode::Accumulate => window_gradient::gradient::<true>,
        };
        self.for_each_part(shape.input_len(), parts, |((picture, output_gradient), to)| {
            gradient(set, shape, picture, output_gradient, to);
        });
        Ok(())
    }

    fn global_pool(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        let set = self.instruction_set;
        let picture = shape.pixels * shape.c;
        let outputs = output.host::<f32>().chunks_exact_mut(kind.columns(shape.c));
        let parts = input.host::<f32>().chunks_exact(picture).zip(outputs);
        self.for_each_part(shape.n * picture, parts, |(picture, output)| match kind {
            GlobalPool::Average => global::mean(set, picture, output),
            GlobalPool::Maximum => global::maximum(set, picture, output),
            GlobalPool::MaximumAverage => {
                let (maximum, mean) = output.split_at_mut(shape.c);
                global::maximum(set, picture, maximum);
                global::mean(set, picture, mean);
            }
        });
        Ok(())
    }

    fn global_pool_gradient(
        &self,
        kind: GlobalPool,
        shape: &GlobalPoolShape,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        let (set, mode) = (self.instruction_set, input_gradient.mode);
        let picture = shape.pixels * shape.c;
        let gradients = output_gradient.host::<f32>().chunks_exact(kind.columns(shape.c));
        let destinations = input_gradient.slice.host::<f32>().chunks_exact_mut(picture);
        let parts = input.host::<f32>().chunks_exact(picture).zip(gradients).zip(destinations);
        self.for_each_part(shape.n * picture, parts, |((picture, gradient), to)| {
            let (maximum, mean) = match kind {
                GlobalPool::Average => (None, Some(gradient)),
                GlobalPool::Maximum => (Some(gradient), None),
                GlobalPool::MaximumAverage => {
                    let (maximum, mean) = gradient.split_at(shape.c);
                    (Some(maximum), Some(mean))
                }
            };
            global::gradient(set, picture, maximum, mean, to, mode);
        });
        Ok(())
    }
}

/// The larger of two; a not-a-number is larger than all.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

#[cfg(test)]
mod tests;
