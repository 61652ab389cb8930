//! The table that the examples print while they train.

use fastlearn::train::{Control, EpochRow, Event, Listener, TrainState};

/// Prints a row after each epoch.
#[derive(Debug, Default)]
pub struct Table {
    has_head: bool,
}

impl Listener for Table {
    fn on(&mut self, event: Event, _state: &mut TrainState) -> fastlearn::Result<Control> {
        match event {
            Event::FitBegins { .. } => self.has_head = false,
            Event::EpochEnds { row } => self.print(row),
            _ => {}
        }
        Ok(Control::Continue)
    }
}

impl Table {
    fn print(&mut self, row: &EpochRow) {
        let (name, value) = row.metrics.first().map_or(("", f64::NAN), |(n, v)| (n.as_str(), *v));
        if !self.has_head {
            println!("   stage          cycle  epoch  train loss  valid loss  {name:<8}  seconds");
            self.has_head = true;
        }
        let EpochRow { stage, cycle, epoch, train_loss, seconds, .. } = row;
        let valid_loss = row.valid_loss.unwrap_or(f32::NAN);
        println!(
            "   {stage:<13} {cycle:>6} {epoch:>6} {train_loss:>11.4} {valid_loss:>11.4} \
             {value:>9.4} {seconds:>8.1}"
        );
    }
}
