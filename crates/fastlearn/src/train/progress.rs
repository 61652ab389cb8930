//! Where a fit stands, and which calls of a learner are done: what a checkpoint needs besides tensors,
//! numbers and history. How it is written is `checkpoint`'s business.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::history::History;
use crate::metrics::SmoothedLoss;
use crate::schedule::FinderCurve;
use crate::{Error, Result};

/// Where a fit stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FitProgress {
    /// Epochs that are trained and validated.
    pub epochs_done: usize,
    /// Batches done of the epoch after those, if it has begun.
    pub batches_done: Option<usize>,
    /// The running average of the training loss.
    pub smoothed: SmoothedLoss,
    /// In how many parts each step is taken, because memory has no room for whole batches.
    pub parts: usize,
    /// Rows of the history before this fit.
    pub first_row: usize,
}

impl FitProgress {
    /// A fit that has not begun, after so many rows of history.
    pub fn new(first_row: usize) -> FitProgress {
        FitProgress { parts: 1, first_row, ..FitProgress::default() }
    }
}

/// A call that changed the learner or found something out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub(crate) enum Call {
    /// A fit.
    Fit {
        /// What it was asked for, in words.
        plan: String,
        /// Rows of the history before it and behind it.
        rows: (usize, usize),
    },
    /// The rate finder.
    Find {
        /// What it was asked for, in words.
        plan: String,
        /// What came of it.
        curve: FinderCurve,
    },
    /// Other weights were taken: an average, the best epoch's.
    Exchange {
        /// Which, in words.
        plan: String,
        /// Of how many weights it is the mean, or the best epoch's row of the history.
        detail: usize,
    },
}

impl Call {
    fn plan(&self) -> &str {
        match self {
            Call::Fit { plan, .. } | Call::Find { plan, .. } | Call::Exchange { plan, .. } => plan,
        }
    }
}

/// A fit that was under way when a checkpoint was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FitUnderWay {
    pub plan: String,
    pub progress: FitProgress,
}

/// What a new call of `fit` is.
#[derive(Debug, PartialEq)]
pub(crate) enum Beginning {
    /// A fit from its beginning.
    New,
    /// The one that was interrupted.
    Continued(FitProgress),
    /// One that was finished before: nothing is to be done. These are its rows of the history.
    Passed((usize, usize)),
}

/// The calls that are done, and, in a learner that was resumed, those that come again: a program that
/// goes on makes the same calls as the one that was interrupted.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Calls that are done, in order.
    pub done: Vec<Call>,
    /// Calls of the interrupted program that are still to be made again.
    again: VecDeque<Call>,
    /// The fit that comes after them.
    under_way: Option<FitUnderWay>,
    /// All that happened before the interruption. Calls that are made again see as much of it as there was
    /// when they were made first.
    history: History,
}

impl Journal {
    /// That of a learner that is to go on from a checkpoint.
    pub fn resumed(calls: Vec<Call>, under_way: Option<FitUnderWay>, history: History) -> Journal {
        Journal { done: calls.clone(), again: calls.into(), under_way, history }
    }

    /// What had happened after so many epochs.
    pub fn history_until(&self, epochs: usize) -> History {
        let rows = &self.history.epochs[..epochs.min(self.history.epochs.len())];
        let steps: usize = rows.iter().map(|row| row.steps).sum();
        let batches = &self.history.batches[..steps.min(self.history.batches.len())];
        History { batches: batches.to_vec(), epochs: rows.to_vec() }
    }

    /// Everything that had happened when the run was interrupted.
    pub fn take_history(&mut self) -> History {
        std::mem::take(&mut self.history)
    }

    /// Whether the next call is one that was finished before.
    pub fn passes_over(&self) -> bool {
        !self.again.is_empty()
    }

    /// What a fit with this plan is.
    pub fn begin_fit(&mut self, plan: &str) -> Result<Beginning> {
        match self.again.pop_front() {
            Some(Call::Fit { plan: before, rows }) if before == plan => Ok(Beginning::Passed(rows)),
            Some(other) => Err(another(other.plan(), plan)),
            None => match self.under_way.take() {
                None => Ok(Beginning::New),
                Some(fit) if fit.plan == plan => Ok(Beginning::Continued(fit.progress)),
                Some(fit) => Err(another(&fit.plan, plan)),
            },
        }
    }

    /// What was noted if these weights were taken before: then they are not taken again.
    pub fn exchanged_before(&mut self, plan: &str) -> Result<Option<usize>> {
        match (self.again.pop_front(), &self.under_way) {
            (Some(Call::Exchange { plan: before, detail }), _) if before == plan => {
                Ok(Some(detail))
            }
            (Some(other), _) => Err(another(other.plan(), plan)),
            (None, Some(fit)) => Err(another(&fit.plan, plan)),
            (None, None) => Ok(None),
        }
    }

    /// What a finder with this plan found before.
    pub fn find_again(&mut self, plan: &str) -> Result<Option<FinderCurve>> {
        match self.again.pop_front() {
            Some(Call::Find { plan: before, curve }) if before == plan => Ok(Some(curve)),
            Some(other) => Err(another(other.plan(), plan)),
            None => Ok(None),
        }
    }
}

/// Before the mark of the data, in the words of a plan.
pub(super) const DATA_MARK: &str = ", data ";

fn another(before: &str, now: &str) -> Error {
    let settings = |plan: &str| plan.split(DATA_MARK).next().map(str::to_owned);
    Error::Resume(match settings(before) == settings(now) {
        true => "the pictures, their labels, their order or what is done to them are not those of \
                 the run that was interrupted"
            .to_owned(),
        false => format!(
            "the calls are not those of the run that was interrupted: then `{before}`, now `{now}`"
        ),
    })
}
