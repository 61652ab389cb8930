//! Temperature scaling: one number by which logits are divided, so that probabilities mean what they say
//! (Guo et al., *On calibration of modern neural networks*, 2017). It changes no order, so no accuracy.

use super::error::MetricsError;
use super::scored::Scored;

/// Within these bounds a temperature is sought; networks need 0.5 to 5.
const COLDEST: f64 = 0.05;
const HOTTEST: f64 = 20.0;
/// Newton's method on a convex function of one variable needs about six steps.
const MOST_STEPS: usize = 100;
const TOLERANCE: f64 = 1e-10;

/// What logits are divided by before they become probabilities: above 1 the network was too sure.
///
/// It works on probabilities, whose logarithms are logits but for a constant, in f64.
///
/// ```
/// use fastlearn::metrics::Temperature;
/// // Right half of the time, but 99 % sure: half would be honest.
/// let (sure, labels) = ([0.99, 0.01, 0.99, 0.01], [0, 1]);
/// let temperature = Temperature::of_classes(&sure, 2, &labels)?;
/// let mut honest = sure;
/// temperature.apply_to_classes(&mut honest, 2);
/// assert!(temperature.value() > 1.0 && honest[0] < 0.6);
/// # Ok::<(), fastlearn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Temperature(f64);

impl Temperature {
    /// The one that changes nothing.
    pub const ONE: Temperature = Temperature(1.0);

    /// A temperature from elsewhere.
    ///
    /// # Errors
    /// [`MetricsError::Temperature`] unless it is finite and above 0.
    pub fn new(value: f64) -> Result<Temperature, MetricsError> {
        match value.is_finite() && value > 0.0 {
            true => Ok(Temperature(value)),
            false => Err(MetricsError::Temperature { value }),
        }
    }

    /// The temperature with the least log loss of `[n, classes]` softmax probabilities, beside the true
    /// class of each row.
    ///
    /// # Errors
    /// As [`Scored::new`].
    pub fn of_classes(
        probabilities: &[f32],
        classes: usize,
        labels: &[u32],
    ) -> Result<Temperature, MetricsError> {
        Scored::new(probabilities, classes, labels)?;
        let rows: Vec<(Vec<f64>, usize)> = probabilities
            .chunks_exact(classes)
            .zip(labels)
            .map(|(row, &label)| (row.iter().map(|&p| class_logit(p)).collect(), label as usize))
            .collect();
        Ok(minimise(|scale| {
            let derivatives =
                rows.iter().map(|(logits, label)| class_slopes(logits, *label, scale));
            derivatives.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        }))
    }

    /// The temperature with the least log loss of independent sigmoid probabilities, each beside whether
    /// it should have been 1.
    ///
    /// # Errors
    /// [`MetricsError`] if there are none, or not as many truths.
    pub fn of_labels(probabilities: &[f32], truths: &[bool]) -> Result<Temperature, MetricsError> {
        if probabilities.is_empty() {
            return Err(MetricsError::Empty);
        }
        let (values, rows) = (probabilities.len(), truths.len());
        if values != rows {
            return Err(MetricsError::Shape { values, rows, classes: 1 });
        }
        let cells: Vec<(f64, f64)> = probabilities
            .iter()
            .zip(truths)
            .map(|(&p, &truth)| (label_logit(p), f64::from(u8::from(truth))))
            .collect();
        Ok(minimise(|scale| {
            let derivatives = cells.iter().map(|&(logit, truth)| {
                let p = sigmoid(scale * logit);
                ((p - truth) * logit, p * (1.0 - p) * logit * logit)
            });
            derivatives.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        }))
    }

    /// What logits are divided by.
    pub fn value(&self) -> f64 {
        self.0
    }

    /// Makes `[n, classes]` softmax probabilities what they are at this temperature.
    pub fn apply_to_classes(&self, probabilities: &mut [f32], classes: usize) {
        for row in probabilities.chunks_exact_mut(classes.max(1)) {
            let logits: Vec<f64> = row.iter().map(|&p| class_logit(p) / self.0).collect();
            let scaled = softmax(&logits);
            row.iter_mut().zip(scaled).for_each(|(p, scaled)| *p = scaled as f32);
        }
    }

    /// Makes independent sigmoid probabilities what they are at this temperature.
    pub fn apply_to_labels(&self, probabilities: &mut [f32]) {
        for p in probabilities {
            *p = sigmoid(label_logit(*p) / self.0) as f32;
        }
    }
}

/// A softmax probability's logit, but for a constant of its row. What has vanished in f32 is taken for
/// its least value.
fn class_logit(probability: f32) -> f64 {
    f64::from(probability.max(f32::MIN_POSITIVE)).ln()
}

/// A sigmoid probability's logit. Near 1 f32 cannot say more than its last digit.
fn label_logit(probability: f32) -> f64 {
    let p = f64::from(probability.clamp(f32::MIN_POSITIVE, 1.0 - f32::EPSILON / 2.0));
    p.ln() - (-p).ln_1p()
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// First and second derivative of one row's log loss by the scale of its logits.
fn class_slopes(logits: &[f64], label: usize, scale: f64) -> (f64, f64) {
    let scaled: Vec<f64> = logits.iter().map(|logit| logit * scale).collect();
    let p = softmax(&scaled);
    let mean: f64 = p.iter().zip(logits).map(|(p, z)| p * z).sum();
    let variance: f64 = p.iter().zip(logits).map(|(p, z)| p * (z - mean).powi(2)).sum();
    (mean - logits[label], variance)
}

/// The temperature at which the loss is least. It is convex in the scale of the logits, so its slope
/// changes sign once: Newton's steps, halved where they leave the bracket.
fn minimise(slopes: impl Fn(f64) -> (f64, f64)) -> Temperature {
    let (mut low, mut high) = (1.0 / HOTTEST, 1.0 / COLDEST);
    if slopes(low).0 >= 0.0 {
        return Temperature(HOTTEST);
    }
    if slopes(high).0 <= 0.0 {
        return Temperature(COLDEST);
    }
    let mut scale = 1.0;
    for _ in 0..MOST_STEPS {
        let (slope, curvature) = slopes(scale);
        match slope > 0.0 {
            true => high = scale,
            false => low = scale,
        }
        let newton = scale - slope / curvature;
        let next = if newton > low && newton < high { newton } else { (low + high) / 2.0 };
        if (next - scale).abs() <= TOLERANCE * scale {
            break;
        }
        scale = next;
    }
    Temperature(1.0 / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor_core::random::Philox;

    const CLASSES: usize = 5;
    const ROWS: usize = 400;

    /// Rows of logits, softmax probabilities of `sharpness` times those, and labels drawn from the
    /// honest ones: the best temperature is near the sharpness.
    fn drawn(sharpness: f64) -> (Vec<f32>, Vec<u32>) {
        let (mut probabilities, mut labels) = (Vec::new(), Vec::new());
        for row in 0..ROWS {
            let mut random = Philox::new(9).stream([row as u32, 0, 0]);
            let logits: Vec<f64> = (0..CLASSES).map(|_| 2.0 * f64::from(random.normal())).collect();
            let mut left = f64::from(random.unit());
            let honest = softmax(&logits);
            let label = honest.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            labels.push(label.unwrap_or(CLASSES - 1) as u32);
            let sharp: Vec<f64> = logits.iter().map(|logit| logit * sharpness).collect();
            probabilities.extend(softmax(&sharp).iter().map(|&p| p as f32));
        }
        (probabilities, labels)
    }

    fn loss(probabilities: &[f32], labels: &[u32]) -> f64 {
        Scored::new(probabilities, CLASSES, labels).expect("scored").log_loss()
    }

    #[test]
    fn the_sharpness_of_logits_is_found() {
        for sharpness in [0.5, 1.0, 3.0] {
            let (probabilities, labels) = drawn(sharpness);
            let found = Temperature::of_classes(&probabilities, CLASSES, &labels).expect("found");
            let ratio = found.value() / sharpness;
            assert!((0.85..1.15).contains(&ratio), "{} for {sharpness}", found.value());
        }
    }

    #[test]
    fn no_temperature_near_it_has_less_loss() {
        let (probabilities, labels) = drawn(2.0);
        let best = Temperature::of_classes(&probabilities, CLASSES, &labels).expect("found");
        let at = |value: f64| {
            let mut scaled = probabilities.clone();
            Temperature(value).apply_to_classes(&mut scaled, CLASSES);
            loss(&scaled, &labels)
        };
        let least = at(best.value());
        for factor in [0.5, 0.9, 0.99, 1.01, 1.1, 2.0, 1.0 / best.value()] {
            assert!(at(best.value() * factor) > least - 1e-9, "{factor}");
        }
        assert!(at(best.value() * 1.1) > least + 1e-5);
        assert!((at(1.0) - loss(&probabilities, &labels)).abs() < 1e-6, "1 changes nothing");
    }

    #[test]
    fn labels_of_their_own_have_a_temperature_too() {
        let (mut probabilities, mut truths) = (Vec::new(), Vec::new());
        for cell in 0..4000 {
            let mut random = Philox::new(4).stream([cell, 0, 0]);
            let logit = 2.0 * f64::from(random.normal());
            truths.push(f64::from(random.unit()) < sigmoid(logit));
            probabilities.push(sigmoid(2.5 * logit) as f32);
        }
        let found = Temperature::of_labels(&probabilities, &truths).expect("found");
        assert!((2.2..2.8).contains(&found.value()), "{}", found.value());
        let mut scaled = probabilities.clone();
        found.apply_to_labels(&mut scaled);
        let loss = |values: &[f32]| -> f64 {
            let cell =
                |(&p, &truth): (&f32, &bool)| -f64::from(if truth { p } else { 1.0 - p }).ln();
            values.iter().zip(&truths).map(cell).sum()
        };
        assert!(loss(&scaled) < loss(&probabilities));
    }

    #[test]
    fn what_is_always_right_or_always_wrong_stops_at_the_bounds() {
        let right = Temperature::of_classes(&[0.9, 0.1, 0.2, 0.8], 2, &[0, 1]).expect("found");
        let wrong = Temperature::of_classes(&[0.9, 0.1, 0.2, 0.8], 2, &[1, 0]).expect("found");
        assert_eq!((right.value(), wrong.value()), (COLDEST, HOTTEST));
        // Vanished probabilities are finite afterwards.
        let mut vanished = [1.0, 0.0];
        wrong.apply_to_classes(&mut vanished, 2);
        assert!(vanished.iter().all(|p| p.is_finite() && *p > 0.0), "{vanished:?}");
        let mut sure = [1.0, 0.0];
        wrong.apply_to_labels(&mut sure);
        assert!(sure.iter().all(|p| p.is_finite() && *p > 0.0 && *p < 1.0), "{sure:?}");
    }

    #[test]
    fn temperatures_that_mean_nothing_are_refused() {
        assert!([0.0, -1.0, f64::NAN, f64::INFINITY].iter().all(|&t| Temperature::new(t).is_err()));
        assert!(Temperature::of_labels(&[], &[]).is_err());
        assert!(Temperature::of_classes(&[0.5, 0.5], 2, &[2]).is_err());
    }
}
