//! What can go wrong while drawing or writing a picture.

use std::io;
use std::path::PathBuf;

/// A plot or picture grid could not be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterpretError {
    /// The file name does not say which format.
    #[error("{}: a plot is written as .png or .svg; give a file name that ends in one of them", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A grid of pictures is PNG only.
    #[error("{}: a picture grid is written as .png; give a file name that ends so", path.display())]
    GridFormat {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused to write the file.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The numbers to draw do not fit together.
    #[error("cannot draw the {what}: {reason}")]
    Input {
        /// Which plot.
        what: &'static str,
        /// What is wrong with its input.
        reason: String,
    },
    /// The drawing layer or the PNG encoder failed.
    #[error("cannot draw: {reason}")]
    Draw {
        /// What it said.
        reason: String,
    },
}

impl InterpretError {
    pub(super) fn input(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Input { what, reason: reason.into() }
    }
}
