//! Optimiser steps, element by element; no twin of the values, because activations are f64 too.

use std::ops::Range;

use super::Reference;
use crate::Result;
use crate::backend::optimizer::{HEADER, OptimizerKernels, PER_RANGE};
use crate::memory::{Slice, SliceMut};

impl OptimizerKernels for Reference {
    fn gradient_scale(
        &self,
        ranges: &[Range<usize>],
        limit: Slice,
        gradients: Slice,
        scale: SliceMut,
    ) -> Result<()> {
        let (limit, gradients) = (limit.host::<f64>()[0], gradients.host::<f64>());
        let squares = ranges.iter().flat_map(|range| &gradients[range.clone()]).map(|g| g * g);
        let norm = squares.sum::<f64>().sqrt();
        let factor = match norm.is_finite() {
            true if norm > limit => limit / norm,
            true => 1.0,
            false => f64::NAN,
        };
        scale.host::<f64>().copy_from_slice(&[factor, norm]);
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
        let (numbers, factor) = (numbers.host::<f64>(), scale.host::<f64>()[0]);
        let gradients = gradients.host::<f64>();
        let (values, velocity) = (values.host::<f64>(), velocity.host::<f64>());
        for (i, [rate, added, kept]) in elements(ranges, numbers, factor) {
            let gradient = factor * gradients[i] + added * values[i];
            velocity[i] = numbers[0] * velocity[i] + gradient;
            values[i] = kept * values[i] - rate * velocity[i];
        }
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
        let (numbers, factor) = (numbers.host::<f64>(), scale.host::<f64>()[0]);
        let [beta1, beta2, epsilon, root_scale] = [0, 1, 2, 3].map(|i| numbers[i]);
        let (gradients, values) = (gradients.host::<f64>(), values.host::<f64>());
        let (mean, mean_square) = (mean.host::<f64>(), mean_square.host::<f64>());
        for (i, [rate, added, kept]) in elements(ranges, numbers, factor) {
            let gradient = factor * gradients[i] + added * values[i];
            mean[i] = beta1 * mean[i] + (1.0 - beta1) * gradient;
            mean_square[i] = beta2 * mean_square[i] + (1.0 - beta2) * gradient * gradient;
            let root = mean_square[i].sqrt() * root_scale;
            values[i] = kept * values[i] - rate * mean[i] / (root + epsilon);
        }
        Ok(())
    }

    fn commit(&self, scale: Slice, from: Slice, to: SliceMut) -> Result<()> {
        if !scale.host::<f64>()[0].is_nan() {
            to.host::<f64>().copy_from_slice(from.host());
        }
        Ok(())
    }
}

/// Every element of the ranges with its range's numbers; none if the step is not taken.
fn elements<'a>(
    ranges: &'a [Range<usize>],
    numbers: &'a [f64],
    factor: f64,
) -> impl Iterator<Item = (usize, [f64; PER_RANGE])> + 'a {
    let taken = if factor.is_nan() { &[] } else { ranges };
    taken.iter().enumerate().flat_map(|(place, range)| {
        let of_range = [0, 1, 2].map(|i| numbers[HEADER + place * PER_RANGE + i]);
        range.clone().map(move |i| (i, of_range))
    })
}
