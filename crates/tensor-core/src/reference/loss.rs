//! The losses, sample by sample. Class indices become rows of zeros and a one, so that there is one
//! formula for both kinds of targets.

use super::pointwise::sigmoid;
use super::{Reference, store};
use crate::backend::loss::{Loss, LossKernels, LossShape, Targets};
use crate::memory::{Destination, Slice, SliceMut};
use crate::{Error, Result};

impl LossKernels for Reference {
    fn loss(
        &self,
        loss: Loss,
        shape: &LossShape,
        logits: Slice,
        targets: Targets,
        values: SliceMut,
        log_probabilities: SliceMut,
    ) -> Result<()> {
        let targets = target_rows(shape, targets)?;
        let (values, outputs) = (values.host::<f64>(), log_probabilities.host::<f64>());
        let rows = logits.host::<f64>().chunks(shape.classes);
        for (n, logits) in rows.enumerate() {
            let row = n * shape.classes..(n + 1) * shape.classes;
            let (targets, outputs) = (&targets[row.clone()], &mut outputs[row]);
            match loss {
                Loss::CrossEntropy => {
                    outputs.copy_from_slice(&log_softmax(logits));
                    // A class of no probability counts for nothing, even if its logit is -infinity.
                    let pairs = outputs.iter().zip(targets).filter(|(_, t)| **t != 0.0);
                    values[n] = -pairs.map(|(l, t)| l * t).sum::<f64>();
                }
                Loss::BinaryCrossEntropy => {
                    outputs.copy_from_slice(logits);
                    let sum: f64 =
                        logits.iter().zip(targets).map(|(x, t)| softplus(*x) - t * x).sum();
                    values[n] = sum / shape.classes as f64;
                }
            }
        }
        Ok(())
    }

    fn loss_gradient(
        &self,
        loss: Loss,
        shape: &LossShape,
        log_probabilities: Slice,
        targets: Targets,
        value_gradients: Slice,
        logit_gradient: Destination,
    ) -> Result<()> {
        let targets = target_rows(shape, targets)?;
        let (outputs, gradients) = (log_probabilities.host::<f64>(), value_gradients.host::<f64>());
        let mut result = vec![0.0; shape.n * shape.classes];
        for n in 0..shape.n {
            let row = n * shape.classes..(n + 1) * shape.classes;
            let target_sum: f64 = targets[row.clone()].iter().sum();
            for i in row {
                let slope = match loss {
                    Loss::CrossEntropy => outputs[i].exp() * target_sum - targets[i],
                    Loss::BinaryCrossEntropy => {
                        (sigmoid(outputs[i]) - targets[i]) / shape.classes as f64
                    }
                };
                result[i] = slope * gradients[n];
            }
        }
        store(logit_gradient, &result);
        Ok(())
    }

    fn probabilities(
        &self,
        loss: Loss,
        shape: &LossShape,
        logits: Slice,
        probabilities: SliceMut,
    ) -> Result<()> {
        let rows = logits.host::<f64>().chunks(shape.classes);
        let outputs = probabilities.host::<f64>().chunks_mut(shape.classes);
        for (logits, outputs) in rows.zip(outputs) {
            let row: Vec<f64> = match loss {
                Loss::CrossEntropy => log_softmax(logits).into_iter().map(f64::exp).collect(),
                Loss::BinaryCrossEntropy => logits.iter().map(|&x| sigmoid(x)).collect(),
            };
            outputs.copy_from_slice(&row);
        }
        Ok(())
    }
}

/// `[n, classes]` probabilities, whatever the targets were given as.
fn target_rows(shape: &LossShape, targets: Targets) -> Result<Vec<f64>> {
    let classes = match targets {
        Targets::Probabilities(rows) => return Ok(rows.host::<f64>().to_vec()),
        Targets::Classes(classes) => classes.host::<i32>(),
    };
    let mut rows = vec![0.0; shape.n * shape.classes];
    for (n, &class) in classes.iter().enumerate() {
        let known = usize::try_from(class).ok().filter(|&class| class < shape.classes);
        let class = known.ok_or_else(|| Error::Argument {
            op: "loss",
            message: format!("sample {n} has class {class} of {} classes", shape.classes),
        })?;
        rows[n * shape.classes + class] = 1.0;
    }
    Ok(rows)
}

/// `x - log(sum(e^x))`; the largest element is taken out first, lest the sum overflow.
fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|x| (x - largest).exp()).sum();
    logits.iter().map(|x| x - largest - sum.ln()).collect()
}

/// `log(1 + e^x)`, without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
