//! How far a proportion measured on a sample may be from the truth.

use serde::{Deserialize, Serialize};

/// The 97.5 % point of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// A range that holds the true value in 95 of 100 samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The 95 % score interval of a proportion (Wilson, 1927): sensible near 0 and 1 and for few cases, where the
/// textbook interval is not. No cases at all give [0, 1].
///
/// ```
/// let interval = fastlearn::metrics::wilson_interval(95, 100);
/// assert!((interval.low - 0.888_25).abs() < 1e-5 && (interval.high - 0.978_46).abs() < 1e-5);
/// ```
pub fn wilson_interval(successes: u64, cases: u64) -> Interval {
    if cases == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (n, z2) = (cases as f64, Z_95 * Z_95);
    let p = successes as f64 / n;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_solve_the_score_equation() {
        // Each end is the p0 at which the observed proportion is exactly z standard errors away.
        for (successes, cases) in [(0, 10), (1, 10), (7, 9), (10, 10), (1990, 2000)] {
            let interval = wilson_interval(successes, cases);
            let observed = successes as f64 / cases as f64;
            for end in [interval.low, interval.high] {
                let variance = end * (1.0 - end) / cases as f64;
                let distance = (observed - end).powi(2) - Z_95.powi(2) * variance;
                assert!(distance.abs() < 1e-12, "{successes}/{cases}: {end}");
            }
        }
        assert_eq!(wilson_interval(0, 0), Interval { low: 0.0, high: 1.0 });
    }
}
