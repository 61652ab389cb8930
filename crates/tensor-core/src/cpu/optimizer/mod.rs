//! Optimiser steps over the trainable ranges of the flat buffers: each element is read and written
//! once. There is no twin of the values: activations are f32 too.

mod ranges;
mod steps;

use std::ops::Range;

use super::Cpu;
use super::pointwise::parts::PART;
use crate::Result;
use crate::backend::OptimizerKernels;
use crate::memory::{Slice, SliceMut};
use ranges::{elements, in_order, ranges_mut};
use steps::{AdamFactors, SgdFactors};

impl OptimizerKernels for Cpu {
    fn gradient_scale(
        &self,
        ranges: &[Range<usize>],
        limit: Slice,
        gradients: Slice,
        scale: SliceMut,
    ) -> Result<()> {
        let (limit, gradients) = (f64::from(limit.host::<f32>()[0]), gradients.host::<f32>());
        let parts = ranges.iter().flat_map(|range| gradients[range.clone()].chunks(PART));
        let mut partials = vec![0.0; parts.clone().count()];
        let elements = ranges.iter().map(|range| range.len()).sum();
        self.for_each_part(elements, parts.zip(&mut partials), |(part, partial)| {
            *partial = steps::sum_of_squares(self.instruction_set, part);
        });
        let norm = partials.iter().sum::<f64>().sqrt();
        let factor = match norm.is_finite() {
            true if norm > limit => (limit / norm) as f32,
            true => 1.0,
            false => f32::NAN,
        };
        scale.host::<f32>().copy_from_slice(&[factor, norm as f32]);
        Ok(())
    }

    fn sgd_step(
        &self,
        ranges: &[Range<usize>],
        numbers: Slice,
        scale: Slice,
        gradients: Slice,
        values: SliceMut,
        _twin: Option<SliceMut>,
        velocity: SliceMut,
    ) -> Result<()> {
        let (numbers, gradient_scale) = (numbers.host::<f32>(), scale.host::<f32>()[0]);
        if gradient_scale.is_nan() {
            return Ok(());
        }
        let ranges = in_order(ranges);
        let gradients = gradients.host::<f32>();
        let values = ranges_mut(values.host(), &ranges);
        let velocities = ranges_mut(velocity.host(), &ranges);
        let all = ranges.iter().zip(values).zip(velocities);
        let parts = all.flat_map(|(((place, range), values), velocities)| {
            let factors = SgdFactors::new(numbers, *place, gradient_scale);
            let gradients = gradients[Range::clone(range)].chunks(PART);
            let parts = gradients.zip(values.chunks_mut(PART)).zip(velocities.chunks_mut(PART));
            parts.map(move |part| (factors, part))
        });
        self.for_each_part(elements(&ranges), parts, |(factors, ((gradient, value), velocity))| {
            steps::sgd(self.instruction_set, factors, gradient, value, velocity);
        });
        Ok(())
    }

    fn adam_step(
        &self,
        ranges: &[Range<usize>],
        numbers: Slice,
        scale: Slice,
        gradients: Slice,
        values: SliceMut,
        _twin: Option<SliceMut>,
        mean: SliceMut,
        mean_square: SliceMut,
    ) -> Result<()> {
        let (numbers, gradient_scale) = (numbers.host::<f32>(), scale.host::<f32>()[0]);
        if gradient_scale.is_nan() {
            return Ok(());
        }
        let ranges = in_order(ranges);
        let gradients = gradients.host::<f32>();
        let values = ranges_mut(values.host(), &ranges);
        let means = ranges_mut(mean.host(), &ranges);
        let squares = ranges_mut(mean_square.host(), &ranges);
        let all = ranges.iter().zip(values).zip(means).zip(squares);
        let parts = all.flat_map(|((((place, range), values), means), squares)| {
            let factors = AdamFactors::new(numbers, *place, gradient_scale);
            let gradients = gradients[Range::clone(range)].chunks(PART);
            let moments = means.chunks_mut(PART).zip(squares.chunks_mut(PART));
            let parts = gradients.zip(values.chunks_mut(PART)).zip(moments);
            parts.map(move |part| (factors, part))
        });
        self.for_each_part(elements(&ranges), parts, |(factors, ((gradient, value), moments))| {
            let (mean, square) = moments;
            steps::adam(self.instruction_set, factors, gradient, value, mean, square);
        });
        Ok(())
    }

    fn commit(&self, scale: Slice, from: Slice, to: SliceMut) -> Result<()> {
        if !scale.host::<f32>()[0].is_nan() {
            to.host::<f32>().copy_from_slice(from.host());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
