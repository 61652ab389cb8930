//! Dropout with a mask made of counters.

use super::check;
use crate::memory::Destination;
use crate::profile::Call;
use crate::{DType, Error, Result, Tensor};

pub use crate::backend::dropout::DropoutMask;

/// Drops elements and scales the others up. The gradient is the same function of the output's
/// gradient: use [`dropout_into`] with the same mask.
///
/// # Errors
/// [`Error::Argument`] if the probability is not in `[0, 1)`; out of memory.
pub fn dropout(mask: &DropoutMask, input: &Tensor) -> Result<Tensor> {
    let mut output = Tensor::uninitialised(input.device(), input.shape(), input.dtype())?;
    dropout_into(mask, input, Destination::write(output.as_slice_mut()))?;
    Ok(output)
}

/// [`dropout`] into a destination.
///
/// # Errors
/// As [`dropout`].
pub fn dropout_into(mask: &DropoutMask, input: &Tensor, target: Destination) -> Result<()> {
    dropout_at_into(mask, None, input, target)
}

/// [`dropout_into`] at a step that lies on the device ([`step_words`] in an `I32` tensor) instead of the
/// mask's, so that recorded work sees a new one when it runs again.
///
/// # Errors
/// As [`dropout`].
pub fn dropout_at_into(
    mask: &DropoutMask,
    step: Option<&Tensor>,
    input: &Tensor,
    target: Destination,
) -> Result<()> {
    const OP: &str = "dropout";
    if !(0.0..1.0).contains(&mask.probability) {
        let message = format!("the probability {} is not in 0..1", mask.probability);
        return Err(Error::Argument { op: OP, message });
    }
    check::floats(OP, &[input])?;
    if let Some(step) = step {
        input.device().check_same(step.device(), OP)?;
        check::dtype(OP, step, DType::I32)?;
        check::elements(OP, "the step", step, 2)?;
    }
    let elements = input.shape().elements();
    check::destination(OP, &target, elements, input.dtype())?;
    let bytes = (2 * elements * input.dtype().size()) as u64;
    input.device().run(OP, Call::new(elements as u64, bytes).on(input.shape()), |backend| {
        backend.dropout(mask, step.map(Tensor::as_slice), input.as_slice(), target)
    })
}

/// A step as [`dropout_at_into`] reads it: its lower and its upper half.
pub fn step_words(step: u64) -> [i32; 2] {
    [step as i32, (step >> 32) as i32]
}
