//! Measures of a whole set of predictions, never means of batch values, and the running average of training losses.
//!
//! Everything works on plain slices. Making the predictions belongs to `predict`, drawing the results to `interpret`.

mod average;
mod confusion;
mod error;
mod interval;
mod scored;
mod tags;
mod temperature;
mod thresholds;

pub use average::SmoothedLoss;
pub use confusion::{ClassScore, ConfusionMatrix, Mistake};
pub use error::MetricsError;
pub use interval::{Interval, wilson_interval};
pub use scored::{PROBABILITY_FLOOR, Scored};
pub use tags::{LESSON_THRESHOLD, ScoredTags, TagCounts};
pub use temperature::Temperature;
pub use thresholds::{ThresholdCurve, ThresholdGrid, ThresholdScore};
