//! Train image classifiers by transfer learning.

pub mod interpret;
pub mod metrics;
pub mod schedule;
