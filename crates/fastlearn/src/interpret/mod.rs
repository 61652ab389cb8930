//! Looking at results: plots, picture grids, tables, and which pictures to look at.
//!
//! Everything takes finished numbers and pixels. Plots are PNG or SVG with an embedded font, so they look the same on
//! every machine; files are written whole or not at all.

mod drawing;
mod error;
mod grid;
mod plots;
mod select;
mod table;

pub use drawing::Drawing;
pub use error::InterpretError;
pub use grid::{PictureGrid, Tile};
pub use plots::{
    ConfusionPlot, FinderLossPlot, FinderRatePlot, HistoryEpoch, HistoryPlot, SchedulePlot,
    ThresholdPlot,
};
pub use select::{most_correct, most_incorrect, most_uncertain};
pub use table::{class_table, confusion_table, mistake_table, tag_table, text_table};

#[cfg(test)]
mod tests;
