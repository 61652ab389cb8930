//! Optimiser steps over ranges of flat buffers. The only ops that change a tensor in place.

use std::ops::Range;

use super::check;
use crate::profile::Work;
use crate::{Error, Result, Tensor};

pub use crate::backend::optimizer::{AdamStep, Decay, Segment, SgdStep};

/// One step of stochastic gradient descent with momentum on the segments of flat buffers. `twin`, on a
/// device whose activations are not its floats, gets the new values in that type.
///
/// # Errors
/// [`Error::Argument`] if a segment reaches beyond the buffers; [`Error::Unsupported`] if there is a
/// twin but activations are floats here.
///
/// # Panics
/// If a buffer to be written shares its memory: a fault of the caller's code.
pub fn sgd_step(
    step: &SgdStep,
    segments: &[Segment],
    gradients: &Tensor,
    values: &mut Tensor,
    twin: Option<&mut Tensor>,
    velocity: &mut Tensor,
) -> Result<()> {
    const OP: &str = "optimizer.sgd_step";
    check_buffers(OP, segments, &[gradients, values, velocity])?;
    check_twin(OP, segments, values, twin.as_deref())?;
    let device = values.device().clone();
    device.run(OP, work(segments, values, 5), |backend| {
        let (values, velocity) = (values.as_slice_mut(), velocity.as_slice_mut());
        let twin = twin.map(Tensor::as_slice_mut);
        backend.sgd_step(step, segments, gradients.as_slice(), values, twin, velocity)
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
    twin: Option<&mut Tensor>,
    mean: &mut Tensor,
    mean_square: &mut Tensor,
) -> Result<()> {
    const OP: &str = "optimizer.adam_step";
    check_buffers(OP, segments, &[gradients, values, mean, mean_square])?;
    check_twin(OP, segments, values, twin.as_deref())?;
    let device = values.device().clone();
    device.run(OP, work(segments, values, 7), |backend| {
        let (values, mean) = (values.as_slice_mut(), mean.as_slice_mut());
        let (twin, square) = (twin.map(Tensor::as_slice_mut), mean_square.as_slice_mut());
        backend.adam_step(step, segments, gradients.as_slice(), values, twin, mean, square)
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

fn check_twin(
    op: &'static str,
    segments: &[Segment],
    values: &Tensor,
    twin: Option<&Tensor>,
) -> Result<()> {
    let Some(twin) = twin else { return Ok(()) };
    let device = values.device();
    device.check_same(twin.device(), op)?;
    if device.activation() == device.float() {
        let message = "activations are floats here: leave the twin of the values out".to_string();
        return Err(Error::Unsupported { op, device: device.name().to_string(), message });
    }
    check::dtype(op, twin, device.activation())?;
    segments.iter().try_for_each(|segment| check_range(op, &segment.range, twin))
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
