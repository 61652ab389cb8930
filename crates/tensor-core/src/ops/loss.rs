//! Losses of `[n, classes]` logits: one value a sample, and the gradient of the logits.

use super::check;
use crate::backend::loss::{LossShape, Targets};
use crate::memory::Destination;
use crate::profile::Call;
use crate::{DType, Error, Result, Tensor};

pub use crate::backend::loss::Loss;

/// What the logits should have said.
#[derive(Clone, Debug)]
pub enum Target {
    /// `[n]` class indices (`I32`).
    Classes(Tensor),
    /// `[n, classes]` probabilities.
    Probabilities(Tensor),
}

impl Target {
    /// Class indices on the device of `like`, checked against the number of classes.
    ///
    /// # Errors
    /// [`Error::Argument`] if an index is not below `classes`; out of memory.
    pub fn classes(like: &crate::Device, indices: &[usize], classes: usize) -> Result<Target> {
        if let Some(index) = indices.iter().find(|&&index| index >= classes) {
            let message = format!("class {index} of {classes}");
            return Err(Error::Argument { op: "loss", message });
        }
        let indices: Vec<i32> = indices.iter().map(|&index| index as i32).collect();
        Ok(Target::Classes(Tensor::from_slice(like, [indices.len()], &indices)?))
    }

    fn slices(&self) -> Targets<'_> {
        match self {
            Target::Classes(tensor) => Targets::Classes(tensor.as_slice()),
            Target::Probabilities(tensor) => Targets::Probabilities(tensor.as_slice()),
        }
    }

    fn check(
        &self,
        op: &'static str,
        loss: Loss,
        shape: &LossShape,
        logits: &Tensor,
    ) -> Result<()> {
        match (self, loss) {
            (Target::Classes(tensor), Loss::CrossEntropy) => {
                check::dtype(op, tensor, DType::I32)?;
                logits.device().check_same(tensor.device(), op)?;
                check::elements(op, "the classes", tensor, shape.n)
            }
            (Target::Probabilities(tensor), _) => {
                check::floats(op, &[logits, tensor])?;
                check::elements(op, "the target probabilities", tensor, shape.n * shape.classes)
            }
            (Target::Classes(_), Loss::BinaryCrossEntropy) => {
                let message =
                    "binary cross entropy needs a probability for every class".to_string();
                Err(Error::Argument { op, message })
            }
        }
    }
}

/// One value a sample.
#[derive(Clone, Debug)]
pub struct LossValues {
    /// `[n]` losses.
    pub values: Tensor,
    /// `[n, classes]` for the gradient: log-probabilities, or the logits for
    /// [`Loss::BinaryCrossEntropy`].
    pub log_probabilities: Tensor,
}

/// The loss of each sample.
///
/// # Errors
/// [`Error::Shape`] if logits and targets do not fit together; out of memory.
pub fn loss(loss: Loss, logits: &Tensor, target: &Target) -> Result<LossValues> {
    const OP: &str = "loss";
    let shape = shape(OP, logits)?;
    target.check(OP, loss, &shape, logits)?;
    let (device, dtype) = (logits.device(), logits.dtype());
    let mut values = Tensor::uninitialised(device, [shape.n], dtype)?;
    let mut log_probabilities = Tensor::uninitialised(device, logits.shape(), dtype)?;
    device.run(OP, work(logits), |backend| {
        let (values, logs) = (values.as_slice_mut(), log_probabilities.as_slice_mut());
        backend.loss(loss, &shape, logits.as_slice(), target.slices(), values, logs)
    })?;
    Ok(LossValues { values, log_probabilities })
}

/// The gradient of the logits from the `[n]` gradients of the values, into a destination.
///
/// # Errors
/// As [`loss`].
pub fn loss_gradient_into(
    loss: Loss,
    log_probabilities: &Tensor,
    target: &Target,
    value_gradients: &Tensor,
    logit_gradient: Destination,
) -> Result<()> {
    const OP: &str = "loss.gradient";
    let shape = shape(OP, log_probabilities)?;
    target.check(OP, loss, &shape, log_probabilities)?;
    check::floats(OP, &[log_probabilities, value_gradients])?;
    check::elements(OP, "the values' gradients", value_gradients, shape.n)?;
    let elements = shape.n * shape.classes;
    check::destination(OP, &logit_gradient, elements, log_probabilities.dtype())?;
    log_probabilities.device().run(OP, work(log_probabilities), |backend| {
        let (logs, gradients) = (log_probabilities.as_slice(), value_gradients.as_slice());
        backend.loss_gradient(loss, &shape, logs, target.slices(), gradients, logit_gradient)
    })
}

/// `[n, classes]` probabilities: softmax for [`Loss::CrossEntropy`], else sigmoid.
///
/// # Errors
/// [`Error::Shape`] if the logits are no matrix; out of memory.
///
/// ```
/// use tensor_core::{Device, Tensor, ops::loss::{Loss, probabilities}};
/// # fn main() -> tensor_core::Result<()> {
/// let logits = Tensor::from_f32(&Device::cpu()?, [1, 2], &[3.0, 3.0])?;
/// assert_eq!(probabilities(Loss::CrossEntropy, &logits)?.to_f32()?, [0.5, 0.5]);
/// # Ok(())
/// # }
/// ```
pub fn probabilities(loss: Loss, logits: &Tensor) -> Result<Tensor> {
    const OP: &str = "loss.probabilities";
    let shape = shape(OP, logits)?;
    let mut output = Tensor::uninitialised(logits.device(), logits.shape(), logits.dtype())?;
    logits.device().run(OP, work(logits), |backend| {
        backend.probabilities(loss, &shape, logits.as_slice(), output.as_slice_mut())
    })?;
    Ok(output)
}

fn shape(op: &'static str, logits: &Tensor) -> Result<LossShape> {
    check::floats(op, &[logits])?;
    check::rank(op, "the logits", logits.shape(), 2)?;
    Ok(LossShape { n: logits.shape().rows(), classes: logits.shape().channels() })
}

fn work(logits: &Tensor) -> Call {
    let elements = logits.shape().elements();
    let bytes = (2 * elements * logits.dtype().size()) as u64;
    Call::new(4 * elements as u64, bytes).on(logits.shape())
}
