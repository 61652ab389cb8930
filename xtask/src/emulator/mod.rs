//! `cargo xtask emulator`: a stand-in for the CUDA driver that runs the kernels on the CPU, for tests on machines
//! without a GPU.
//!
//! Here are the command and the sweep; how the library is made is [`build`]'s, the faults that the tests must
//! notice are [`faults`]'. What the emulator does, and what it can be told by the environment, is in
//! `kernels/emulator/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::ptx::source;
use crate::repository;
use build::Build;

mod build;
mod faults;

/// What `cargo xtask emulator` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print the folder of the library and nothing else.
    #[arg(long)]
    print_path: bool,
    /// In which order blocks and threads run under COMMAND.
    #[arg(long, value_enum, default_value_t = Order::Forward)]
    order: Order,
    /// Test the emulator itself.
    #[arg(long)]
    self_test: bool,
    /// Plant faults in kernels and launches, all or those with WORD in their names, and fail where the tests
    /// notice nothing.
    #[arg(long, value_name = "WORD", num_args = 0..=1, default_missing_value = "")]
    faults: Option<String>,
    /// Everything: the emulator's own tests, the full sweep in every order, and the planted faults.
    #[arg(long, conflicts_with_all = ["print_path", "command"])]
    all: bool,
    /// A command to run with the emulator in the driver's place.
    #[arg(last = true)]
    command: Vec<String>,
}

/// An order of blocks and threads.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Order {
    Forward,
    Reverse,
    Random,
}

impl Order {
    fn name(self) -> &'static str {
        match self {
            Order::Forward => "forward",
            Order::Reverse => "reverse",
            Order::Random => "random",
        }
    }
}

/// Builds the library and does what is asked with it; `Ok(false)` when a test failed or missed a fault.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let root = repository::root()?;
    let folder = folder(&root);
    let start = Instant::now();
    let build = Build::new(root.join(source::FOLDER), folder.join("objects"))?;
    let compiled = build.library(&folder)?;
    if arguments.print_path {
        println!("{}", folder.display());
        return Ok(true);
    }
    build.forget_others()?;
    println!("emulator: {compiled} objects compiled, {:.1} s", start.elapsed().as_secs_f64());
    println!("{}", folder.join(build::LIBRARY).display());
    let mut passed = true;
    if arguments.self_test || arguments.all {
        passed &= self_test(&build, &root, &folder)?;
    }
    if arguments.all {
        passed &= sweep(&root, &folder)?;
    }
    if let Some(word) = arguments.faults.as_deref().or(arguments.all.then_some("")) {
        passed &= faults::run(&root, &folder, word)?;
    }
    if !arguments.command.is_empty() {
        passed &= run_command(&arguments.command, &folder, arguments.order)?;
    }
    Ok(passed)
}

/// Where the library and its objects lie.
fn folder(root: &Path) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = if target.is_absolute() { target } else { root.join(target) };
    target.join("emulator")
}

/// A program that puts every kind of fault before the emulator and every operation before a plain computation.
fn self_test(build: &Build, root: &Path, folder: &Path) -> Result<bool> {
    let tests = root.join(source::FOLDER).join("emulator/tests");
    let program = folder.join("self_test");
    build.program(&program, &[tests.join("kernels.cu")], &tests.join("main.cpp"))?;
    let mut passed = true;
    for (order, streams, threads) in
        [(Order::Forward, "eager", 1), (Order::Reverse, "deferred", 1), (Order::Random, "eager", 2)]
    {
        println!(
            "emulator's own tests: {} order, {streams} streams, {threads} threads",
            order.name()
        );
        let mut command = Command::new(&program);
        command
            .arg(folder.join(build::LIBRARY))
            .env("FASTLEARN_EMULATOR_ORDER", order.name())
            .env("FASTLEARN_EMULATOR_STREAMS", streams)
            .env("FASTLEARN_EMULATOR_THREADS", threads.to_string());
        passed &= succeeds(&mut command)?;
    }
    Ok(passed)
}

/// The CUDA tests in full: in each order, once with every stream's work put off as long as possible.
fn sweep(root: &Path, folder: &Path) -> Result<bool> {
    let mut passed = true;
    for (order, streams) in
        [(Order::Forward, "eager"), (Order::Reverse, "deferred"), (Order::Random, "eager")]
    {
        let start = Instant::now();
        println!("sweep: {} order, {streams} streams", order.name());
        let mut command = cargo_test(root, &TESTS, folder, order);
        command.env("FASTLEARN_EMULATOR_STREAMS", streams);
        // What takes too long for every test run is ignored there.
        command.args(["--", "--include-ignored"]);
        let succeeded = succeeds(&mut command)?;
        let verdict = if succeeded { "ok" } else { "FAILED" };
        println!(
            "sweep: {} order: {verdict}, {:.0} s",
            order.name(),
            start.elapsed().as_secs_f64()
        );
        passed &= succeeded;
    }
    Ok(passed)
}

/// The root package's tests of CUDA devices.
const TESTS: [&str; 3] = ["cuda_ops", "cuda_layers", "cuda_steps"];

/// `cargo test` of some of the root package's tests with the library of `folder` in the driver's place.
fn cargo_test(root: &Path, tests: &[&str], folder: &Path, order: Order) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(["test", "--quiet"]);
    for test in tests {
        command.args(["--test", test]);
    }
    emulate(&mut command, folder, order);
    command
}

/// Puts the emulator where `command` looks for the driver first.
fn emulate(command: &mut Command, folder: &Path, order: Order) {
    let mut path = folder.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("LD_LIBRARY_PATH") {
        path.push(":");
        path.push(rest);
    }
    command.env("LD_LIBRARY_PATH", path).env("FASTLEARN_EMULATOR_ORDER", order.name());
    // A test that finds no device must fail here, not leave itself out.
    command.env("FASTLEARN_REQUIRE_GPU", "1");
}

fn run_command(words: &[String], folder: &Path, order: Order) -> Result<bool> {
    let Some((program, rest)) = words.split_first() else { bail!("no command to run") };
    let mut command = Command::new(program);
    command.args(rest);
    emulate(&mut command, folder, order);
    succeeds(&mut command)
}

fn succeeds(command: &mut Command) -> Result<bool> {
    let program = command.get_program().to_string_lossy().into_owned();
    Ok(command.status().with_context(|| format!("starting {program}"))?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulator_passes_its_own_tests() {
        let has_compiler = Command::new(build::COMPILER).arg("--version").output().is_ok();
        if !has_compiler {
            eprintln!("LEFT OUT: the emulator's own tests: there is no g++ to build it with");
            return;
        }
        let root = repository::root().unwrap();
        let folder = folder(&root);
        let build = Build::new(root.join(source::FOLDER), folder.join("objects")).unwrap();
        build.library(&folder).unwrap();
        assert!(self_test(&build, &root, &folder).unwrap());
    }
}
