#![doc = include_str!("../README.md")]

mod error;
pub mod functions;
pub mod grad_check;
pub mod optimizer;
pub mod store;
mod tape;

pub use error::{Error, Result};
pub use store::{
    HostSnapshot, Parameter, ParameterId, ParameterStore, Snapshot, StatisticsId, StoreBuilder,
};
pub use tape::{Backward, Function, Tape, Var};
