//! Time, arithmetic and traffic of every op, counted where all ops pass.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What an op must at least do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
}

/// One op's totals.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProfileRow {
    /// How often it ran.
    pub calls: u64,
    /// How long it took, in all.
    pub time: Duration,
    /// What it had to do, in all.
    pub work: Work,
    /// The most bytes that were in use right after a call.
    pub memory: usize,
}

/// The totals of each op, by name. Displays as a table, the slowest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Totals by op.
    pub rows: BTreeMap<&'static str, ProfileRow>,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:>8} {:>10} {:>10} {:>10} {:>9}",
            "op", "calls", "ms", "GFLOP/s", "GB/s", "MiB"
        )?;
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.time));
        for (op, row) in rows {
            let nanoseconds = row.time.as_nanos().max(1) as f64;
            writeln!(
                f,
                "{op:<28} {:>8} {:>10.2} {:>10.1} {:>10.1} {:>9.1}",
                row.calls,
                nanoseconds / 1e6,
                row.work.flops as f64 / nanoseconds,
                row.work.bytes as f64 / nanoseconds,
                row.memory as f64 / f64::from(1 << 20),
            )?;
        }
        Ok(())
    }
}

/// Counts while it is on.
#[derive(Default)]
pub(crate) struct Profiler {
    on: AtomicBool,
    profile: Mutex<Profile>,
}

impl Profiler {
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn start(&self) {
        *self.lock() = Profile::default();
        self.on.store(true, Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> Profile {
        self.lock().clone()
    }

    pub(crate) fn count(&self, op: &'static str, time: Duration, work: Work, memory: usize) {
        let mut profile = self.lock();
        let row = profile.rows.entry(op).or_default();
        row.calls += 1;
        row.time += time;
        row.work.flops += work.flops;
        row.work.bytes += work.bytes;
        row.memory = row.memory.max(memory);
    }

    fn lock(&self) -> MutexGuard<'_, Profile> {
        self.profile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
