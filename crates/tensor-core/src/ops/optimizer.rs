//! Optimiser steps over ranges of flat buffers. The only ops that change a tensor in place.
//!
//! The numbers of a step are a tensor of floats, made by [`SgdStep::numbers`] or [`AdamStep::numbers`];
//! nothing here waits for the device, so all of it can be recorded and run again with new numbers.

use std::ops::Range;

use super::check;
use crate::backend::optimizer::{HEADER, LIMIT, PER_RANGE};
use crate::error::check_shape;
use crate::profile::Call;
use crate::{Error, Result, Tensor};

pub use crate::backend::optimizer::{AdamStep, Decay, Segment, SgdStep};

/// What each gradient of a step is multiplied with (1, or less where the norm of all of them is beyond
/// the limit among the numbers), and that norm: `[2]`. The factor is not-a-number where a gradient is not
/// finite: such a step changes nothing.
///
/// # Errors
/// [`Error::Argument`] if a range reaches beyond the gradients; out of memory.
pub fn gradient_scale(
    ranges: &[Range<usize>],
    numbers: &Tensor,
    gradients: &Tensor,
) -> Result<Tensor> {
    const OP: &str = "optimizer.gradient_scale";
    check_numbers(OP, ranges, numbers)?;
    check_buffers(OP, ranges, &[gradients])?;
    let device = gradients.device();
    device.check_same(numbers.device(), OP)?;
    let mut scale = Tensor::uninitialised(device, [2], device.float())?;
    device.run(OP, work(ranges, gradients, 1), |backend| {
        let limit = numbers.as_slice().range(LIMIT..LIMIT + 1);
        backend.gradient_scale(ranges, limit, gradients.as_slice(), scale.as_slice_mut())
    })?;
    Ok(scale)
}

/// One step of stochastic gradient descent with momentum on ranges of flat buffers. `twin`, on a device
/// whose activations are not its floats, gets the new values in that type.
///
/// # Errors
/// [`Error::Argument`] if a range reaches beyond the buffers; [`Error::Unsupported`] if there is a twin
/// but activations are floats here.
///
/// # Panics
/// If a buffer to be written shares its memory: a fault of the caller's code.
pub fn sgd_step(
    ranges: &[Range<usize>],
    numbers: &Tensor,
    scale: &Tensor,
    gradients: &Tensor,
    values: &mut Tensor,
    twin: Option<&mut Tensor>,
    velocity: &mut Tensor,
) -> Result<()> {
    const OP: &str = "optimizer.sgd_step";
    check_step(OP, ranges, numbers, scale)?;
    check_buffers(OP, ranges, &[gradients, values, velocity])?;
    check_twin(OP, ranges, values, twin.as_deref())?;
    let device = values.device().clone();
    device.check_same(numbers.device(), OP)?;
    device.run(OP, work(ranges, values, 5), |backend| {
        let (numbers, scale, gradients) =
            (numbers.as_slice(), scale.as_slice(), gradients.as_slice());
        let (values, velocity) = (values.as_slice_mut(), velocity.as_slice_mut());
        let twin = twin.map(Tensor::as_slice_mut);
        backend.sgd_step(ranges, numbers, scale, gradients, values, twin, velocity)
    })
}

/// One step of Adam or AdamW on ranges of flat buffers.
///
/// # Errors
/// As [`sgd_step`].
///
/// # Panics
/// As [`sgd_step`].
pub fn adam_step(
    ranges: &[Range<usize>],
    numbers: &Tensor,
    scale: &Tensor,
    gradients: &Tensor,
    values: &mut Tensor,
    twin: Option<&mut Tensor>,
    mean: &mut Tensor,
    mean_square: &mut Tensor,
) -> Result<()> {
    const OP: &str = "optimizer.adam_step";
    check_step(OP, ranges, numbers, scale)?;
    check_buffers(OP, ranges, &[gradients, values, mean, mean_square])?;
    check_twin(OP, ranges, values, twin.as_deref())?;
    let device = values.device().clone();
    device.check_same(numbers.device(), OP)?;
    device.run(OP, work(ranges, values, 7), |backend| {
        let (numbers, scale, gradients) =
            (numbers.as_slice(), scale.as_slice(), gradients.as_slice());
        let (values, mean) = (values.as_slice_mut(), mean.as_slice_mut());
        let (twin, square) = (twin.map(Tensor::as_slice_mut), mean_square.as_slice_mut());
        backend.adam_step(ranges, numbers, scale, gradients, values, twin, mean, square)
    })
}

/// Overwrites the elements behind `start` of `to` with those of `from`, unless the step that `scale`
/// belongs to is not taken.
///
/// # Errors
/// [`Error::Argument`] if they do not fit behind `start`.
///
/// # Panics
/// If `to` shares its memory: a fault of the caller's code.
pub fn commit(scale: &Tensor, from: &Tensor, to: &mut Tensor, start: usize) -> Result<()> {
    const OP: &str = "optimizer.commit";
    check::floats(OP, &[scale, from, to])?;
    check::elements(OP, "the scale", scale, 2)?;
    let range = start..start + from.shape().elements();
    check_range(OP, &range, to)?;
    let bytes = (2 * range.len() * from.dtype().size()) as u64;
    to.device().clone().run(OP, Call::new(0, bytes).on(from.shape()), |backend| {
        backend.commit(scale.as_slice(), from.as_slice(), to.as_slice_mut().range(range))
    })
}

fn check_numbers(op: &'static str, ranges: &[Range<usize>], numbers: &Tensor) -> Result<()> {
    check::floats(op, &[numbers])?;
    check::elements(op, "the numbers of the step", numbers, HEADER + PER_RANGE * ranges.len())
}

fn check_step(
    op: &'static str,
    ranges: &[Range<usize>],
    numbers: &Tensor,
    scale: &Tensor,
) -> Result<()> {
    check_numbers(op, ranges, numbers)?;
    check::floats(op, &[numbers, scale])?;
    check::elements(op, "the scale", scale, 2)
}

/// Buffers are floats of one length, and the ranges lie in them.
fn check_buffers(op: &'static str, ranges: &[Range<usize>], buffers: &[&Tensor]) -> Result<()> {
    check::floats(op, buffers)?;
    let length = buffers[0].shape().elements();
    check_shape(buffers.iter().all(|buffer| buffer.shape().elements() == length), op, || {
        format!("flat buffers of one length, of which the first has {length} elements")
    })?;
    ranges.iter().try_for_each(|range| check_range(op, range, buffers[0]))
}

fn check_twin(
    op: &'static str,
    ranges: &[Range<usize>],
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
    ranges.iter().try_for_each(|range| check_range(op, range, twin))
}

fn check_range(op: &'static str, range: &Range<usize>, buffer: &Tensor) -> Result<()> {
    if range.start <= range.end && range.end <= buffer.shape().elements() {
        return Ok(());
    }
    let message = format!("the range {range:?} reaches beyond a buffer {}", buffer.shape());
    Err(Error::Argument { op, message })
}

fn work(ranges: &[Range<usize>], values: &Tensor, passes: usize) -> Call {
    let elements: usize = ranges.iter().map(ExactSizeIterator::len).sum();
    let bytes = (passes * elements * values.dtype().size()) as u64;
    Call::new(4 * elements as u64, bytes).on([elements])
}
