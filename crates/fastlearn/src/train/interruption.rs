//! A wish to stop soon, told from another thread or from a signal's handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// A request that training end after the batch under way. Clones share it.
///
/// A learner that was built with one ([`LearnerBuilder::interruption`](super::LearnerBuilder::interruption))
/// looks at it after every batch of training, validation, prediction and the rate finder. In training it then brings
/// the step under way to its end, says [`Event::Settled`](super::Event::Settled), in which
/// [`Checkpoints`](super::Checkpoints) write, and returns [`Error::Interrupted`].
#[derive(Debug, Clone, Default)]
pub struct Interruption {
    requested: Arc<AtomicBool>,
}

impl Interruption {
    /// Nothing is requested yet.
    pub fn new() -> Interruption {
        Interruption::default()
    }

    /// Asks for it; returns whether it had been asked for before.
    pub fn request(&self) -> bool {
        self.requested.swap(true, Ordering::SeqCst)
    }

    /// Whether it was asked for.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// [`Error::Interrupted`] if it was asked for.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_requested() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
