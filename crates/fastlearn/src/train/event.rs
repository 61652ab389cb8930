//! What the loop tells its listeners, and what they may answer.

use super::history::EpochRow;
use super::state::TrainState;
use crate::Result;

/// A moment of training.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A fit begins.
    FitBegins {
        /// Epochs it will take.
        epochs: usize,
        /// Training batches an epoch.
        batches: usize,
        /// The schedule in words.
        schedule: &'a str,
        /// Epochs that were finished before the learner was resumed.
        done: &'a [EpochRow],
    },
    /// A fit was asked for that was finished before the learner was resumed: it is not run again.
    FitPassedOver {
        /// Its epochs.
        done: &'a [EpochRow],
    },
    /// There is no memory for the step. Nothing of it has changed anything; it is taken again in twice
    /// as many parts, unless a listener answers [`Control::RetryInParts`].
    MemoryFull {
        /// Pictures in the batch.
        pictures: usize,
        /// In how many parts it was to be taken, from 1.
        parts: usize,
    },
    /// A batch of pictures is there and about to be learned from.
    BatchBegins {
        /// Batch of the epoch, from 0.
        batch: usize,
        /// Pictures in it.
        pictures: usize,
    },
    /// A step was taken and its loss is there. On a device that computes while the host goes on, that is
    /// a fixed two batches late, or at the end of the epoch.
    BatchEnds {
        /// Batch of the epoch, from 0.
        batch: usize,
        /// Pictures in it.
        pictures: usize,
        /// The batch's mean loss.
        loss: f32,
        /// The debiased running loss.
        smoothed: f32,
        /// Learning rate of the last layer group.
        rate: f32,
        /// Seconds spent waiting for the batch.
        waited: f64,
    },
    /// An epoch is over and validated.
    EpochEnds {
        /// Its row of the table.
        row: &'a EpochRow,
    },
    /// A cycle of the schedule is over, after the end of its last epoch: the moment to keep a snapshot
    /// or to average weights.
    CycleEnds {
        /// Cycle of the fit, from 0.
        cycle: usize,
    },
    /// No step is under way and nothing is half done: the moment to write a checkpoint
    /// ([`TrainState::write`]). Told after every epoch and every fit, and when it is asked for with
    /// [`Control::Settle`].
    Settled,
    /// A fit is over.
    FitEnds,
    /// Something that a person should know and that changes nothing.
    Notice(&'a str),
}

/// What the loop does next.
///
/// If listeners differ, the answer that comes later in this list counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[must_use]
pub enum Control {
    /// Go on.
    #[default]
    Continue,
    /// Bring every step under way to its end and tell [`Event::Settled`]; only an answer to
    /// [`Event::BatchEnds`].
    Settle,
    /// Leave this batch out; only an answer to [`Event::BatchBegins`].
    SkipBatch,
    /// Take this step and those after it in so many parts, whose gradients are added up: the same batch
    /// in less memory; only an answer to [`Event::MemoryFull`].
    ///
    /// Batch norms in training mode see the statistics of each part instead of the batch's, so what is
    /// learned differs a little; their running values move once a step, by the mean of the parts. Without
    /// them the result is that of the whole batch, but for rounding and for dropout's draws.
    RetryInParts(usize),
    /// End the fit after this batch, as if it were over.
    Stop,
}

/// Someone who watches training: progress lines, early stopping, checkpoints.
pub trait Listener: Send {
    /// Called at every event.
    ///
    /// # Errors
    /// An error ends the fit and is handed to its caller.
    fn on(&mut self, event: Event, state: &mut TrainState) -> Result<Control>;
}

/// All listeners of a learner.
pub(crate) type Listeners = Vec<Box<dyn Listener>>;

/// Tells every listener; the strongest answer counts.
pub(crate) fn tell(
    listeners: &mut Listeners,
    event: Event,
    state: &mut TrainState,
) -> Result<Control> {
    let mut answer = Control::Continue;
    for listener in listeners {
        answer = answer.max(listener.on(event, state)?);
    }
    Ok(answer)
}
