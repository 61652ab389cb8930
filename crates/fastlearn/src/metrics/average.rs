//! The running average that a training row and a progress line show.

use serde::{Deserialize, Serialize};

/// Debiased exponential average: `a = beta a + (1 - beta) x`, shown as `a / (1 - beta^count)`.
///
/// With the default beta of 0.98 it reflects about the last 50 values. A value that is not finite makes every later
/// average not finite, as it should: leave out the losses of steps that were skipped.
///
/// ```
/// let mut average = fastlearn::metrics::SmoothedLoss::default();
/// assert_eq!(average.push(2.0), 2.0); // the first value itself, not a fiftieth of it
/// assert!((average.push(1.0) - 1.494_949).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothedLoss {
    beta: f64,
    biased: f64,
    count: u64,
}

impl Default for SmoothedLoss {
    fn default() -> Self {
        Self::new(0.98)
    }
}

impl SmoothedLoss {
    /// An average with weight `beta`, in [0, 1), on the past.
    pub fn new(beta: f64) -> Self {
        Self { beta, biased: 0.0, count: 0 }
    }

    /// Takes a value in and returns the average.
    pub fn push(&mut self, value: f64) -> f64 {
        self.biased = self.beta * self.biased + (1.0 - self.beta) * value;
        self.count += 1;
        self.biased / self.correction()
    }

    /// The average; `None` before the first value.
    pub fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.biased / self.correction())
    }

    /// Values taken in.
    pub fn count(&self) -> u64 {
        self.count
    }

    fn correction(&self) -> f64 {
        // Beyond 2^31 values beta^count is 0 for any beta of use.
        1.0 - self.beta.powi(self.count.min(i32::MAX as u64) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_weighted_mean() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let mut average = SmoothedLoss::default();
        for count in 1..=values.len() {
            let got = average.push(values[count - 1]);
            // The same as a mean with weights .98^age.
            let weights: Vec<f64> =
                (0..count).map(|index| 0.98_f64.powi((count - 1 - index) as i32)).collect();
            let weighted: f64 =
                values.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
            assert!((got - weighted / weights.iter().sum::<f64>()).abs() < 1e-12);
        }
        assert_eq!(average.count(), 8);
        assert_eq!(SmoothedLoss::default().value(), None);
    }
}
