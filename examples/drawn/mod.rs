//! Pictures drawn by code, and a backbone that has learned to see among them: what the examples use
//! where there are no photographs and nothing is to be downloaded.
//!
//! What an example does with them is its own business; pictures in the layout of a competition are
//! drawn by `stand_in`.

pub mod backbone;
mod table;
pub mod world;

pub use table::Table;

/// What the examples call their results: any error ends them.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
