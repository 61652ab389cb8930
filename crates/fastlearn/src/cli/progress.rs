//! Training as a person sees it: the progress line while an epoch runs, a row of the table after it.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use fastlearn::Result;
use fastlearn::train::{Control, EpochRow, Event, Listener, TrainState};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{Console, duration, rate};

/// A progress bar on standard error, invisible unless that is a terminal. It has no colours.
pub fn bar(length: u64) -> ProgressBar {
    match io::stderr().is_terminal() {
        true => ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr()),
        false => ProgressBar::hidden(),
    }
}

/// A line with the time that something without steps takes; it goes when it is dropped.
pub struct Busy(ProgressBar);

impl Busy {
    pub fn new(what: &'static str) -> Busy {
        let bar = bar(0);
        if let Ok(style) = ProgressStyle::with_template("{msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(250));
        Busy(bar)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Prints the table and draws the progress line.
pub struct Reporter {
    console: Console,
    bar: ProgressBar,
    begun: Instant,
    steps: u64,
    pictures: usize,
    waited: f64,
    /// Seconds of training, without validation.
    trained: f64,
    batch_begun: Instant,
}

impl Reporter {
    pub fn new(console: Console) -> Reporter {
        Reporter {
            console,
            bar: ProgressBar::hidden(),
            begun: Instant::now(),
            steps: 0,
            pictures: 0,
            waited: 0.0,
            trained: 0.0,
            batch_begun: Instant::now(),
        }
    }

    fn begin(&mut self, steps: u64) {
        *self = Reporter { bar: bar(steps), steps, ..Reporter::new(self.console) };
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}") {
            self.bar.set_style(style);
        }
    }

    fn batch(&mut self, pictures: usize, loss: f32, last_rate: f32, waited: f64) {
        self.pictures += pictures;
        self.waited += waited;
        self.trained += self.batch_begun.elapsed().as_secs_f64() + waited;
        self.bar.inc(1);
        if self.bar.is_hidden() {
            return;
        }
        let done = self.bar.position().max(1) as f64;
        let left = self.begun.elapsed().as_secs_f64() * (self.steps as f64 / done - 1.0);
        let spent = self.trained.max(1e-9);
        self.bar.set_message(format!(
            "loss {loss:.4}  rate {}  {:.1} img/s  {:.0} % waiting  {} left",
            rate(last_rate),
            self.pictures as f64 / spent,
            100.0 * self.waited / spent,
            duration(left),
        ));
    }

    /// A row of the table, below the titles if it is the first: what is measured is known from it on.
    fn print_row(&self, row: &EpochRow) {
        if row.epoch == 0 {
            self.print(header(row));
        }
        self.print(table_row(row));
    }

    fn print(&self, text: String) {
        self.bar.suspend(|| self.console.line(text));
    }
}

impl Listener for Reporter {
    fn on(&mut self, event: Event, _state: &mut TrainState) -> Result<Control> {
        match event {
            Event::FitBegins { epochs, batches, done, .. } => {
                self.begin((epochs.saturating_sub(done.len()) * batches) as u64);
                done.iter().for_each(|row| self.print_row(row));
            }
            Event::FitPassedOver { done } => done.iter().for_each(|row| self.print_row(row)),
            Event::BatchBegins { .. } => self.batch_begun = Instant::now(),
            Event::BatchEnds { pictures, smoothed, rate, waited, .. } => {
                self.batch(pictures, smoothed, rate, waited);
            }
            Event::EpochEnds { row } => self.print_row(row),
            Event::FitEnds => self.bar.finish_and_clear(),
            Event::Notice(text) => self.bar.suspend(|| self.console.note(text)),
            _ => {}
        }
        Ok(Control::Continue)
    }
}

/// Column titles; without validation there are no columns for it.
fn header(row: &EpochRow) -> String {
    let mut line = format!("{:>5} {:>5} {:>10}", "cycle", "epoch", "trn_loss");
    if row.valid_loss.is_some() {
        line.push_str(&format!(" {:>10}", "val_loss"));
    }
    row.metrics.iter().for_each(|(name, _)| line.push_str(&format!(" {name:>9}")));
    format!("{line} {:>13}", "time")
}

fn table_row(row: &EpochRow) -> String {
    let mut line = format!("{:>5} {:>5} {:>10.6}", row.cycle, row.epoch, row.train_loss);
    if let Some(loss) = row.valid_loss {
        line.push_str(&format!(" {loss:>10.6}"));
    }
    row.metrics.iter().for_each(|(_, value)| line.push_str(&format!(" {value:>9.6}")));
    format!("{line} {:>13}", duration(row.seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_line_up_below_the_header() {
        let row = EpochRow {
            stage: "frozen".to_owned(),
            cycle: 2,
            epoch: 11,
            train_loss: 0.123_456_7,
            valid_loss: Some(10.5),
            metrics: vec![("accuracy".to_owned(), 0.991_25)],
            seconds: 75.0,
            ..EpochRow::default()
        };
        assert_eq!(header(&row), "cycle epoch   trn_loss   val_loss  accuracy          time");
        assert_eq!(table_row(&row), "    2    11   0.123457  10.500000  0.991250    1 min 15 s");
        let row = EpochRow { valid_loss: None, metrics: vec![], ..row };
        assert_eq!(header(&row), "cycle epoch   trn_loss          time");
        assert_eq!(table_row(&row), "    2    11   0.123457    1 min 15 s");
    }
}
