//! When checkpoints are written. What is in them is the business of `checkpoint`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::event::{Control, Event, Listener};
use super::state::TrainState;
use crate::Result;

/// How often a checkpoint is written within an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Every {
    /// After so many batches.
    Batches(usize),
    /// After the first batch that ends so long after the last checkpoint.
    Time(Duration),
    /// Not within epochs, only at their ends.
    Epoch,
}

/// A listener that writes the learner's state into one file, over and over: at the end of each epoch and
/// each fit, every so often in between, and when an [`Interruption`](super::Interruption) ends training.
/// The file is whole at any time. [`LearnerBuilder::resume`](super::LearnerBuilder::resume) goes on from it.
///
/// ```no_run
/// use fastlearn::train::{Checkpoints, Every};
/// use fastlearn::{Arch, ImageData, Learner, Transforms};
/// # fn main() -> fastlearn::Result<()> {
/// let data = ImageData::from_folders("data/dogscats", Transforms::side_on(224))?;
/// let file = std::path::Path::new("checkpoint.safetensors");
/// let mut builder = Learner::builder(Arch::ResNet34, data)
///     .listener(Checkpoints::new(file).every(Every::Batches(100)));
/// if file.exists() {
///     builder = builder.resume(file); // the same program goes on where it was stopped
/// }
/// let mut learner = builder.build()?;
/// learner.fit(1e-2, 3)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Checkpoints {
    path: PathBuf,
    every: Every,
    batches: usize,
    written: Instant,
}

/// How often unless told otherwise.
const DEFAULT: Every = Every::Time(Duration::from_secs(300));

impl Checkpoints {
    /// Checkpoints in this file, every five minutes and at the end of each epoch.
    pub fn new(path: impl AsRef<Path>) -> Checkpoints {
        let path = path.as_ref().to_owned();
        Checkpoints { path, every: DEFAULT, batches: 0, written: Instant::now() }
    }

    /// How often within an epoch.
    pub fn every(self, every: Every) -> Checkpoints {
        Checkpoints { every, ..self }
    }

    fn is_due(&self) -> bool {
        match self.every {
            Every::Batches(count) => self.batches >= count,
            Every::Time(time) => self.written.elapsed() >= time,
            Every::Epoch => false,
        }
    }
}

impl Listener for Checkpoints {
    fn on(&mut self, event: Event, state: &mut TrainState) -> Result<Control> {
        match event {
            Event::BatchEnds { .. } => {
                self.batches += 1;
                if self.is_due() {
                    return Ok(Control::Settle);
                }
            }
            Event::Settled => {
                state.write(&self.path)?;
                (self.batches, self.written) = (0, Instant::now());
            }
            _ => {}
        }
        Ok(Control::Continue)
    }
}
