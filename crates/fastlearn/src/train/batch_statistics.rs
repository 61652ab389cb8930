//! The running statistics of batch norms, computed anew for weights that no step has made.

use autograd::{StatisticsId, Tape};
use models::{Pass, PassMode};
use tensor_core::ops::norm::NormOptions;

use super::learner::Learner;
use super::task::Task;
use crate::Result;

/// Sums of one batch norm's means and variances over batches, weighted by their pictures.
struct Sums {
    id: StatisticsId,
    mean: Vec<f64>,
    var: Vec<f64>,
}

/// Lets every batch norm that uses the batch's statistics in training see one epoch of training pictures,
/// and makes the means over its batches the running values. Others keep theirs. One pass forward.
///
/// After an error, running values are undefined: the caller has a copy.
pub(super) fn recompute(learner: &mut Learner) -> Result<()> {
    if learner.freeze_norms {
        return Ok(());
    }
    let mut sums = begin(learner)?;
    if sums.is_empty() {
        return Ok(());
    }
    let mut pictures = 0;
    {
        let learner = &*learner;
        let (task, state) = (learner.task(), &learner.state);
        for input in task.train_batches(state.epochs_begun, 0)? {
            let input = input?;
            let count = input.len();
            let mode = PassMode::train_groups(&state.store, state.seed, state.steps);
            let mut pass = Pass::new(&state.store, mode);
            // Nothing is learned: the tape holds statistics, and no activations.
            pass.tape = Tape::silent();
            task.logits(&mut pass, input.tensor)?;
            add(&mut sums, &pass.tape, count)?;
            pictures += count;
        }
    }
    let share = |sum: &f64| (sum / pictures.max(1) as f64) as f32;
    for Sums { id, mean, var } in &sums {
        let [mean, var] = [mean, var].map(|sums| sums.iter().map(share).collect::<Vec<f32>>());
        learner.state.store.set_running(*id, &mean, &var)?;
    }
    Ok(())
}

/// Sets the running values to zero where they are to be computed: what a batch then leaves on the tape is
/// its own mean and variance times the momentum.
fn begin(learner: &mut Learner) -> Result<Vec<Sums>> {
    let store = &mut learner.state.store;
    let trains: Vec<(StatisticsId, bool)> = store
        .statistics_ids()
        .zip(store.statistics())
        .map(|(id, entry)| (id, store.trainable()[entry.group]))
        .collect();
    let mut sums = Vec::new();
    for (id, _) in trains.into_iter().filter(|(_, trains)| *trains) {
        let channels = store.running(id)?.mean.shape().elements();
        let zeros = vec![0.0; channels];
        store.set_running(id, &zeros, &zeros)?;
        sums.push(Sums { id, mean: vec![0.0; channels], var: vec![0.0; channels] });
    }
    Ok(sums)
}

/// Adds a batch of so many pictures.
fn add(sums: &mut [Sums], tape: &Tape, pictures: usize) -> Result<()> {
    let scale = pictures as f64 / NormOptions::default().momentum;
    for (id, held) in tape.held_statistics() {
        let Some(sums) = sums.iter_mut().find(|sums| sums.id == *id) else { continue };
        for (sum, tensor) in [(&mut sums.mean, &held.mean), (&mut sums.var, &held.var)] {
            let values = tensor.to_f32()?;
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += scale * f64::from(value));
        }
    }
    Ok(())
}
