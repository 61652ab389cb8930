//! Stochastic gradient descent with warm restarts (Loshchilov and Hutter, 2016), timed as fastai 0.7 times it.

use serde::{Deserialize, Serialize};

use super::curve::Curve;
use super::epochs_label;
use super::error::ScheduleError;

/// The first twentieth of the first cycle is the warm start.
const WARM_PART: usize = 20;
/// The warm start runs at this part of the base rate.
const WARM_FACTOR: f64 = 0.01;

/// Cosine annealing with restarts: each cycle falls from the base rate towards zero, batch by batch.
///
/// The factor before batch `i` of a cycle of `n` batches is `(1 + cos(pi i / n)) / 2`. The first `ceil(n / 20)` batches
/// of the very first cycle run at a hundredth of the base rate instead; they use up their positions in the cycle,
/// so the first cycle peaks a little below the base rate and every later one starts at exactly the base rate.
///
/// Two decisions differ from fastai. A first cycle of a **single batch** has no warm start: it would be the whole cycle,
/// at a hundredth of the rate; every cycle of one batch runs at the base rate. And a multiplier above 20 does not bring
/// the warm start back in a later cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycles {
    count: usize,
    #[serde(default = "one")]
    length: usize,
    #[serde(default = "one")]
    multiplier: usize,
}

fn one() -> usize {
    1
}

impl Cycles {
    /// `count` cycles of one epoch each.
    pub fn new(count: usize) -> Self {
        Self { count, length: 1, multiplier: 1 }
    }

    /// Epochs in the first cycle.
    pub fn length(mut self, epochs: usize) -> Self {
        self.length = epochs;
        self
    }

    /// How many times as long as the one before each cycle is.
    pub fn multiplier(mut self, multiplier: usize) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// Number of cycles.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Epochs of all cycles together: `length (multiplier^count - 1) / (multiplier - 1)`, saturating.
    pub fn epochs(&self) -> usize {
        if self.multiplier <= 1 {
            return self.length.saturating_mul(self.multiplier.saturating_mul(self.count));
        }
        let mut total = 0_usize;
        for length in self.lengths() {
            total = total.saturating_add(length);
            if total == usize::MAX {
                break;
            }
        }
        total
    }

    /// Epochs in each cycle.
    fn lengths(&self) -> impl Iterator<Item = usize> + use<> {
        let multiplier = self.multiplier;
        std::iter::successors(Some(self.length), move |length| {
            Some(length.saturating_mul(multiplier))
        })
        .take(self.count)
    }

    /// Factor on the base rates before batch `batch`, counted from 0 since the fit began.
    pub(super) fn factor(&self, batch: usize, batches_per_epoch: usize) -> f64 {
        let (cycle, start, length) = self.locate(batch, batches_per_epoch);
        let is_warm = cycle == 0 && length > 1 && batch < length.div_ceil(WARM_PART);
        if is_warm {
            WARM_FACTOR
        } else {
            Curve::cosine(1.0, 0.0).at((batch - start) as f64 / length as f64)
        }
    }

    /// The cycle that holds step `step`, that cycle's first step and its number of steps, at `per_epoch` steps an epoch.
    fn locate(&self, step: usize, per_epoch: usize) -> (usize, usize, usize) {
        if self.multiplier <= 1 {
            let length = self.length.saturating_mul(per_epoch).max(1);
            let cycle = step / length;
            return (cycle, cycle * length, length);
        }
        let mut start = 0_usize;
        let mut last = (0, 0, 1);
        for (cycle, epochs) in self.lengths().enumerate() {
            let length = epochs.saturating_mul(per_epoch).max(1);
            last = (cycle, start, length);
            let end = start.saturating_add(length);
            if step < end {
                break;
            }
            start = end;
        }
        last
    }

    pub(super) fn cycle_of(&self, epoch: usize) -> usize {
        self.locate(epoch, 1).0.min(self.count.saturating_sub(1))
    }

    pub(super) fn is_cycle_end(&self, epoch: usize) -> bool {
        let (_, start, length) = self.locate(epoch, 1);
        epoch < self.epochs() && epoch + 1 == start + length
    }

    pub(super) fn label(&self) -> String {
        let cycles = format!("{} cycle{}", self.count, if self.count == 1 { "" } else { "s" });
        if self.count <= 1 || self.multiplier <= 1 {
            return format!("{cycles} of {}", epochs_label(self.length));
        }
        let mut lengths: Vec<_> = self.lengths().take(6).map(|length| length.to_string()).collect();
        if self.count > lengths.len() {
            lengths.push("...".into());
        }
        format!("{cycles}, {} epochs", lengths.join(" + "))
    }

    pub(super) fn validate(&self) -> Result<(), ScheduleError> {
        let zero = |what| Err(ScheduleError::Zero { what });
        match (self.count, self.length, self.multiplier) {
            (0, _, _) => zero("number of cycles"),
            (_, 0, _) => zero("cycle length"),
            (_, _, 0) => zero("cycle multiplier"),
            _ => Ok(()),
        }
    }
}
