//! One cycle over the whole fit (Smith, "A disciplined approach to neural network hyper-parameters", 2018).

use serde::{Deserialize, Serialize};

use super::Phased;
use super::curve::{Curve, Sequence};
use super::error::{ScheduleError, check_range};

/// The rate rises once to the base rate and falls once far below where it began; momentum does the opposite.
///
/// [`OneCycle::new`] is the cosine form in common use today, [`OneCycle::triangle`] the two straight legs and a tail
/// of fastai 0.7's `use_clr_beta`.
///
/// ```
/// use fastlearn::schedule::{OneCycle, Schedule};
///
/// let schedule = Schedule::from(OneCycle::new(4));
/// let peak = schedule.at(100, 100); // a quarter of the way
/// assert_eq!((peak.factor, peak.momentum), (1.0, Some(0.85)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneCycle {
    epochs: usize,
    /// Straight legs and a tail in place of cosines.
    triangle: bool,
    /// Part of the time until the peak; for the triangle, part of the time that the tail takes.
    part: f64,
    /// The base rate over this is the first rate.
    start_divisor: f64,
    /// The first rate over this is the last rate.
    end_divisor: f64,
    momentum: Option<(f64, f64)>,
}

impl OneCycle {
    /// Cosine up from a 25th of the base rate over the first quarter, cosine down to 1/100,000 of that;
    /// momentum 0.95, 0.85 at the peak, 0.95.
    pub fn new(epochs: usize) -> Self {
        Self {
            epochs,
            triangle: false,
            part: 0.25,
            start_divisor: 25.0,
            end_divisor: 1e5,
            momentum: Some((0.95, 0.85)),
        }
    }

    /// Two equal straight legs (`base/divisor`, base, `base/divisor`) and a tail that takes `tail` of the time
    /// and falls to `base/(100 divisor)`; momentum stays as the optimiser has it.
    pub fn triangle(epochs: usize, divisor: f64, tail: f64) -> Self {
        Self {
            epochs,
            triangle: true,
            part: tail,
            start_divisor: divisor,
            end_divisor: 100.0,
            momentum: None,
        }
    }

    /// Sets the part of the time, in (0, 1), at which the rate peaks. A triangle peaks between its equal legs: there
    /// this sets the part that the tail takes.
    pub fn peak_at(mut self, part: f64) -> Self {
        self.part = part;
        self
    }

    /// Sets what the base rate is divided by at the start, and what that is divided by again at the end.
    pub fn divisors(mut self, start: f64, end: f64) -> Self {
        self.start_divisor = start;
        self.end_divisor = end;
        self
    }

    /// Sets the momentum at both ends and at the peak of the rate.
    pub fn momentum(mut self, at_ends: f64, at_peak: f64) -> Self {
        self.momentum = Some((at_ends, at_peak));
        self
    }

    /// Number of epochs.
    pub fn epochs(&self) -> usize {
        self.epochs
    }

    /// The cycle as sequences.
    pub(super) fn phases(&self) -> Phased {
        let first = 1.0 / self.start_divisor;
        let last = first / self.end_divisor;
        let rate = if self.triangle {
            let leg = (1.0 - self.part) / 2.0;
            Sequence::of([
                (leg, Curve::linear(first, 1.0)),
                (leg, Curve::linear(1.0, first)),
                (self.part, Curve::linear(first, last)),
            ])
        } else {
            Sequence::of([
                (self.part, Curve::cosine(first, 1.0)),
                (1.0 - self.part, Curve::cosine(1.0, last)),
            ])
        };
        Phased {
            epochs: self.epochs,
            rate,
            momentum: self.momentum.map(|ends| self.momentum_sequence(ends)),
        }
    }

    fn momentum_sequence(&self, (ends, peak): (f64, f64)) -> Sequence {
        if self.triangle {
            let leg = (1.0 - self.part) / 2.0;
            Sequence::of([
                (leg, Curve::linear(ends, peak)),
                (leg, Curve::linear(peak, ends)),
                (self.part, Curve::constant(ends)),
            ])
        } else {
            Sequence::of([
                (self.part, Curve::cosine(ends, peak)),
                (1.0 - self.part, Curve::cosine(peak, ends)),
            ])
        }
    }

    pub(super) fn validate(&self) -> Result<(), ScheduleError> {
        let part_allowed =
            self.part < 1.0 && (self.part > 0.0 || (self.triangle && self.part == 0.0));
        check_range(
            "the part of a one-cycle schedule",
            self.part,
            part_allowed,
            "between 0 and 1",
        )?;
        for divisor in [self.start_divisor, self.end_divisor] {
            check_range(
                "a divisor of a one-cycle schedule",
                divisor,
                divisor >= 1.0,
                "finite and at least 1",
            )?;
        }
        let (ends, peak) = self.momentum.unwrap_or((0.0, 0.0));
        for momentum in [ends, peak] {
            check_range(
                "momentum",
                momentum,
                (0.0..1.0).contains(&momentum),
                "at least 0 and below 1",
            )?;
        }
        Ok(())
    }
}
