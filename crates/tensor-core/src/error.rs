//! What can go wrong on this floor, as values. Faults of our own code panic instead.

use crate::{DType, Shape};

/// A `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation on tensors or devices did not happen.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The shapes given to an op do not fit together.
    #[error("{op}: {message}")]
    Shape {
        /// The op that refused, such as `conv.forward`.
        op: &'static str,
        /// Which shapes, and what was expected of them.
        message: String,
    },
    /// An op was given elements of a type that it does not take.
    #[error("{op}: expected {expected} elements, found {found}")]
    DType {
        /// The op that refused.
        op: &'static str,
        /// The element type it takes.
        expected: DType,
        /// The element type it was given.
        found: DType,
    },
    /// The number of values does not fill the shape.
    #[error("{found} values do not fill the shape {shape} of {} elements", shape.elements())]
    Elements {
        /// The shape to be filled.
        shape: Shape,
        /// How many values there were.
        found: usize,
    },
    /// Memory is full, or the limit that was set is reached.
    #[error("out of memory on {device}: {requested} bytes asked for, {in_use} in use{}; \
             use a smaller batch or picture size, or raise the limit", limit_text(*.limit))]
    OutOfMemory {
        /// Which device's memory.
        device: String,
        /// Bytes asked for.
        requested: usize,
        /// Bytes in use at that moment.
        in_use: usize,
        /// The limit in bytes, if one was set.
        limit: Option<usize>,
    },
    /// The device cannot do this op with this element type or shape.
    #[error("{op} is not supported on {device}: {message}")]
    Unsupported {
        /// The op asked for.
        op: &'static str,
        /// The device asked.
        device: String,
        /// What is lacking.
        message: String,
    },
    /// A plan was forced that is not legal for the shape.
    #[error("{op}: there is no variant `{variant}` for {shape}; legal here: {legal}")]
    IllegalPlan {
        /// The op asked for.
        op: &'static str,
        /// The variant asked for.
        variant: String,
        /// The shape it was asked for.
        shape: String,
        /// The variants that are legal for that shape.
        legal: String,
    },
    /// Tensors of two devices met in one op.
    #[error("{op}: tensors live on different devices ({left} and {right})")]
    DeviceMismatch {
        /// The op that refused.
        op: &'static str,
        /// The device of the first tensor.
        left: String,
        /// The device of the other.
        right: String,
    },
    /// A device could not be opened as asked.
    #[error("{0}")]
    Device(String),
    /// An argument has a value that makes no sense.
    #[error("{op}: {message}")]
    Argument {
        /// The op that refused.
        op: &'static str,
        /// The argument, its value, and what would be right.
        message: String,
    },
}

fn limit_text(limit: Option<usize>) -> String {
    limit.map_or_else(String::new, |limit| format!(", limit {limit}"))
}

/// Fails with [`Error::Shape`] unless `condition` holds; `message` is only made on failure.
pub(crate) fn check_shape(
    condition: bool,
    op: &'static str,
    message: impl FnOnce() -> String,
) -> Result<()> {
    if condition { Ok(()) } else { Err(Error::Shape { op, message: message() }) }
}
