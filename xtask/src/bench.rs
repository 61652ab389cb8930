//! `cargo xtask bench --against torch`: runs our throughput program and the other framework's in turn, on the same
//! command line, and prints medians and ratios.
//!
//! Both programs take `--arch NAME --mode train|infer --batch N --size N --threads N --steps N --warmup N` and print one
//! line of JSON last: `{"images_per_second_median": .., "step_seconds": [..], "peak_bytes": ..}`, the last of which is the
//! largest resident set above that before the network was made. They run one after the other, round after round, so that
//! a machine that slows down slows both.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{python, repository};

/// Our program, an example of the root package.
const PROGRAM: &str = "throughput";

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The framework to compare with.
    #[arg(long, value_enum)]
    against: Framework,
    #[command(flatten)]
    python: python::Interpreter,
    /// Architectures, by torchvision's names.
    #[arg(long, value_delimiter = ',', default_value = "resnet34")]
    arch: Vec<String>,
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "train,infer")]
    mode: Vec<Mode>,
    /// Pictures a batch.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Side of the pictures in pixels.
    #[arg(long, default_value_t = 224)]
    size: usize,
    /// Threads that each program may use.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Measured steps a round.
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Steps before the measured ones.
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// How often the two programs take turns.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Our program, where it is not to be built first.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// A framework with a throughput program in `xtask/python`.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Framework {
    /// PyTorch, eager, the faster of its two memory layouts.
    Torch,
}

/// What a step is.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Mode {
    /// Forward, backward and an SGD step.
    Train,
    /// Forward with running statistics.
    Infer,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Train => "train",
            Mode::Infer => "infer",
        }
    }
}

/// The line that a throughput program prints.
#[derive(Deserialize, Debug, PartialEq)]
struct Measurement {
    images_per_second_median: f64,
    step_seconds: Vec<f64>,
    peak_bytes: u64,
    /// What the program chose to report, such as a memory layout.
    #[serde(default)]
    variant: Option<String>,
}

/// All rounds of one program.
struct Total {
    images_per_second: f64,
    peak_bytes: u64,
    variant: String,
}

/// Measures every combination of architecture and mode and prints the table.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.rounds == 0 || arguments.steps == 0 {
        bail!("--rounds and --steps have to be at least 1");
    }
    let root = repository::root()?;
    let script = match arguments.against {
        Framework::Torch => root.join("xtask/python/torch_throughput.py"),
    };
    arguments.python.require(&["torch", "torchvision"])?;
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => build(&root)?,
    };
    println!(
        "batch {}, {} pixels, {} threads, {} rounds of {} steps after {} warm-up steps",
        arguments.batch,
        arguments.size,
        arguments.threads,
        arguments.rounds,
        arguments.steps,
        arguments.warmup
    );
    println!("{}", heading());
    for arch in &arguments.arch {
        for &mode in &arguments.mode {
            let mut ours = Vec::new();
            let mut theirs = Vec::new();
            for _ in 0..arguments.rounds {
                ours.push(measure(Command::new(&program), arguments, arch, mode)?);
                theirs.push(measure(arguments.python.script(&script), arguments, arch, mode)?);
            }
            println!(
                "{}",
                row(arch, mode, &total(&ours, arguments.batch), &total(&theirs, arguments.batch))
            );
        }
    }
    Ok(())
}

/// Builds our program and returns where it is, as cargo states it.
fn build(root: &Path) -> Result<PathBuf> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--release",
            "--example",
            PROGRAM,
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo build")?;
    if !output.status.success() {
        bail!("cargo build --release --example {PROGRAM} failed");
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .context("cargo named no executable for our program")
}

fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| {
            let is_ours = message["target"]["name"] == PROGRAM;
            message["executable"].as_str().filter(|_| is_ours).map(PathBuf::from)
        })
}

fn measure(
    mut command: Command,
    arguments: &Arguments,
    arch: &str,
    mode: Mode,
) -> Result<Measurement> {
    command.args(["--arch", arch, "--mode", mode.name()]);
    for (flag, value) in [
        ("--batch", arguments.batch),
        ("--size", arguments.size),
        ("--threads", arguments.threads),
        ("--steps", arguments.steps),
        ("--warmup", arguments.warmup),
    ] {
        command.args([flag, &value.to_string()]);
    }
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("starting {name}"))?;
    if !output.status.success() {
        bail!("{name} ended with {} while measuring {arch} {}", output.status, mode.name());
    }
    read(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("reading what {name} printed"))
}

fn read(printed: &str) -> Result<Measurement> {
    let line =
        printed.lines().rev().find(|line| !line.trim().is_empty()).context("it printed nothing")?;
    let measurement: Measurement =
        serde_json::from_str(line).with_context(|| format!("its last line is {line:?}"))?;
    if measurement.step_seconds.is_empty()
        || measurement.step_seconds.iter().any(|seconds| *seconds <= 0.0)
    {
        bail!("its step times are {:?}", measurement.step_seconds);
    }
    Ok(measurement)
}

/// The rate at the median step of all rounds together.
fn total(rounds: &[Measurement], batch: usize) -> Total {
    let mut seconds: Vec<f64> =
        rounds.iter().flat_map(|round| round.step_seconds.iter().copied()).collect();
    Total {
        images_per_second: batch as f64 / median(&mut seconds),
        peak_bytes: rounds.iter().map(|round| round.peak_bytes).max().unwrap_or(0),
        variant: rounds.iter().find_map(|round| round.variant.clone()).unwrap_or_default(),
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn heading() -> String {
    format!(
        "{:<18} {:<6} {:>12} {:>12} {:>7} {:>10} {:>10}  variant",
        "arch", "mode", "ours img/s", "theirs img/s", "ratio", "ours MiB", "their MiB"
    )
}

fn row(arch: &str, mode: Mode, ours: &Total, theirs: &Total) -> String {
    let mebibytes = |total: &Total| total.peak_bytes as f64 / f64::from(1 << 20);
    format!(
        "{arch:<18} {:<6} {:>12.2} {:>12.2} {:>7.2} {:>10.0} {:>10.0}  {}",
        mode.name(),
        ours.images_per_second,
        theirs.images_per_second,
        ours.images_per_second / theirs.images_per_second,
        mebibytes(ours),
        mebibytes(theirs),
        theirs.variant
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(step_seconds: &[f64], peak_bytes: u64) -> Measurement {
        Measurement {
            images_per_second_median: 1.0,
            step_seconds: step_seconds.to_vec(),
            peak_bytes,
            variant: None,
        }
    }

    #[test]
    fn the_last_line_is_the_measurement() {
        let printed = "warming up\n{\"images_per_second_median\": 8.0, \"step_seconds\": [0.5], \"peak_bytes\": 7}\n\n";
        assert_eq!(read(printed).unwrap().step_seconds, [0.5]);
    }

    #[test]
    fn what_is_no_measurement_is_refused() {
        for printed in [
            "",
            "done",
            r#"{"images_per_second_median": 8.0, "step_seconds": [], "peak_bytes": 7}"#,
        ] {
            assert!(read(printed).is_err(), "{printed}");
        }
    }

    #[test]
    fn rounds_are_pooled_at_their_median_step() {
        let total = total(&[round(&[1.0, 9.0], 5), round(&[2.0, 4.0], 3)], 6);
        assert_eq!((total.images_per_second, total.peak_bytes), (2.0, 5));
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn the_ratio_is_ours_over_theirs() {
        let line = row(
            "resnet18",
            Mode::Train,
            &total(&[round(&[1.0], 1 << 20)], 30),
            &total(&[round(&[2.0], 2 << 20)], 30),
        );
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>(),
            ["resnet18", "train", "30.00", "15.00", "2.00", "1", "2"]
        );
    }

    #[test]
    fn the_executable_is_the_one_of_our_target() {
        let messages = "{\"target\":{\"name\":\"fastlearn\"},\"executable\":\"/a\"}\nnoise\n{\"target\":{\"name\":\"throughput\"},\"executable\":\"/b\"}";
        assert_eq!(executable(messages), Some("/b".into()));
        assert_eq!(executable("{}"), None);
    }
}
