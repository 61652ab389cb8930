#![doc = include_str!("../README.md")]

pub mod data;
mod error;
pub mod export;
mod input;
pub mod interpret;
pub mod metrics;
mod model_file;
mod picture;
pub mod predict;
pub mod schedule;
pub mod train;
pub mod transforms;

pub use data::ImageData;
pub use error::{Error, Result};
pub use models::Arch;
pub use predict::{Predictions, Predictor};
pub use tensor_core::Device;
pub use train::Learner;
pub use transforms::Transforms;
