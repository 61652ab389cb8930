//! Why a `.pth` file is not taken, before the file's name is known to the message.

use std::io;
use std::path::Path;

use crate::error::Error;

/// What is wrong with a file.
#[derive(Debug)]
pub(super) enum Fault {
    /// The operating system does not give the bytes.
    Read(io::Error),
    /// It is cut short, or contradicts itself.
    Damaged(String),
    /// It is whole, but holds something that is not read.
    Refused(String),
    /// A tensor's element type cannot become `f32`.
    ElementType { tensor: String, dtype: &'static str },
}

/// Result of reading a part of a file.
pub(super) type Outcome<T> = Result<T, Fault>;

impl Fault {
    /// Something is cut short or contradicts itself at this byte of the file.
    pub fn damaged_at(offset: u64, what: impl std::fmt::Display) -> Fault {
        Fault::Damaged(format!("at byte {offset}, {what}"))
    }

    /// Something is not read at this byte of the file.
    pub fn refused_at(offset: u64, what: impl std::fmt::Display) -> Fault {
        Fault::Refused(format!("at byte {offset}, {what}"))
    }

    /// The public error.
    pub fn in_file(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Fault::Read(source) => Error::ReadFile { path, source },
            Fault::Damaged(problem) => Error::CorruptWeights { path, format: ".pth", problem },
            Fault::Refused(problem) => Error::RefusedWeights { path, problem },
            Fault::ElementType { tensor, dtype } => {
                Error::UnsupportedElementType { path, tensor, dtype: dtype.to_owned() }
            }
        }
    }
}

impl From<io::Error> for Fault {
    /// A file that ends too early is damaged, anything else is the system's fault.
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Damaged("it ends too early".to_owned()),
            _ => Fault::Read(error),
        }
    }
}
