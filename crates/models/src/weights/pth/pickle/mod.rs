//! A bounded reader of Python's pickles: a fixed list of opcodes and of names, nothing executed.
//!
//! What persistent ids mean is the containers' business ([`PersistentIds`]).

mod globals;
mod machine;
mod value;

pub(super) use machine::{PersistentIds, Unexpected, load};
pub(super) use value::{Global, Object, Objects, Value};
