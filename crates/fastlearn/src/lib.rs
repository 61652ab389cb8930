//! Train image classifiers by transfer learning.

pub mod metrics;
pub mod schedule;
