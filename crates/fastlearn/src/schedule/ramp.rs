//! The rate finder's ramp: from a rate that learns nothing to one that must diverge.

use serde::{Deserialize, Serialize};

use super::curve::Curve;
use super::error::{ScheduleError, check_range};

/// Geometric growth of the rate over a fixed number of steps; batch `i` of `n` gets `start (end / start)^(i / n)`.
///
/// ```
/// use fastlearn::schedule::Ramp;
///
/// let ramp = Ramp::default(); // 1e-5 to 10 in 100 steps
/// assert!((ramp.rate(50) - 1e-2).abs() < 1e-7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ramp {
    /// Rate of the first step.
    pub start: f64,
    /// Rate that the step after the last would have.
    pub end: f64,
    /// Number of steps.
    pub steps: usize,
}

impl Default for Ramp {
    fn default() -> Self {
        Self { start: 1e-5, end: 10.0, steps: 100 }
    }
}

impl Ramp {
    /// The last layer group's rate at step `step` (from 0). Other groups keep their ratio to it.
    pub fn rate(&self, step: usize) -> f32 {
        Curve::exponential(self.start, self.end).at(step as f64 / self.steps.max(1) as f64) as f32
    }

    /// Checks the numbers a user can set.
    ///
    /// # Errors
    /// [`ScheduleError`] naming the number that is zero, not finite or out of order.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        if self.steps == 0 {
            return Err(ScheduleError::Zero { what: "number of steps" });
        }
        check_range(
            "the rate finder's first rate",
            self.start,
            self.start > 0.0,
            "finite and above 0",
        )?;
        check_range(
            "the rate finder's last rate",
            self.end,
            self.end > self.start,
            "finite and above the first",
        )
    }
}
