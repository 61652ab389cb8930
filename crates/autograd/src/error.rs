//! What can go wrong on this floor.

/// A `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a step forward, backward or of an optimiser did not happen.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] tensor_core::Error),
    /// The gradient of something was asked for that does not depend on anything trainable.
    #[error(
        "backward: the loss does not depend on any trainable parameter; unfreeze a layer group"
    )]
    NothingToDifferentiate,
    /// Values of another size than the parameter's.
    #[error("parameter `{name}` has {expected} elements, but {found} values were given")]
    ParameterSize {
        /// The parameter's name.
        name: String,
        /// Its number of elements.
        expected: usize,
        /// How many values there were.
        found: usize,
    },
    /// There must be one setting a layer group.
    #[error("{given} settings for {groups} layer groups")]
    Groups {
        /// How many were given.
        given: usize,
        /// How many groups there are.
        groups: usize,
    },
    /// Two parameters of one name.
    #[error("there are two parameters named `{0}`")]
    DuplicateName(String),
    /// The groups of parameters must be declared in order.
    #[error("parameter `{name}` of group {group} comes after one of group {previous}")]
    GroupOrder {
        /// The parameter's name.
        name: String,
        /// Its group.
        group: usize,
        /// The group of the parameter before.
        previous: usize,
    },
}
