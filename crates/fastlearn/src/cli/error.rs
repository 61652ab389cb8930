//! What a command can fail with, and how it is told.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::interrupt;

/// Result of the commands.
pub type Result<T, E = CommandError> = std::result::Result<T, E>;

/// A reason to end with exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The library refused.
    #[error(transparent)]
    Library(#[from] fastlearn::Error),
    /// The run folder cannot be used.
    #[error("{}: {reason}", path.display())]
    RunFolder { path: PathBuf, reason: String },
    /// A folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// The rate finder saw nothing.
    #[error(
        "the loss is not a number from the rate finder's first step on; look at the data and its \
         labels, or give a rate with --lr"
    )]
    NoRate,
    /// The loss stopped being a number during training.
    #[error(
        "{source}; the weights of the last finished cycle are in {}; train again with a lower --lr",
        model.display()
    )]
    Diverged { source: fastlearn::Error, model: PathBuf },
    /// A person or the system wanted the program to end.
    #[error("interrupted{}", .run.as_ref().map_or_else(String::new, |run| format!(
        "; to go on: fastlearn train --resume {}", run.display())))]
    Interrupted { run: Option<PathBuf> },
    /// What is asked for contradicts the data or itself.
    #[error("{0}")]
    Request(String),
    /// A value has no text form.
    #[error("cannot write {what} as text: {reason}")]
    Text { what: &'static str, reason: String },
}

impl CommandError {
    /// What the process ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::Interrupted { .. }
            | CommandError::Library(fastlearn::Error::Interrupted) => interrupt::EXIT_CODE,
            _ => 1,
        }
    }

    pub fn run_folder(path: &Path, reason: impl Into<String>) -> CommandError {
        CommandError::RunFolder { path: path.to_owned(), reason: reason.into() }
    }

    pub fn reading(path: &Path, source: io::Error) -> CommandError {
        CommandError::Read { path: path.to_owned(), source }
    }
}

impl From<models::Error> for CommandError {
    fn from(error: models::Error) -> CommandError {
        CommandError::Library(error.into())
    }
}

impl From<tensor_core::Error> for CommandError {
    fn from(error: tensor_core::Error) -> CommandError {
        CommandError::Library(error.into())
    }
}

impl From<fastlearn::metrics::MetricsError> for CommandError {
    fn from(error: fastlearn::metrics::MetricsError) -> CommandError {
        CommandError::Library(error.into())
    }
}

impl From<fastlearn::interpret::InterpretError> for CommandError {
    fn from(error: fastlearn::interpret::InterpretError) -> CommandError {
        CommandError::Library(error.into())
    }
}

/// `error: ...` and below it the causes that the message does not already tell.
pub fn print_error(error: &CommandError) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "{}", described(error));
}

fn described(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut text = format!("error: {told}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !told.contains(&message) {
            text.push_str(&format!("\n  because: {message}"));
            told = message;
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outer thing failed")]
    struct Outer(#[source] CommandError);

    #[test]
    fn a_cause_is_told_once() {
        let inner = CommandError::reading(Path::new("x"), io::Error::other("disk full"));
        assert_eq!(described(&inner), "error: cannot read x: disk full");
        assert_eq!(
            described(&Outer(inner)),
            "error: the outer thing failed\n  because: cannot read x: disk full"
        );
    }
}
