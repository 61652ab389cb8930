//! When weights are kept: at cycles' ends, at epochs' ends for an average, whenever an epoch is the best.
//!
//! Names and choices are read from the history alone, so that a run that was interrupted keeps on as if it
//! had not been.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::event::{Control, Event, Listener};
use super::history::{EpochRow, History};
use super::shelf::Shelf;
use super::state::TrainState;
use crate::{Error, Result};

/// By what epochs are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BestBy {
    /// The lowest validation loss.
    Loss,
    /// The highest value of this metric, such as `accuracy`.
    Metric(String),
}

impl fmt::Display for BestBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BestBy::Loss => f.write_str("loss"),
            BestBy::Metric(name) => f.write_str(name),
        }
    }
}

impl FromStr for BestBy {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<BestBy, Self::Err> {
        Ok(match text {
            "loss" => BestBy::Loss,
            name => BestBy::Metric(name.to_owned()),
        })
    }
}

impl BestBy {
    /// More is better. `None` for an epoch that was not validated.
    fn score(&self, row: &EpochRow) -> Result<Option<f64>> {
        let Some(loss) = row.valid_loss else { return Ok(None) };
        let BestBy::Metric(name) = self else { return Ok(Some(-f64::from(loss))) };
        let metric = row.metrics.iter().find(|(known, _)| known == name);
        metric.map(|(_, value)| Some(*value)).ok_or_else(|| {
            Error::setting(
                "the metric of the best epoch",
                name,
                "it must be one of the epochs' table",
            )
        })
    }

    /// The best of these rows; of equals, the first.
    pub(super) fn best_of<'a>(&self, rows: &'a [EpochRow]) -> Result<Option<&'a EpochRow>> {
        let mut best: Option<(&EpochRow, f64)> = None;
        for row in rows {
            if let Some(score) = self.score(row)?
                && best.is_none_or(|(_, most)| score > most)
            {
                best = Some((row, score));
            }
        }
        Ok(best.map(|(row, _)| row))
    }
}

/// What is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeping {
    /// The weights of each cycle's end.
    pub snapshots: bool,
    /// The weights of each epoch's end from this epoch of a fit on.
    pub average_from: Option<usize>,
    /// The weights of the best epoch of a fit.
    pub best: Option<BestBy>,
}

/// The listener. Clones share what is kept, and where.
#[derive(Clone, Default)]
pub(super) struct Keeper {
    pub shelf: Shelf,
    keeping: Arc<Mutex<Keeping>>,
}

/// The name of the best epoch's weights.
pub(super) const BEST: &str = "best";

/// The name of the weights after so many epochs of a history.
pub(super) fn snapshot_name(epochs: usize) -> String {
    format!("snapshot-{epochs:03}")
}

/// The name of weights that wait to be averaged.
pub(super) fn average_name(epochs: usize) -> String {
    format!("average-{epochs:03}")
}

/// The rows of the last fit, and how many there are before them.
pub(super) fn last_fit(history: &History) -> (usize, &[EpochRow]) {
    let first = history.epochs.iter().rposition(|row| row.epoch == 0).unwrap_or(0);
    (first, &history.epochs[first..])
}

impl Keeper {
    /// What is kept, to be changed.
    pub fn keeping(&self) -> MutexGuard<'_, Keeping> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn epoch_ends(&self, row: &EpochRow, state: &TrainState) -> Result<()> {
        let Keeping { average_from, best, .. } = self.keeping().clone();
        if average_from.is_some_and(|from| row.epoch >= from) {
            self.shelf.put(&average_name(state.history.epochs.len()), &state.store)?;
        }
        if let Some(by) = best {
            let (_, rows) = last_fit(&state.history);
            if by.best_of(rows)? == rows.last() && row.valid_loss.is_some() {
                self.shelf.put(BEST, &state.store)?;
            }
        }
        Ok(())
    }
}

impl Listener for Keeper {
    fn on(&mut self, event: Event, state: &mut TrainState) -> Result<Control> {
        match event {
            Event::FitBegins { .. } => self.shelf.forget(),
            Event::EpochEnds { row } => self.epoch_ends(row, state)?,
            Event::CycleEnds { .. } if self.keeping().snapshots => {
                self.shelf.put(&snapshot_name(state.history.epochs.len()), &state.store)?;
            }
            _ => {}
        }
        Ok(Control::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(losses: &[Option<f32>]) -> Vec<EpochRow> {
        let row = |(epoch, &valid_loss): (usize, &Option<f32>)| EpochRow {
            epoch,
            valid_loss,
            metrics: vec![("accuracy".to_owned(), [0.5, 0.9, 0.9, 0.7][epoch])],
            ..EpochRow::default()
        };
        losses.iter().enumerate().map(row).collect()
    }

    #[test]
    fn the_first_of_equals_is_the_best() {
        let rows = rows(&[Some(0.4), Some(0.3), None, Some(0.3)]);
        let best = |by: BestBy| by.best_of(&rows).expect("known").map(|row| row.epoch);
        assert_eq!(best(BestBy::Loss), Some(1));
        assert_eq!(best("accuracy".parse().expect("a name")), Some(1));
        assert_eq!(BestBy::Loss.best_of(&rows[2..3]).expect("known"), None);
        let error = BestBy::Metric("f3".into()).best_of(&rows).expect_err("unknown");
        assert!(error.to_string().contains("f3"), "{error}");
        assert_eq!("loss".parse(), Ok(BestBy::Loss));
    }

    #[test]
    fn the_last_fit_begins_with_its_first_epoch() {
        let epochs = [rows(&[None; 3]), rows(&[None; 2])].concat();
        let history = History { epochs, ..History::default() };
        let (first, fit) = last_fit(&history);
        assert_eq!((first, fit.len()), (3, 2));
        assert_eq!(last_fit(&History::default()), (0, &[][..]));
    }
}
