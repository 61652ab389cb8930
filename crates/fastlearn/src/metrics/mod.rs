//! Measures of a whole set of predictions, never means of batch values, and the running average of training losses.
//!
//! Everything works on plain slices. Making the predictions belongs to `predict`, drawing the results to `interpret`.

mod average;
mod confusion;
mod error;
mod interval;
mod scored;

pub use average::SmoothedLoss;
pub use confusion::{ClassScore, ConfusionMatrix, Mistake};
pub use error::MetricsError;
pub use interval::{Interval, wilson_interval};
pub use scored::{PROBABILITY_FLOOR, Scored};
