//! What the losses of a fit say about the next one: a pure function of the history.
//!
//! It only ever says: nothing here, and nothing that calls it, changes a setting.

use std::fmt;

use super::history::{EpochRow, History};

/// A validation loss below this share of the training loss is clearly below it. Between this and
/// [`FAR_ABOVE`] the lesson's own runs are left as they are.
const CLEARLY_BELOW: f32 = 0.9;
/// A validation loss above this multiple of the training loss is far above it.
const FAR_ABOVE: f32 = 1.3;
/// A validation loss above this multiple of its best has risen, and not by the chance of a few pictures.
const RISEN: f32 = 1.05;
/// A training loss above this multiple of what it was before has run away,
const RUN_AWAY: f32 = 2.0;
/// if the validation loss is above this multiple: it follows later, and less.
const WORSE: f32 = 1.25;
/// A validation loss below this multiple of the one before is still falling.
const FALLING: f32 = 0.98;

/// What to try next, with the numbers that it is read from. Displays as one line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Advice {
    /// The validation loss is clearly below the training loss: there is more to be learned.
    UnderFitting {
        /// Training loss of the last epoch.
        train: f32,
        /// Validation loss of the last epoch.
        valid: f32,
    },
    /// The validation loss is far above the training loss.
    OverFitting {
        /// Training loss of the last epoch.
        train: f32,
        /// Validation loss of the last epoch.
        valid: f32,
    },
    /// The validation loss has risen from its best while the training loss went on falling.
    Rising {
        /// Epoch of the fit with the best validation loss, from 0.
        best_epoch: usize,
        /// Validation loss of that epoch.
        best: f32,
        /// Validation loss of the last epoch.
        valid: f32,
    },
    /// Both losses have run away from where they were.
    Diverged {
        /// Validation loss before.
        before: f32,
        /// Validation loss of the last epoch.
        valid: f32,
    },
    /// The validation loss was still falling, and is near the training loss.
    GoOn {
        /// Validation loss at the end of the cycle before.
        before: f32,
        /// Validation loss of the last epoch.
        valid: f32,
    },
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Advice::UnderFitting { train, valid } => write!(
                f,
                "under-fitting: the validation loss {valid:.4} is clearly below the training loss \
                 {train:.4}; try longer cycles, or a multiplier of 2"
            ),
            Advice::OverFitting { train, valid } => write!(
                f,
                "over-fitting: the validation loss {valid:.4} is far above the training loss \
                 {train:.4}; try more augmentation or larger pictures, or stop here"
            ),
            Advice::Rising { best_epoch, best, valid } => write!(
                f,
                "over-fitting: the validation loss has risen from {best:.4} (epoch {}) to {valid:.4} \
                 while the training loss fell; try more augmentation or larger pictures, or stop \
                 earlier",
                best_epoch + 1
            ),
            Advice::Diverged { before, valid } => write!(
                f,
                "diverged: the validation loss has gone from {before:.4} to {valid:.4}; try a tenth \
                 of the rate"
            ),
            Advice::GoOn { before, valid } => write!(
                f,
                "go on: the validation loss is still falling, from {before:.4} to {valid:.4}"
            ),
        }
    }
}

/// Reads the last fit of a history; `None` if there is none, if it was not validated, or if nothing has
/// to be said.
///
/// Cycles are compared at their ends: in the middle of one the rate is high and the loss with it.
/// Rows whose targets were softened ([`EpochRow::soft_targets`]) have training losses that are higher by
/// construction, and are never held against validation losses.
///
/// ```
/// use fastlearn::train::{EpochRow, History, advise};
/// let row = |epoch, train_loss, valid_loss| EpochRow { epoch, train_loss, valid_loss: Some(valid_loss), ..EpochRow::default() };
/// let history = History { epochs: vec![row(0, 0.36, 0.22), row(1, 0.28, 0.23)], ..History::default() };
/// assert!(advise(&history).expect("advice").to_string().starts_with("under-fitting"));
/// ```
pub fn advise(history: &History) -> Option<Advice> {
    let begin = history.epochs.iter().rposition(|row| row.epoch == 0)?;
    let (earlier, fit) = history.epochs.split_at(begin);
    let ends = cycle_ends(fit);
    let (last, before) = ends.split_last()?;
    let (train, valid) = (last.train_loss, last.valid_loss?);
    if let Some(diverged) = diverged(earlier.last(), fit) {
        return Some(diverged);
    }
    if !last.soft_targets && valid < CLEARLY_BELOW * train {
        return Some(Advice::UnderFitting { train, valid });
    }
    let best = before.iter().min_by(|a, b| valid_loss(a).total_cmp(&valid_loss(b)));
    if let Some(best) = best
        && valid > RISEN * valid_loss(best)
        && train < best.train_loss
    {
        return Some(Advice::Rising { best_epoch: best.epoch, best: valid_loss(best), valid });
    }
    if !last.soft_targets && valid > FAR_ABOVE * train {
        return Some(Advice::OverFitting { train, valid });
    }
    let before = before.last()?.valid_loss?;
    (valid < FALLING * before).then_some(Advice::GoOn { before, valid })
}

/// The last row of each cycle; every row, if there is but one cycle.
fn cycle_ends(fit: &[EpochRow]) -> Vec<&EpochRow> {
    let is_end =
        |index: usize| fit.get(index + 1).is_none_or(|next| next.cycle != fit[index].cycle);
    let ends: Vec<&EpochRow> = (0..fit.len()).filter(|&i| is_end(i)).map(|i| &fit[i]).collect();
    if ends.len() > 1 { ends } else { fit.iter().collect() }
}

/// Against the fit before, or against this one's own beginning.
fn diverged(earlier: Option<&EpochRow>, fit: &[EpochRow]) -> Option<Advice> {
    let (first, last) = (fit.first()?, fit.last()?);
    let has_run_away = |before: &EpochRow| {
        let grown = |now: f32, then: f32, by: f32| !now.is_finite() || now > by * then;
        // Other pictures or softer targets than before: nothing to compare.
        let comparable = before.soft_targets == last.soft_targets;
        comparable
            && grown(valid_loss(last), valid_loss(before), WORSE)
            && grown(last.train_loss, before.train_loss, RUN_AWAY)
    };
    let before = earlier.into_iter().chain([first]).find(|before| has_run_away(before))?;
    Some(Advice::Diverged { before: valid_loss(before), valid: valid_loss(last) })
}

/// Not a number, with which no comparison holds, where there was nothing to validate.
fn valid_loss(row: &EpochRow) -> f32 {
    row.valid_loss.unwrap_or(f32::NAN)
}

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
