//! Everything that training changes.

use autograd::ParameterStore;
use autograd::optimizer::Optimizer;

use super::history::History;

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
}
