//! Train image classifiers by transfer learning.

pub mod data;
mod error;
pub mod metrics;
pub mod schedule;
pub mod transforms;

pub use data::ImageData;
pub use error::{Error, Result};
pub use transforms::Transforms;
