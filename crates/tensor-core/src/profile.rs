//! Time, arithmetic and traffic of every op, counted or traced where all ops pass.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::Shape;

/// What an op must at least do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
}

/// One call of an op. Displays as one line.
#[derive(Debug, Clone, PartialEq)]
pub struct OpCall {
    /// Its name.
    pub op: &'static str,
    /// The shapes that it is about: the input, and the weights or the other matrix if there are any.
    pub shapes: [Option<Shape>; 2],
    /// The variant that was planned; empty where there is but one.
    pub variant: &'static str,
    /// How long it took, the device's work included.
    pub time: Duration,
    /// What it had to do.
    pub work: Work,
}

impl fmt::Display for OpCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes: Vec<String> = self.shapes.iter().flatten().map(Shape::to_string).collect();
        let nanoseconds = self.time.as_nanos().max(1) as f64;
        write!(
            f,
            "{:<28} {:<58} {:<18} {:>9.3} ms {:>8.1} GFLOP/s {:>7.1} GB/s",
            self.op,
            shapes.join(" by "),
            self.variant,
            nanoseconds / 1e6,
            self.work.flops as f64 / nanoseconds,
            self.work.bytes as f64 / nanoseconds,
        )
    }
}

/// What an op says of a call before it runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Call {
    work: Work,
    shapes: [Option<Shape>; 2],
    variant: &'static str,
}

impl Call {
    pub fn new(flops: u64, bytes: u64) -> Call {
        Call { work: Work { flops, bytes }, ..Call::default() }
    }

    /// Names a shape that it is about; the first two count.
    pub fn on(mut self, shape: impl Into<Shape>) -> Call {
        if let Some(free) = self.shapes.iter_mut().find(|free| free.is_none()) {
            *free = Some(shape.into());
        }
        self
    }

    /// Names the planned variant.
    pub fn by(self, variant: &'static str) -> Call {
        Call { variant, ..self }
    }
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

/// Someone who is told of every call.
type Listener = Box<dyn Fn(&OpCall) + Send + Sync>;

/// Counts and tells while it is on.
#[derive(Default)]
pub(crate) struct Profiler {
    on: AtomicBool,
    profile: Mutex<Profile>,
    listener: OnceLock<Listener>,
}

impl Profiler {
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn start(&self) {
        *self.lock() = Profile::default();
        self.on.store(true, Ordering::Relaxed);
    }

    /// Tells `listener` of every call from now on. The first one stays.
    pub(crate) fn trace(&self, listener: Listener) {
        let _ = self.listener.set(listener);
        self.on.store(true, Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> Profile {
        self.lock().clone()
    }

    pub(crate) fn count(&self, op: &'static str, time: Duration, call: Call, memory: usize) {
        let Call { work, shapes, variant } = call;
        if let Some(listener) = self.listener.get() {
            listener(&OpCall { op, shapes, variant, time, work });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_line_with_its_rates() {
        let call = OpCall {
            op: "conv.forward",
            shapes: [Some(Shape::from([8, 4, 4, 3])), Some(Shape::from([16, 3, 3, 3]))],
            variant: "implicit",
            time: Duration::from_micros(2_000),
            work: Work { flops: 5_000_000, bytes: 3_000_000 },
        };
        let line = call.to_string();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..2], ["conv.forward", "[n=8"]);
        let rates = ["implicit", "2.000", "ms", "2.5", "GFLOP/s", "1.5", "GB/s"];
        assert_eq!(words[words.len() - 7..], rates, "{line}");
        assert!(line.contains("c=3] by [n=16"), "{line}");
    }

    #[test]
    fn who_listens_hears_every_call_also_without_counting() {
        let heard = std::sync::Arc::new(Mutex::new(Vec::new()));
        let (profiler, ears) = (Profiler::default(), heard.clone());
        assert!(!profiler.is_on());
        profiler.trace(Box::new(move |call| ears.lock().expect("no panic").push(call.clone())));
        assert!(profiler.is_on());
        let call = Call::new(8, 4).on([2]).on([3]).on([4]).by("scalar");
        profiler.count("reduce", Duration::from_secs(1), call, 16);
        let heard = heard.lock().expect("no panic");
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].shapes, [Some(Shape::from([2])), Some(Shape::from([3]))]);
        assert_eq!((heard[0].variant, heard[0].work), ("scalar", Work { flops: 8, bytes: 4 }));
        assert_eq!(profiler.report().rows["reduce"].work.flops, 8);
    }
}
