//! What can be wrong with a schedule or with rates.

/// A schedule, or the rates given beside it, cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A count that must be at least one.
    #[error("the {what} of a schedule is 0; it must be at least 1")]
    Zero {
        /// Which count.
        what: &'static str,
    },
    /// Cycles that multiply beyond any use.
    #[error(
        "the schedule has {epochs} epochs, more than {most}; use fewer cycles or a smaller multiplier"
    )]
    TooManyEpochs {
        /// Epochs of the schedule.
        epochs: usize,
        /// The most that are taken.
        most: usize,
    },
    /// A number outside its range.
    #[error("{what} is {value}; it must be {range}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed, in words.
        range: &'static str,
    },
    /// Fractions of a sequence that do not cover it.
    #[error("the fractions of a sequence add up to {sum}; they must add up to 1")]
    Fractions {
        /// Their sum.
        sum: f64,
    },
    /// Rates for another number of groups.
    #[error("{given} learning rates for {groups} layer groups; give one rate, or one a group")]
    RateCount {
        /// Rates given.
        given: usize,
        /// Groups the model has.
        groups: usize,
    },
    /// A rate no optimiser can use.
    #[error(
        "the learning rate of layer group {group} (from 0) is {rate}; it must be finite and at least 0"
    )]
    Rate {
        /// The group, from 0.
        group: usize,
        /// Its rate.
        rate: f32,
    },
}

/// `Ok` if `value` is finite and `allowed`.
pub(super) fn check_range(
    what: &'static str,
    value: f64,
    allowed: bool,
    range: &'static str,
) -> Result<(), ScheduleError> {
    if value.is_finite() && allowed {
        Ok(())
    } else {
        Err(ScheduleError::OutOfRange { what, value, range })
    }
}
