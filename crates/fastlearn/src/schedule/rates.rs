//! Base learning rates: one for all layer groups, one for each, or falling from the last group to the first.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::error::ScheduleError;

/// Base learning rates as a user writes them.
///
/// ```
/// use fastlearn::schedule::Rates;
///
/// assert_eq!(Rates::from(0.01).expand(3)?, [0.01, 0.01, 0.01]);
/// assert_eq!(Rates::from([1e-4, 1e-3, 1e-2]).expand(3)?, [1e-4, 1e-3, 1e-2]);
/// assert_eq!(Rates::spread(1.0, 10.0).expand(3)?, [0.01, 0.1, 1.0]);
/// assert_eq!(Rates::from(0.25..4.0).expand(3)?, [0.25, 1.0, 4.0]); // spread geometrically
/// assert!(Rates::from([1e-3, 1e-2]).expand(3).is_err());
/// # Ok::<(), fastlearn::schedule::ScheduleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rates {
    /// The same rate for every group.
    One(f32),
    /// First group to last.
    PerGroup(Vec<f32>),
    /// Each group's rate is that of the next divided by a ratio.
    Spread {
        /// Rate of the last group, the head.
        last: f32,
        /// Ratio between neighbouring groups.
        ratio: f32,
    },
    /// The same ratio between all neighbouring groups, from the first group's rate to the last one's.
    Between {
        /// Rate of the first group.
        from: f32,
        /// Rate of the last group, the head.
        to: f32,
    },
}

impl Rates {
    /// `from` for the first group, `to` for the last, the same ratio between all neighbours; as
    /// `Rates::from(1e-4..1e-2)` (both ends are rates).
    pub fn between(from: f32, to: f32) -> Self {
        Self::Between { from, to }
    }

    /// `last` for the last group, and each earlier group's rate `ratio` times smaller than its successor's.
    pub fn spread(last: f32, ratio: f32) -> Self {
        Self::Spread { last, ratio }
    }

    /// One rate a group, first group to last. A list of one rate counts as one rate for all.
    ///
    /// # Errors
    /// [`ScheduleError`] when the count is neither one nor `groups`, or a rate is negative or not finite.
    pub fn expand(&self, groups: usize) -> Result<Vec<f32>, ScheduleError> {
        let rates = match self {
            Self::One(rate) => vec![*rate; groups],
            Self::PerGroup(rates) if rates.len() == 1 => vec![rates[0]; groups],
            Self::PerGroup(rates) if rates.len() == groups => rates.clone(),
            Self::PerGroup(rates) => {
                return Err(ScheduleError::RateCount { given: rates.len(), groups });
            }
            Self::Spread { last, ratio } => {
                // In f64, so that 1/10 and 1/100 come out as the nearest f32.
                let rate = |above: usize| f64::from(*last) / f64::from(*ratio).powi(above as i32);
                (0..groups).rev().map(|above| rate(above) as f32).collect()
            }
            Self::Between { to, .. } if groups == 1 => vec![*to],
            Self::Between { from, to } => {
                let (first, last) = (f64::from(*from), f64::from(*to));
                let rate =
                    |group: usize| first * (last / first).powf(group as f64 / (groups - 1) as f64);
                (0..groups).map(|group| rate(group) as f32).collect()
            }
        };
        match rates.iter().position(|rate| !rate.is_finite() || *rate < 0.0) {
            Some(group) => Err(ScheduleError::Rate { group, rate: rates[group] }),
            None => Ok(rates),
        }
    }
}

impl From<f32> for Rates {
    fn from(rate: f32) -> Self {
        Self::One(rate)
    }
}

impl From<Range<f32>> for Rates {
    fn from(rates: Range<f32>) -> Self {
        Self::between(rates.start, rates.end)
    }
}

impl<const N: usize> From<[f32; N]> for Rates {
    fn from(rates: [f32; N]) -> Self {
        Self::PerGroup(rates.to_vec())
    }
}

impl From<Vec<f32>> for Rates {
    fn from(rates: Vec<f32>) -> Self {
        Self::PerGroup(rates)
    }
}
