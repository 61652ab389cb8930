//! The table that the examples print while they train.

use fastlearn::train::{Control, Event, Listener, TrainState};

/// Prints a row after each epoch.
#[derive(Debug, Default)]
pub struct Table;

impl Listener for Table {
    fn on(&mut self, event: Event, _state: &mut TrainState) -> fastlearn::Result<Control> {
        match event {
            Event::FitBegins { .. } => {
                println!("   stage        cycle  epoch  train loss  valid loss  accuracy  seconds");
            }
            Event::EpochEnds { row } => {
                let accuracy = row.metrics.first().map_or(f64::NAN, |metric| metric.1);
                println!(
                    "   {:<11} {:>6} {:>6} {:>11.4} {:>11.4} {:>9.4} {:>8.1}",
                    row.stage,
                    row.cycle,
                    row.epoch,
                    row.train_loss,
                    row.valid_loss.unwrap_or(f32::NAN),
                    accuracy,
                    row.seconds
                );
            }
            _ => {}
        }
        Ok(Control::Continue)
    }
}
