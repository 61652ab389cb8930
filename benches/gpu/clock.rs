//! How long something takes on a device that works behind the program's back: runs are given to it one
//! after another and waited for together, as a training loop does.

use std::time::Instant;

use tensor_core::{Device, Error};

/// How patiently to measure.
#[derive(Clone, Copy)]
pub struct Clock {
    /// Runs before the measured ones.
    pub warmup: usize,
    /// Rounds, of which the median counts.
    pub rounds: usize,
    /// Seconds that a round should take at least; its number of runs follows from that.
    pub round_seconds: f64,
}

impl Clock {
    /// For the numbers that are published.
    pub const PATIENT: Clock = Clock { warmup: 5, rounds: 7, round_seconds: 0.02 };
    /// For a look whether everything runs.
    pub const HASTY: Clock = Clock { warmup: 1, rounds: 1, round_seconds: 0.0 };

    /// Median seconds of one run.
    ///
    /// # Errors
    /// Those of the runs.
    pub fn seconds<E: From<Error>>(
        &self,
        device: &Device,
        mut run: impl FnMut() -> Result<(), E>,
    ) -> Result<f64, E> {
        for _ in 0..self.warmup {
            run()?;
        }
        let once = round(device, 1, &mut run)?;
        let runs = ((self.round_seconds / once.max(1e-9)).ceil() as usize).clamp(1, 10_000);
        let mut seconds = vec![if runs == 1 { once } else { round(device, runs, &mut run)? }];
        for _ in 1..self.rounds {
            seconds.push(round(device, runs, &mut run)?);
        }
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[seconds.len() / 2])
    }
}

/// Mean seconds of one of `runs` runs.
fn round<E: From<Error>>(
    device: &Device,
    runs: usize,
    run: &mut impl FnMut() -> Result<(), E>,
) -> Result<f64, E> {
    device.synchronize()?;
    let start = Instant::now();
    for _ in 0..runs {
        run()?;
    }
    device.synchronize()?;
    Ok(start.elapsed().as_secs_f64() / runs as f64)
}
