//! The one error type of this crate: what went wrong, where, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that bad input, a full disk or a wrong setting can cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write a file or folder.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A picture cannot be decoded.
    #[error("{}: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A data folder is not laid out as class folders.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder at fault.
        path: PathBuf,
        /// What is wrong with it and how to put it right.
        reason: String,
    },
    /// A table of labels or a list of ids is not what it should be.
    #[error("{}{}: {reason}", path.display(), line_part(*line))]
    Table {
        /// The file.
        path: PathBuf,
        /// The line at fault, from 1, if it is one line's.
        line: Option<usize>,
        /// What is wrong with it and how to put it right.
        reason: String,
    },
    /// Pictures cannot be divided in this way into those to learn from and those to judge by.
    #[error("{0}")]
    Split(String),
    /// A pattern for file names is no regular expression.
    #[error("the pattern of names is no regular expression: {0}")]
    Pattern(String),
    /// A setting has a value with which nothing can work.
    #[error("{name} is {value}, but {rule}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// The loss stopped being a number.
    #[error(
        "the loss is not finite at batch {batch} of epoch {epoch}, at learning rate {rate}; the \
         weights of the last finished cycle are kept: try a tenth of the rate"
    )]
    Diverged {
        /// Epoch of the fit, from 0.
        epoch: usize,
        /// Batch of the epoch, from 0.
        batch: usize,
        /// Learning rate of the last layer group.
        rate: f32,
    },
    /// A model file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Training was asked to end ([`Interruption`](crate::train::Interruption)).
    #[error("interrupted")]
    Interrupted,
    /// Training cannot go on from a checkpoint.
    #[error("cannot go on from a checkpoint: {0}")]
    Resume(String),
    /// A value cannot be written as text.
    #[error("cannot serialise: {0}")]
    Serialise(String),
    /// A network's op failed.
    #[error(transparent)]
    Network(#[from] autograd::Error),
    /// Weights could not be found, read, fitted or written.
    #[error(transparent)]
    Weights(#[from] models::Error),
    /// A schedule makes no sense.
    #[error(transparent)]
    Schedule(#[from] crate::schedule::ScheduleError),
    /// Predictions and labels do not fit together.
    #[error(transparent)]
    Metrics(#[from] crate::metrics::MetricsError),
    /// A plot or a grid could not be drawn or written.
    #[error(transparent)]
    Interpret(#[from] crate::interpret::InterpretError),
}

/// As compilers and editors write it: `file:line`.
fn line_part(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(":{line}"))
}

impl From<tensor_core::Error> for Error {
    fn from(error: tensor_core::Error) -> Error {
        Error::Network(error.into())
    }
}

impl Error {
    /// Wraps an error of the operating system with the path it concerns.
    pub fn io(path: &Path, source: io::Error) -> Error {
        Error::Io { path: path.to_owned(), source }
    }

    /// Whether the device's memory is full: the same can succeed with smaller batches or pictures.
    pub fn is_out_of_memory(&self) -> bool {
        let Error::Network(autograd::Error::Tensor(error)) = self else { return false };
        matches!(error, tensor_core::Error::OutOfMemory { .. })
    }

    pub(crate) fn picture(path: &Path, reason: impl Into<String>) -> Error {
        Error::Picture { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn folder(path: &Path, reason: impl Into<String>) -> Error {
        Error::Folder { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn setting(name: &'static str, value: impl ToString, rule: &'static str) -> Error {
        Error::Setting { name, value: value.to_string(), rule }
    }
}
