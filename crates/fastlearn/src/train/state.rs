//! Everything that training changes.

use autograd::optimizer::Optimizer;
use autograd::{ParameterStore, Snapshot};

use super::history::{EpochRow, History};
use super::interruption::Interruption;
use super::plan::FitPlan;
use super::progress::{Beginning, Call, FitProgress, Journal};
use crate::Result;

/// The parameters, the optimiser and where training stands: all that has to be kept to go on from
/// exactly here.
pub struct TrainState {
    /// Parameters, gradients and running statistics.
    pub store: ParameterStore,
    /// The optimiser of the fit that runs, or of the last one.
    pub optimizer: Box<dyn Optimizer>,
    /// Seed of order, augmentation and dropout.
    pub seed: u64,
    /// Epochs begun since the learner was made: each has its own order and draws.
    pub epochs_begun: usize,
    /// Steps begun since the learner was made: each has its own dropout.
    pub steps: u64,
    /// Epoch of the fit that runs, from 0.
    pub epoch: usize,
    /// Batch of that epoch, from 0.
    pub batch: usize,
    /// What happened so far.
    pub history: History,
    /// Where a wish to end is told.
    pub interruption: Interruption,
    /// The plan of the fit that runs, in words; empty between fits.
    pub(super) plan: String,
    /// Where that fit stands.
    pub(super) fit: FitProgress,
    /// Parameters and statistics of its last finished cycle: what is brought back if it diverges.
    pub(super) kept: Option<Snapshot>,
    /// Calls that are done.
    pub(super) journal: Journal,
}

impl TrainState {
    /// A learner's first state.
    pub(super) fn new(
        store: ParameterStore,
        optimizer: Box<dyn Optimizer>,
        seed: u64,
    ) -> TrainState {
        TrainState {
            store,
            optimizer,
            seed,
            epochs_begun: 0,
            steps: 0,
            epoch: 0,
            batch: 0,
            history: History::default(),
            interruption: Interruption::default(),
            plan: String::new(),
            fit: FitProgress::new(0),
            kept: None,
            journal: Journal::default(),
        }
    }

    /// Prepares a fit, from its beginning or from where it was interrupted. Gives its epochs if it was
    /// finished before the learner was resumed: then nothing is to be done.
    pub(super) fn begin_fit(&mut self, plan: &FitPlan) -> Result<Option<Vec<EpochRow>>> {
        let words = plan.in_words();
        match self.journal.begin_fit(&words)? {
            Beginning::Passed((first, end)) => {
                self.history = self.journal.history_until(end);
                return Ok(Some(self.history.epochs.get(first..).unwrap_or_default().to_vec()));
            }
            Beginning::Continued(progress) => {
                self.history = self.journal.take_history();
                self.fit = progress;
            }
            Beginning::New => {
                self.optimizer = plan.optimizer.build();
                self.fit = FitProgress::new(self.history.epochs.len());
                self.kept = Some(self.store.snapshot()?);
            }
        }
        self.plan = words;
        Ok(None)
    }

    /// Notes that the fit is done.
    pub(super) fn end_fit(&mut self) {
        let rows = (self.fit.first_row, self.history.epochs.len());
        self.journal.done.push(Call::Fit { plan: std::mem::take(&mut self.plan), rows });
        self.leave_fit();
    }

    /// No fit runs any more, whether it was finished or failed.
    pub(super) fn leave_fit(&mut self) {
        self.plan.clear();
        self.fit = FitProgress::new(self.history.epochs.len());
        self.kept = None;
    }
}
