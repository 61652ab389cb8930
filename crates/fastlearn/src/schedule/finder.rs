//! Reading a rate-finder curve: smoothing, when to stop, which rate to suggest and what to think of it.
//!
//! Running the steps and putting the weights back belongs to `train`; drawing the curve to `interpret`.

use std::fmt;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::metrics::SmoothedLoss;

/// The run stops when the smoothed loss exceeds the best so far by this factor.
const STOP_FACTOR: f64 = 4.0;
/// The last step (from 0) whose loss cannot be the best so far: averages of so few batches are chance.
const LAST_UNTRACKED_STEP: usize = 10;
/// As many points at the start are no candidates for the lowest or steepest one, where the curve is long enough.
const SKIPPED_AT_START: usize = 10;
/// A rise after the lowest point counts from this part of the fall before it.
const RISE_PART: f64 = 0.05;
/// The suggestion is the rate at the lowest smoothed loss over this.
const SUGGESTION_DIVISOR: f32 = 10.0;
/// A slope reaches this part of the curve to either side.
const SLOPE_PARTS: usize = 25;
/// Fewer points than this say nothing.
const FEWEST_POINTS: usize = 8;

/// Why a rate-finder run ended before its last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The smoothed loss exceeded four times the best.
    Diverged,
    /// A loss was not finite.
    NotFinite,
}

/// The course of a rate-finder run, one entry a step.
///
/// ```
/// use fastlearn::schedule::{FinderCurve, Ramp};
///
/// let ramp = Ramp::default();
/// let mut curve = FinderCurve::new("group 3 of 3");
/// for step in 0..ramp.steps {
///     let rate = ramp.rate(step);
///     let loss = (1.0 - 0.8 * (rate / (rate + 1e-3))) + rate * rate; // falls about 1e-3, explodes above 1
///     if curve.push(rate, loss).is_break() {
///         break;
///     }
/// }
/// let suggestion = curve.suggest().expect("the curve has points");
/// assert!(suggestion.reservation.is_none());
/// assert!(suggestion.rate > 1e-2 && suggestion.rate < 1.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinderCurve {
    /// Rate of the layer group named by `group`.
    pub rates: Vec<f32>,
    /// Loss of each batch as it came.
    pub losses: Vec<f32>,
    /// Debiased exponential average of the losses, beta 0.98.
    pub smoothed: Vec<f32>,
    /// Which layer group's rate `rates` is, for the axis: "group 3 of 3".
    pub group: String,
    /// Why the run ended early, if it did. The step that ended it is not recorded.
    pub stopped: Option<StopReason>,
    average: SmoothedLoss,
}

/// What a curve advises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// A tenth of the rate at the lowest smoothed loss.
    pub rate: f32,
    /// Index of the lowest smoothed loss.
    pub lowest: usize,
    /// Index of the steepest descent before it (smoothed loss over the rate's logarithm), if there is a descent.
    pub steepest: Option<usize>,
    /// What speaks against trusting the suggestion.
    pub reservation: Option<Reservation>,
}

/// What speaks against a suggestion; `Display` gives a sentence for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reservation {
    /// Too few steps before the run stopped.
    TooFewPoints,
    /// The loss rises from the start.
    NeverFalls,
    /// The loss is still falling, or flat, at the highest rate: the lowest point is not a turning point.
    NeverTurnsUp,
}

impl fmt::Display for Reservation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::TooFewPoints => "the run has too few steps to judge; start from a lower rate",
            Self::NeverFalls => "the loss never falls; start from a lower rate, or look at the data and its labels",
            Self::NeverTurnsUp => "the loss never turns up; end at a higher rate, or take a rate where it falls steeply",
        })
    }
}

impl FinderCurve {
    /// A curve without points, of the rates of `group` ("group 3 of 3").
    pub fn new(group: impl Into<String>) -> Self {
        Self {
            rates: Vec::new(),
            losses: Vec::new(),
            smoothed: Vec::new(),
            group: group.into(),
            stopped: None,
            average: SmoothedLoss::default(),
        }
    }

    /// The curve of a finished run; points from the first that would have stopped it are left out.
    pub fn from_losses(rates: &[f32], losses: &[f32], group: impl Into<String>) -> Self {
        let mut curve = Self::new(group);
        for (&rate, &loss) in rates.iter().zip(losses) {
            if curve.push(rate, loss).is_break() {
                break;
            }
        }
        curve
    }

    /// Records one step, or says that the run is over: the loss is not finite, or its smoothed value exceeds four times
    /// the best since step 10. A step that ends the run is not recorded.
    pub fn push(&mut self, rate: f32, loss: f32) -> ControlFlow<StopReason> {
        let reason = if loss.is_finite() {
            self.push_finite(rate, loss)
        } else {
            Some(StopReason::NotFinite)
        };
        match reason {
            Some(reason) => {
                self.stopped = Some(reason);
                ControlFlow::Break(reason)
            }
            None => ControlFlow::Continue(()),
        }
    }

    fn push_finite(&mut self, rate: f32, loss: f32) -> Option<StopReason> {
        let smoothed = self.average.push(f64::from(loss));
        let tracked = self.smoothed.iter().skip(LAST_UNTRACKED_STEP + 1);
        let best = tracked.fold(f64::INFINITY, |best, &value| best.min(f64::from(value)));
        // A loss that may be negative has no "four times worse".
        if best > 0.0 && smoothed > STOP_FACTOR * best {
            return Some(StopReason::Diverged);
        }
        self.rates.push(rate);
        self.losses.push(loss);
        self.smoothed.push(smoothed as f32);
        None
    }

    /// The suggested rate; `None` for a curve without points.
    pub fn suggest(&self) -> Option<Suggestion> {
        let first = self.first_candidate();
        let lowest = index_of_lowest(
            (first..self.smoothed.len()).map(|index| (index, self.smoothed[index])),
        )?;
        Some(Suggestion {
            rate: self.rates[lowest] / SUGGESTION_DIVISOR,
            lowest,
            steepest: self.steepest(first, lowest),
            reservation: self.reservation(first, lowest),
        })
    }

    /// The first point that can be the lowest or the steepest. The average has to settle first.
    fn first_candidate(&self) -> usize {
        SKIPPED_AT_START.min(self.smoothed.len() / 4)
    }

    fn steepest(&self, first: usize, lowest: usize) -> Option<usize> {
        let slopes = (first..=lowest).map(|index| (index, self.slope(index)));
        index_of_lowest(slopes).filter(|&index| self.slope(index) < 0.0)
    }

    /// Change of the smoothed loss per factor of e in the rate, between points a few steps to either side: neighbours
    /// differ by chance.
    fn slope(&self, index: usize) -> f32 {
        let reach = (self.smoothed.len() / SLOPE_PARTS).max(1);
        let before = index.saturating_sub(reach);
        let after = (index + reach).min(self.smoothed.len() - 1);
        let distance = (self.rates[after] / self.rates[before]).ln();
        if distance > 0.0 { (self.smoothed[after] - self.smoothed[before]) / distance } else { 0.0 }
    }

    fn reservation(&self, first: usize, lowest: usize) -> Option<Reservation> {
        let bottom = f64::from(self.smoothed[lowest]);
        let top = self.smoothed[first..=lowest]
            .iter()
            .fold(bottom, |top, &value| top.max(f64::from(value)));
        let end = self.smoothed.last().map_or(bottom, |&value| f64::from(value));
        let turns_up = self.stopped.is_some() || end - bottom > RISE_PART * (top - bottom);
        if self.smoothed.len() < FEWEST_POINTS {
            Some(Reservation::TooFewPoints)
        } else if !turns_up {
            Some(Reservation::NeverTurnsUp)
        } else if lowest == first {
            Some(Reservation::NeverFalls)
        } else {
            None
        }
    }
}

/// Index of the lowest finite value, the first of equals.
fn index_of_lowest(values: impl Iterator<Item = (usize, f32)>) -> Option<usize> {
    values
        .filter(|(_, value)| value.is_finite())
        .fold(None, |best: Option<(usize, f32)>, next| match best {
            Some(best) if best.1 <= next.1 => Some(best),
            _ => Some(next),
        })
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Ramp;

    fn run(loss: impl Fn(f32) -> f32) -> FinderCurve {
        let ramp = Ramp::default();
        let rates: Vec<_> = (0..ramp.steps).map(|step| ramp.rate(step)).collect();
        let losses: Vec<_> = rates.iter().map(|&rate| loss(rate)).collect();
        FinderCurve::from_losses(&rates, &losses, "group 1 of 1")
    }

    #[test]
    fn smoothing_is_the_debiased_average() {
        let curve = FinderCurve::from_losses(&[1.0, 2.0, 3.0], &[1.0, 2.0, 4.0], "g");
        // The same by NumPy.
        for (got, expected) in curve.smoothed.iter().zip([1.0, 1.505_050_5, 2.353_557_3]) {
            assert!((got - expected).abs() < 1e-6, "{got} against {expected}");
        }
    }

    #[test]
    fn suggests_a_tenth_of_the_lowest_and_stops_when_it_diverges() {
        let curve = run(|rate| 2.0 - 1.5 * rate / (rate + 1e-3) + 100.0 * rate * rate);
        assert_eq!(curve.stopped, Some(StopReason::Diverged));
        assert!(curve.rates.len() < 100);
        let suggestion = curve.suggest().expect("points");
        let lowest = curve.smoothed.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!(curve.smoothed[suggestion.lowest], lowest);
        assert_eq!(suggestion.rate, curve.rates[suggestion.lowest] / 10.0);
        let steepest = suggestion.steepest.expect("falls");
        assert!(steepest < suggestion.lowest && curve.rates[steepest] > 1e-4);
        assert_eq!(suggestion.reservation, None);
    }

    #[test]
    fn best_is_not_tracked_through_step_ten() {
        // A tiny first loss would stop a run of ordinary losses if it counted.
        let mut losses = vec![2.0_f32; 30];
        losses[0] = 0.01;
        let rates: Vec<f32> = (1..=30).map(|step| step as f32).collect();
        let curve = FinderCurve::from_losses(&rates, &losses, "g");
        assert_eq!((curve.losses.len(), curve.stopped), (30, None));
        // Smoothed (beta .98, debiased) is 1 at step 11 and first above 4 once two losses of 30 have been averaged in.
        let mut losses = vec![1.0_f32; 12];
        losses.extend([30.0; 5]);
        let curve = FinderCurve::from_losses(&rates, &losses, "g");
        assert_eq!((curve.losses.len(), curve.stopped), (13, Some(StopReason::Diverged)));
    }

    #[test]
    fn names_what_speaks_against_it() {
        let falls = run(|rate| 2.0 - rate / (rate + 1.0));
        assert_eq!(falls.suggest().and_then(|s| s.reservation), Some(Reservation::NeverTurnsUp));
        let flat = run(|_| 2.0);
        assert_eq!(flat.suggest().and_then(|s| s.reservation), Some(Reservation::NeverTurnsUp));
        let rises = run(|rate| 1.0 + rate);
        let suggestion = rises.suggest().expect("points");
        assert_eq!(suggestion.reservation, Some(Reservation::NeverFalls));
        assert_eq!(suggestion.steepest, None);
        let short = FinderCurve::from_losses(&[0.1, 0.2], &[1.0, 0.5], "g");
        assert_eq!(short.suggest().and_then(|s| s.reservation), Some(Reservation::TooFewPoints));
    }

    #[test]
    fn losses_that_are_not_finite_end_the_run_unrecorded() {
        for bad in [f32::NAN, f32::INFINITY] {
            let none = FinderCurve::from_losses(&[0.1], &[bad], "g");
            assert_eq!((none.suggest(), none.stopped), (None, Some(StopReason::NotFinite)));
            let one = FinderCurve::from_losses(&[0.1, 0.2], &[1.0, bad], "g");
            assert_eq!(one.suggest().map(|s| s.lowest), Some(0));
        }
        assert_eq!(FinderCurve::from_losses(&[], &[], "g").suggest(), None);
    }

    #[test]
    fn survives_json() {
        let curve = run(|rate| 1.0 + (rate - 0.1).abs());
        let text = serde_json::to_string(&curve).expect("serialises");
        assert_eq!(serde_json::from_str::<FinderCurve>(&text).expect("deserialises"), curve);
    }
}
