//! Optimiser steps over ranges of flat buffers. The only ops that change a tensor in place.

use std::ops::Range;

use super::check;
use crate::profile::Work;
use crate::{Error, Result, Tensor};

pub use crate::backend::optimizer::{AdamStep, Decay, Segment, SgdStep};

/// One step of stochastic gradient descent with momentum on the segments of flat buffers.
///
/// # Errors
/// [`Error::Argument`] if a segment reaches beyond the buffers.
///
/// # Panics
/// If `values` or `velocity` share their memory: a fault of the caller's code.
pub fn sgd_step(
    step: &SgdStep,
    segments: &[Segment],
    gradients: &Tensor,
    values: &mut Tensor,
    velocity: &mut Tensor,
) -> Result<()> {
    const OP: &str = "optimizer.sgd_step";
    check_buffers(OP, segments, &[gradients, values, velocity])?;
    let device = values.device().clone();
    device.run(OP, work(segments, values, 5), |backend| {
        let (values, velocity) = (values.as_slice_mut(), velocity.as_slice_mut());
        backend.sgd_step(step, segments, gradients.as_slice(), values, velocity)
    })
}

/// One step of Adam or AdamW on the segments of flat buffers.
///
/// # Errors
/// As [`sgd_step`].
///
/// # Panics
/// If a buffer to be written shares its memory: a fault of the caller's code.
pub fn adam_step(
    step: &AdamStep,
    segments: &[Segment],
    gradients: &Tensor,
    values: &mut Tensor,
    mean: &mut Tensor,
    mean_square: &mut Tensor,
) -> Result<()> {
    const OP: &str = "optimizer.adam_step";
    check_buffers(OP, segments, &[gradients, values, mean, mean_square])?;
    let device = values.device().clone();
    device.run(OP, work(segments, values, 7), |backend| {
        let (values, mean) = (values.as_slice_mut(), mean.as_slice_mut());
        let mean_square = mean_square.as_slice_mut();
        backend.adam_step(step, segments, gradients.as_slice(), values, mean, mean_square)
    })
}

/// The sum of squares of the gradients over these ranges; not finite if any of them is not.
///
/// # Errors
/// [`Error::Argument`] if a range reaches beyond the buffer.
pub fn sum_of_squares(ranges: &[Range<usize>], gradients: &Tensor) -> Result<f64> {
    const OP: &str = "optimizer.sum_of_squares";
    check::floats(OP, &[gradients])?;
    ranges.iter().try_for_each(|range| check_range(OP, range, gradients))?;
    let elements: usize = ranges.iter().map(ExactSizeIterator::len).sum();
    let bytes = (elements * gradients.dtype().size()) as u64;
    gradients.device().run(OP, Work { flops: 2 * elements as u64, bytes }, |backend| {
        backend.sum_of_squares(ranges, gradients.as_slice())
    })
}

fn check_buffers(op: &'static str, segments: &[Segment], buffers: &[&Tensor]) -> Result<()> {
    check::floats(op, buffers)?;
    for buffer in buffers {
        segments.iter().try_for_each(|segment| check_range(op, &segment.range, buffer))?;
    }
    Ok(())
}

fn check_range(op: &'static str, range: &Range<usize>, buffer: &Tensor) -> Result<()> {
    if range.start <= range.end && range.end <= buffer.shape().elements() {
        return Ok(());
    }
    let message = format!("the range {range:?} reaches beyond a buffer {}", buffer.shape());
    Err(Error::Argument { op, message })
}

fn work(segments: &[Segment], values: &Tensor, passes: usize) -> Work {
    let elements: usize = segments.iter().map(|segment| segment.range.len()).sum();
    let bytes = (passes * elements * values.dtype().size()) as u64;
    Work { flops: 4 * elements as u64, bytes }
}
