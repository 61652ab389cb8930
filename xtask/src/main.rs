//! The workspace's own chores, run as `cargo xtask NAME`.
//!
//! Here are only the commands and their arguments; what each does lives in the module of its name.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod check;
mod emulator;
mod export_check;
mod golden;
mod gpu_bundle;
mod ptx;
mod python;
mod repository;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The workspace's own chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Verify what the compiler does not: the stack, the twins, imports, sizes, formatting, documentation.
    Check(check::Arguments),
    /// Make the golden files again with PyTorch.
    Golden(golden::Arguments),
    /// Compile the kernels to the PTX that tensor-core embeds.
    Ptx(ptx::Arguments),
    /// Build the CPU emulator, a stand-in for the CUDA driver, and run tests on it.
    Emulator(emulator::Arguments),
    /// Measure training and inference against another framework, in turn.
    Bench(bench::Arguments),
    /// Load exported models with PyTorch and onnxruntime and compare their logits with ours.
    ExportCheck(export_check::Arguments),
    /// Pack what proves and measures the CUDA backend on a GPU machine without Rust or a network.
    GpuBundle(gpu_bundle::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Check(arguments) => check::run(&arguments),
        Chore::Golden(arguments) => golden::run(&arguments).map(|()| true),
        Chore::Ptx(arguments) => ptx::run(&arguments),
        Chore::Emulator(arguments) => emulator::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments).map(|()| true),
        Chore::ExportCheck(arguments) => export_check::run(&arguments),
        Chore::GpuBundle(arguments) => gpu_bundle::run(&arguments),
    };
    report(outcome)
}

/// A chore that ran and found faults has printed them already; one that could not run says why here.
fn report(outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
