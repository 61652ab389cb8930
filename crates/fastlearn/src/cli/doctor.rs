//! `fastlearn doctor`: what this machine offers and what is in the cache folder.

mod cuda;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use fastlearn::Device;
use models::weights::{cache_folder, cached_weights, weights_path};
use serde::Serialize;
use tensor_core::InstructionSet;

use self::cuda::CudaReport;
use super::error::{CommandError, Result};
use super::machine::MachineArguments;
use super::output::Console;

/// Says what this machine computes with and why, its memory, and which weights are in the cache.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// The cache folder to look into [default: FASTLEARN_CACHE, else the user's cache folder]
    #[arg(long, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    /// Print one JSON document to standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    machine: MachineArguments,
}

#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    /// Absent if the device that was named cannot be opened.
    device: Option<String>,
    cuda: CudaReport,
    instruction_sets: Vec<String>,
    cores: usize,
    threads: usize,
    memory: Option<Memory>,
    cache_folder: PathBuf,
    cache_folder_state: String,
    weights: Vec<CachedFile>,
}

/// Bytes of this machine's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Memory {
    total: u64,
    available: u64,
}

#[derive(Debug, Serialize)]
struct CachedFile {
    name: String,
    bytes: u64,
}

/// Reports even where the device that was named cannot be opened, and fails after that.
pub fn run(arguments: &DoctorArguments) -> Result<()> {
    let console = Console::new(arguments.json);
    let device = arguments.machine.device();
    let report = examine(arguments, device.as_ref())?;
    if !console.is_json() {
        console.line(text(&report));
    }
    let document = serde_json::to_value(&report)
        .map_err(|error| CommandError::Text { what: "the report", reason: error.to_string() })?;
    console.document(&document)?;
    device.map(|_| ())
}

fn examine(arguments: &DoctorArguments, device: Result<&Device, &CommandError>) -> Result<Report> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let available = InstructionSet::ALL.into_iter().filter(|level| level.is_available());
    let cache = cache_folder(arguments.cache_dir.as_deref())?;
    let weights = cached_weights(&cache).into_iter().map(|name| {
        let path = weights_path(&cache, &name).and_then(|path| {
            fs::metadata(&path).map_err(|source| models::Error::ReadFile { path, source })
        });
        CachedFile { name, bytes: path.map_or(0, |metadata| metadata.len()) }
    });
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        cuda: CudaReport::new(&arguments.machine, device),
        device: device.ok().map(Device::description),
        instruction_sets: available.map(|level| level.to_string()).collect(),
        cores,
        threads: arguments.machine.threads.unwrap_or(cores),
        memory: memory(),
        cache_folder_state: state_of(&cache),
        weights: weights.collect(),
        cache_folder: cache,
    })
}

/// Whether the folder can be used; it is not made here.
fn state_of(folder: &Path) -> String {
    if !folder.exists() {
        return "made when it is first needed".to_owned();
    }
    match tempfile::tempfile_in(folder) {
        Ok(_) => "can be written".to_owned(),
        Err(error) => format!("cannot be written: {error}"),
    }
}

/// `None` where the system does not say it in `/proc/meminfo`.
fn memory() -> Option<Memory> {
    parse_memory(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn parse_memory(text: &str) -> Option<Memory> {
    let bytes = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Memory { total: bytes("MemTotal:")?, available: bytes("MemAvailable:")? })
}

fn text(report: &Report) -> String {
    let gibibytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let memory = report.memory.map_or_else(
        || "unknown".to_owned(),
        |memory| {
            let (total, free) = (gibibytes(memory.total), gibibytes(memory.available));
            format!("{total:.1} GiB, {free:.1} GiB of it available")
        },
    );
    let mut text = format!(
        "fastlearn {}\ndevice: {}\n{}\ninstruction sets: {}\nthreads: {} of {} cores\nmemory: {memory}\n\
         cache folder: {} ({})\nweights in it:",
        report.version,
        report.device.as_deref().unwrap_or("none"),
        report.cuda.text(),
        report.instruction_sets.join(", "),
        report.threads,
        report.cores,
        report.cache_folder.display(),
        report.cache_folder_state,
    );
    if report.weights.is_empty() {
        text.push_str(" none");
    }
    for file in &report.weights {
        text.push_str(&format!("\n  {} ({:.1} MB)", file.name, file.bytes as f64 / 1e6));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       16 kB\nMemFree:  1 kB\nMemAvailable:    8 kB\n";
        assert_eq!(parse_memory(text), Some(Memory { total: 16 << 10, available: 8 << 10 }));
        assert_eq!(parse_memory("MemTotal: many kB"), None);
    }
}
