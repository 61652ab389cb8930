//! The rates of a device, kernel by kernel and step by step, as JSON: what `cargo xtask gpu-bundle`
//! carries to a GPU machine and sets beside another framework on the same chip. The device is the one
//! that `FASTLEARN_DEVICE` names. An example rather than a criterion bench, because it runs where there
//! is no cargo and the other program repeats its list.

mod clock;
mod kernels;
mod layers;
mod row;
mod steps;

use std::path::PathBuf;

use clap::Parser;
use models::Arch;
use serde::Serialize;
use tensor_core::Device;

use clock::Clock;
use row::Row;

/// What this program calls its results: any error ends it.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Measures kernels and whole steps on the device that FASTLEARN_DEVICE names.
#[derive(Parser)]
struct Options {
    /// Where the JSON goes.
    out: PathBuf,
    /// Sizes at which everything runs once in moments: a look whether it runs at all.
    #[arg(long)]
    tiny: bool,
    /// Pictures of every batch.
    #[arg(long)]
    batch: Option<usize>,
}

/// How much is measured.
#[derive(Clone)]
pub struct Amount {
    clock: Clock,
    batch: usize,
    size: usize,
    copied_elements: usize,
    parameters: usize,
    matmul_sizes: &'static [usize],
    networks: &'static [Arch],
}

impl Amount {
    const FULL: Amount = Amount {
        clock: Clock::PATIENT,
        batch: 256,
        size: 224,
        copied_elements: 1 << 28,
        parameters: 25_557_032,
        matmul_sizes: &[1024, 2048, 4096, 8192],
        networks: &[Arch::ResNet18, Arch::ResNet34, Arch::ResNet50, Arch::ResNeXt50_32x4d],
    };
    const TINY: Amount = Amount {
        clock: Clock::HASTY,
        batch: 1,
        size: 32,
        copied_elements: 1 << 12,
        parameters: 5000,
        matmul_sizes: &[64],
        networks: &[Arch::ResNet18],
    };
}

/// What is written.
#[derive(Serialize)]
struct Report {
    device: String,
    activations: String,
    rows: Vec<Row>,
}

fn main() -> Outcome<()> {
    let options = Options::parse();
    let mut amount = if options.tiny { Amount::TINY } else { Amount::FULL };
    amount.batch = options.batch.unwrap_or(amount.batch);
    let device = Device::from_environment()?;
    println!("{}", device.description());
    let mut rows = Vec::new();
    let mut note = |row: Row| {
        println!("{:<90} {:>12.1} us  {}", row.name, row.seconds * 1e6, row.variant);
        rows.push(row);
    };
    kernels::measure(&device, &amount, &mut note)?;
    steps::measure(&device, &amount, &mut note)?;
    let (description, activations) = (device.description(), device.activation().to_string());
    let report = Report { device: description, activations, rows };
    std::fs::write(&options.out, serde_json::to_string_pretty(&report)?)?;
    Ok(())
}
