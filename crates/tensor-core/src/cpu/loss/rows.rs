//! One sample's loss and gradient. Exponents are never positive, so nothing overflows.

use crate::memory::WriteMode;

/// What one sample's logits should have said.
#[derive(Clone, Copy)]
pub(super) enum RowTargets<'a> {
    /// The index of its class.
    Class(usize),
    /// A probability for each class.
    Probabilities(&'a [f32]),
}

impl RowTargets<'_> {
    /// The probability that the target gives to a class.
    fn of(self, class: usize) -> f32 {
        match self {
            RowTargets::Class(target) => f32::from(u8::from(target == class)),
            RowTargets::Probabilities(probabilities) => probabilities[class],
        }
    }
}

/// `logits - log(sum(exp(logits)))`.
pub(super) fn log_softmax(logits: &[f32], log_probabilities: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - largest).exp())).sum();
    let log_sum = sum.ln() as f32;
    for (to, logit) in log_probabilities.iter_mut().zip(logits) {
        *to = (logit - largest) - log_sum;
    }
}

/// Minus the log-probability of the target, or the mean of it under the target's probabilities.
pub(super) fn cross_entropy(log_probabilities: &[f32], targets: RowTargets) -> f32 {
    match targets {
        RowTargets::Class(class) => -log_probabilities[class],
        RowTargets::Probabilities(probabilities) => {
            let pairs = log_probabilities.iter().zip(probabilities);
            -pairs.map(|(log, target)| f64::from(*log) * f64::from(*target)).sum::<f64>() as f32
        }
    }
}

/// `gradient * (softmax * sum(targets) - targets)`.
pub(super) fn cross_entropy_gradient(
    log_probabilities: &[f32],
    targets: RowTargets,
    gradient: f32,
    mode: WriteMode,
    to: &mut [f32],
) {
    let total = match targets {
        RowTargets::Class(_) => 1.0,
        RowTargets::Probabilities(all) => all.iter().map(|p| f64::from(*p)).sum::<f64>() as f32,
    };
    let value = |class: usize, log: f32| gradient * (log.exp() * total - targets.of(class));
    store(log_probabilities, value, mode, to);
}

/// The mean over classes of `-(t log s(z) + (1 - t) log(1 - s(z)))`, s being the logistic function,
/// as `max(z, 0) - t z + log(1 + exp(-|z|))`.
pub(super) fn binary_cross_entropy(logits: &[f32], targets: RowTargets) -> f32 {
    let terms = logits.iter().enumerate().map(|(class, &logit)| {
        let rest = f64::from((-logit.abs()).exp().ln_1p());
        let positive = if logit < 0.0 { 0.0 } else { f64::from(logit) };
        positive - f64::from(logit) * f64::from(targets.of(class)) + rest
    });
    (terms.sum::<f64>() / logits.len() as f64) as f32
}

/// `gradient * (s(z) - t) / classes`.
pub(super) fn binary_cross_entropy_gradient(
    logits: &[f32],
    targets: RowTargets,
    gradient: f32,
    mode: WriteMode,
    to: &mut [f32],
) {
    let share = gradient / logits.len() as f32;
    store(logits, |class, logit| share * (sigmoid(logit) - targets.of(class)), mode, to);
}

/// The logistic function; `e^-x` may overflow to infinity, which gives the right 0.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn store(row: &[f32], value: impl Fn(usize, f32) -> f32, mode: WriteMode, to: &mut [f32]) {
    for (class, (to, &from)) in to.iter_mut().zip(row).enumerate() {
        match mode {
            WriteMode::Write => *to = value(class, from),
            WriteMode::Accumulate => *to += value(class, from),
        }
    }
}
