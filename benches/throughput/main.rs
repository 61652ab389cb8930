//! One network's rate in whole steps, as one JSON line: what `cargo xtask bench --against torch` runs
//! in turn with PyTorch. An example rather than a criterion bench, because the other side dictates
//! how steps are counted.

use std::time::Instant;

use autograd::optimizer::{Optimizer, Sgd, StepSettings};
use autograd::{ParameterStore, Var, functions};
use clap::{Parser, ValueEnum};
use models::{Arch, Layer, Pass, PassMode, PlainNetwork};
use tensor_core::ops::loss::{Loss, Target};
use tensor_core::random::Philox;
use tensor_core::{CpuOptions, Device, Tensor};

const CLASSES: usize = 1000;

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Train,
    Infer,
}

/// Times whole steps of a network on random pictures.
#[derive(Parser)]
struct Options {
    /// torchvision's name.
    #[arg(long)]
    arch: Arch,
    #[arg(long)]
    mode: Mode,
    #[arg(long, default_value_t = 32)]
    batch: usize,
    #[arg(long, default_value_t = 224)]
    size: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    #[arg(long, default_value_t = 10)]
    steps: usize,
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// Prints time, GFLOP/s and GB/s of every op to stderr.
    #[arg(long)]
    profile: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let cpu = CpuOptions { threads: Some(options.threads), instruction_set: None };
    let device = Device::cpu_with(cpu)?;
    let resident_before = resident("VmRSS");
    let (network, mut store) = PlainNetwork::new(options.arch.architecture(), CLASSES, 0, &device)?;
    let shape = [options.batch, options.size, options.size, 3];
    let mut stream = Philox::new(0).stream([0; 3]);
    let images: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal()).collect();
    let images = Tensor::from_f32_as(&device, shape, device.activation(), &images)?;
    let labels: Vec<usize> = (0..options.batch).map(|index| index % CLASSES).collect();
    let mut optimizer = Sgd::new(0.9);
    let mut seconds = Vec::new();
    for step in 0..options.warmup + options.steps {
        if step == options.warmup && options.profile {
            device.start_profile();
        }
        let start = Instant::now();
        match options.mode {
            Mode::Train => train(&network, &mut store, &mut optimizer, &images, &labels)?,
            Mode::Infer => infer(&network, &store, &images)?,
        }
        if step >= options.warmup {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    if options.profile {
        eprint!("{}", device.profile());
    }
    let mut sorted = seconds.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    // The resident set above that before the model was made, as the other side counts; elsewhere than on
    // Linux the tensors' memory has to do.
    let peak_bytes = resident("VmHWM").zip(resident_before).map(|(peak, before)| peak - before);
    let result = serde_json::json!({
        "images_per_second_median": options.batch as f64 / median,
        "step_seconds": seconds,
        "peak_bytes": peak_bytes.unwrap_or(device.memory_report().peak as u64),
    });
    println!("{result}");
    Ok(())
}

/// Bytes in the process's resident set, now (`VmRSS`) or at most so far (`VmHWM`); Linux alone tells.
fn resident(which: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(which))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}

fn train(
    network: &PlainNetwork,
    store: &mut ParameterStore,
    optimizer: &mut Sgd,
    images: &Tensor,
    labels: &[usize],
) -> Result<(), autograd::Error> {
    let mut pass = Pass::new(store, PassMode::train_groups(store, 0, 0));
    let logits = network.forward(&mut pass, Var::constant(images.clone()))?;
    let mut tape = pass.tape;
    let target = Target::classes(store.device(), labels, CLASSES)?;
    let losses = functions::loss(&mut tape, Loss::CrossEntropy, &logits, &target)?;
    drop(logits);
    let loss = functions::mean(&mut tape, &losses)?;
    tape.backward(&loss, store)?;
    optimizer.step(store, &StepSettings::rates(&[1e-3; 3]))?;
    Ok(())
}

fn infer(
    network: &PlainNetwork,
    store: &ParameterStore,
    images: &Tensor,
) -> Result<(), autograd::Error> {
    let mut pass = Pass::predict(store);
    network.forward(&mut pass, Var::constant(images.clone()))?.value().to_f32()?;
    Ok(())
}
