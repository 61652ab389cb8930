//! The plots: line charts of rates, losses and metrics, and the confusion matrix.

mod axis;
mod chart;
mod clip;
mod confusion;
mod finder;
mod history;
mod label;
mod schedule;
mod threshold;

pub use confusion::ConfusionPlot;
pub use finder::{FinderLossPlot, FinderRatePlot};
pub use history::{HistoryEpoch, HistoryPlot};
pub use schedule::SchedulePlot;
pub use threshold::ThresholdPlot;
