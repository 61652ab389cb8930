//! What came out: scores side by side, and the last lines.

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use fastlearn::Predictions;

use super::Result;

/// Seconds since it was started.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts at zero.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// Seconds gone by.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// How well one way of learning did on the validation pictures.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    /// The way.
    pub name: &'static str,
    /// Part of the validation pictures that it recognised.
    pub accuracy: f64,
    /// How long it took.
    pub seconds: f64,
}

impl Score {
    /// The accuracy of predictions whose labels are known, and the watch's time.
    pub fn new(name: &'static str, predictions: &Predictions, watch: &Stopwatch) -> Result<Score> {
        let accuracy = predictions.scored()?.accuracy();
        Ok(Score { name, accuracy, seconds: watch.seconds() })
    }
}

/// Prints scores side by side.
pub fn print_scores(scores: &[Score]) {
    println!("\n   {:<36} accuracy  seconds", "");
    for Score { name, accuracy, seconds } in scores {
        println!("   {name:<36} {:>6.1} % {seconds:>8.1}", accuracy * 100.0);
    }
}

/// What the whole run came to. Displays as its last lines.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// A linear classifier on pixels.
    pub linear: Score,
    /// The same recipe from random weights.
    pub random: Score,
    /// The lesson.
    pub transfer: Score,
    /// The file of the backbone.
    pub backbone: PathBuf,
    /// What trains on the reader's own pictures.
    pub command: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "final accuracy: {:.1} %", self.transfer.accuracy * 100.0)?;
        write!(f, "{}", self.command)
    }
}
