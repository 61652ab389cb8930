//! How learning rate and momentum move during a fit: pure functions of the batch number.
//!
//! Here live the shapes ([`Curve`], [`Sequence`]), the schedules made of them ([`Cycles`], [`OneCycle`], [`Phased`]),
//! the rates they multiply ([`Rates`]) and the rate finder's ramp and analysis ([`Ramp`], [`FinderCurve`]).
//! The loop that asks for a rate before each batch lives in `train`; nothing here holds a tensor or an optimiser.

mod curve;
mod cycles;
mod error;
mod finder;
mod one_cycle;
mod ramp;
mod rates;

pub use curve::{Curve, Sequence};
pub use cycles::Cycles;
pub use error::ScheduleError;
pub use finder::{FinderCurve, Reservation, StopReason, Suggestion};
pub use one_cycle::OneCycle;
pub use ramp::Ramp;
pub use rates::Rates;

use serde::{Deserialize, Serialize};

/// More epochs than any fit can mean; beyond it a schedule is taken for a typing error.
const MOST_EPOCHS: usize = 1_000_000;

/// What the optimiser is told before one batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Multiplies the base rate of every layer group.
    pub factor: f32,
    /// Momentum (Adam's first beta) for this batch; `None` leaves the optimiser's own.
    pub momentum: Option<f32>,
}

/// A schedule for one fit: how many epochs, and which [`Settings`] before each batch.
///
/// Everything is a function of the batch number, so a run that resumes at batch `k` continues exactly.
///
/// ```
/// use fastlearn::schedule::{Cycles, Schedule};
///
/// let schedule = Schedule::from(Cycles::new(3).length(1).multiplier(2));
/// assert_eq!(schedule.epochs(), 7); // 1 + 2 + 4
/// assert_eq!(schedule.cycle_of(3), 2);
/// assert!(schedule.is_cycle_end(2));
/// assert!((schedule.at(540, 360).factor - 0.853_553).abs() < 1e-6); // a quarter into the second cycle
///
/// assert_eq!(Schedule::from(3).epochs(), 3); // a plain number: constant rate
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// The base rate throughout.
    Constant {
        /// Number of epochs.
        epochs: usize,
    },
    /// Cosine annealing with restarts.
    Cycles(Cycles),
    /// Up once, down once, momentum the other way.
    OneCycle(OneCycle),
    /// Shapes of the caller's own.
    Phased(Phased),
}

impl Schedule {
    /// The base rate for `epochs` epochs.
    pub fn constant(epochs: usize) -> Self {
        Self::Constant { epochs }
    }

    /// Number of epochs in all cycles together (saturating; see [`Schedule::validate`]).
    pub fn epochs(&self) -> usize {
        match self {
            Self::Constant { epochs } => *epochs,
            Self::Cycles(cycles) => cycles.epochs(),
            Self::OneCycle(one) => one.epochs(),
            Self::Phased(phased) => phased.epochs,
        }
    }

    /// Settings for batch `batch`, counted from 0 since the fit began, of epochs with `batches_per_epoch` batches.
    ///
    /// A batch past the end gets the last batch's settings; zero batches an epoch count as one.
    pub fn at(&self, batch: usize, batches_per_epoch: usize) -> Settings {
        let per_epoch = batches_per_epoch.max(1);
        let batches = self.epochs().saturating_mul(per_epoch).max(1);
        let batch = batch.min(batches - 1);
        match self {
            Self::Constant { .. } => Settings { factor: 1.0, momentum: None },
            Self::Cycles(cycles) => {
                Settings { factor: cycles.factor(batch, per_epoch) as f32, momentum: None }
            }
            Self::OneCycle(one) => one.phases().at(batch, batches),
            Self::Phased(phased) => phased.at(batch, batches),
        }
    }

    /// The cycle, from 0, that epoch `epoch` (from 0) belongs to; all but [`Cycles`] are a single cycle.
    pub fn cycle_of(&self, epoch: usize) -> usize {
        match self {
            Self::Cycles(cycles) => cycles.cycle_of(epoch),
            _ => 0,
        }
    }

    /// Whether a cycle is complete after epoch `epoch` (from 0): the moment to keep a snapshot.
    pub fn is_cycle_end(&self, epoch: usize) -> bool {
        match self {
            Self::Cycles(cycles) => cycles.is_cycle_end(epoch),
            other => epoch + 1 == other.epochs(),
        }
    }

    /// A short description for people: "3 cycles, 1 + 2 + 4 epochs".
    pub fn label(&self) -> String {
        match self {
            Self::Constant { epochs } => format!("constant rate, {}", epochs_label(*epochs)),
            Self::Cycles(cycles) => cycles.label(),
            Self::OneCycle(one) => format!("one cycle, {}", epochs_label(one.epochs())),
            Self::Phased(phased) => format!("own shape, {}", epochs_label(phased.epochs)),
        }
    }

    /// Checks the numbers a user can set.
    ///
    /// # Errors
    /// [`ScheduleError`] naming the value that is zero, out of range or not finite.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        match self {
            Self::Constant { .. } => {}
            Self::Cycles(cycles) => cycles.validate()?,
            Self::OneCycle(one) => one.validate()?,
            Self::Phased(phased) => phased.validate()?,
        }
        match self.epochs() {
            0 => Err(ScheduleError::Zero { what: "number of epochs" }),
            epochs if epochs > MOST_EPOCHS => {
                Err(ScheduleError::TooManyEpochs { epochs, most: MOST_EPOCHS })
            }
            _ => Ok(()),
        }
    }
}

impl From<usize> for Schedule {
    fn from(epochs: usize) -> Self {
        Self::constant(epochs)
    }
}

impl From<Cycles> for Schedule {
    fn from(cycles: Cycles) -> Self {
        Self::Cycles(cycles)
    }
}

impl From<OneCycle> for Schedule {
    fn from(one: OneCycle) -> Self {
        Self::OneCycle(one)
    }
}

impl From<Phased> for Schedule {
    fn from(phased: Phased) -> Self {
        Self::Phased(phased)
    }
}

/// A schedule drawn with [`Sequence`]s over the whole fit.
///
/// ```
/// use fastlearn::schedule::{Curve, Phased, Schedule, Sequence};
///
/// // A tenth of the time up, the rest down to a hundredth.
/// let rate = Sequence::new([(0.1, Curve::linear(0.1, 1.0)), (0.9, Curve::cosine(1.0, 0.01))])?;
/// let schedule = Schedule::from(Phased { epochs: 10, rate, momentum: None });
/// assert_eq!(schedule.at(100, 100).factor, 1.0);
/// # Ok::<(), fastlearn::schedule::ScheduleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phased {
    /// Number of epochs the sequences span.
    pub epochs: usize,
    /// Factor on the base rates.
    pub rate: Sequence,
    /// Momentum, if it moves too.
    pub momentum: Option<Sequence>,
}

impl Phased {
    fn at(&self, batch: usize, batches: usize) -> Settings {
        let position = batch as f64 / batches as f64;
        Settings {
            factor: self.rate.at(position) as f32,
            momentum: self.momentum.as_ref().map(|sequence| sequence.at(position) as f32),
        }
    }

    fn validate(&self) -> Result<(), ScheduleError> {
        self.rate.validate()?;
        self.momentum.as_ref().map_or(Ok(()), Sequence::validate)
    }
}

fn epochs_label(epochs: usize) -> String {
    format!("{epochs} epoch{}", if epochs == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
