//! Optimiser steps over the trainable ranges of the flat buffers: each element is read and written
//! once. There is no twin of the values: activations are f32 too.

mod segments;
mod steps;

use std::ops::Range;

use super::Cpu;
use super::pointwise::parts::PART;
use crate::Result;
use crate::backend::OptimizerKernels;
use crate::backend::optimizer::{AdamStep, Segment, SgdStep};
use crate::memory::{Slice, SliceMut};
use segments::{elements, in_order, ranges_mut};
use steps::{AdamFactors, SgdFactors};

impl OptimizerKernels for Cpu {
    fn sgd_step(
        &self,
        step: &SgdStep,
        segments: &[Segment],
        gradients: Slice,
        values: SliceMut,
        _twin: Option<SliceMut>,
        velocity: SliceMut,
    ) -> Result<()> {
        let segments = in_order(segments);
        let gradients = gradients.host::<f32>();
        let values = ranges_mut(values.host(), &segments);
        let velocities = ranges_mut(velocity.host(), &segments);
        let all = segments.iter().zip(values).zip(velocities);
        let parts = all.flat_map(|((segment, values), velocities)| {
            let factors = SgdFactors::new(step, segment);
            let gradients = gradients[segment.range.clone()].chunks(PART);
            let parts = gradients.zip(values.chunks_mut(PART)).zip(velocities.chunks_mut(PART));
            parts.map(move |part| (factors, part))
        });
        self.for_each_part(
            elements(&segments),
            parts,
            |(factors, ((gradient, value), velocity))| {
                steps::sgd(self.instruction_set, factors, gradient, value, velocity);
            },
        );
        Ok(())
    }

    fn adam_step(
        &self,
        step: &AdamStep,
        segments: &[Segment],
        gradients: Slice,
        values: SliceMut,
        _twin: Option<SliceMut>,
        mean: SliceMut,
        mean_square: SliceMut,
    ) -> Result<()> {
        let segments = in_order(segments);
        let gradients = gradients.host::<f32>();
        let values = ranges_mut(values.host(), &segments);
        let means = ranges_mut(mean.host(), &segments);
        let squares = ranges_mut(mean_square.host(), &segments);
        let all = segments.iter().zip(values).zip(means).zip(squares);
        let parts = all.flat_map(|(((segment, values), means), squares)| {
            let factors = AdamFactors::new(step, segment);
            let gradients = gradients[segment.range.clone()].chunks(PART);
            let moments = means.chunks_mut(PART).zip(squares.chunks_mut(PART));
            let parts = gradients.zip(values.chunks_mut(PART)).zip(moments);
            parts.map(move |part| (factors, part))
        });
        self.for_each_part(
            elements(&segments),
            parts,
            |(factors, ((gradient, value), moments))| {
                let (mean, square) = moments;
                steps::adam(self.instruction_set, factors, gradient, value, mean, square);
            },
        );
        Ok(())
    }

    fn sum_of_squares(&self, ranges: &[Range<usize>], gradients: Slice) -> Result<f64> {
        let gradients = gradients.host::<f32>();
        let parts = ranges.iter().flat_map(|range| gradients[range.clone()].chunks(PART));
        let mut partials = vec![0.0; parts.clone().count()];
        let elements = ranges.iter().map(|range| range.len()).sum();
        self.for_each_part(elements, parts.zip(&mut partials), |(part, partial)| {
            *partial = steps::sum_of_squares(self.instruction_set, part);
        });
        Ok(partials.iter().sum())
    }
}

#[cfg(test)]
mod tests;
