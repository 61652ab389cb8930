//! CUDA tests on a machine without a GPU: the test executable runs itself once more, with the emulated
//! driver in place of the real one. How that driver is built is the business of `cargo xtask emulator`.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{REQUIRED, say};
use tensor_core::cuda;

/// The name of the test that calls [`run_again`]; left out when the executable runs itself.
const TEST: &str = "on_the_emulated_driver";

/// Runs every other test of this executable on the emulated driver, in each of these orders of blocks;
/// does nothing where there is a CUDA device, for they have run on that.
///
/// # Panics
/// If the emulator cannot be built, or a test fails on it.
pub fn run_again(orders: &[&str]) {
    if cuda::devices().is_ok_and(|devices| !devices.is_empty()) {
        return;
    }
    let Some(cargo) = env::var_os("CARGO") else {
        say(
            "LEFT OUT: the emulated CUDA tests: cargo, which builds the emulator, did not start this test",
        );
        return;
    };
    if !has_compiler() {
        say("LEFT OUT: the emulated CUDA tests: there is no g++ to build the emulator with");
        return;
    }
    let library = build(&cargo);
    for order in orders {
        say(&format!(
            "no CUDA device here: its tests run on the emulated driver, blocks in {order} order"
        ));
        run(&library, order);
    }
}

fn has_compiler() -> bool {
    let version = Command::new("g++").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// The folder with the emulated driver, brought up to date.
fn build(cargo: &OsString) -> PathBuf {
    let arguments = [
        "run",
        "--offline",
        "--quiet",
        "--package",
        "xtask",
        "--profile",
        "test",
        "--",
        "emulator",
    ];
    let output = Command::new(cargo).args(arguments).stderr(Stdio::inherit()).output();
    let output = output.expect("cargo starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "cargo xtask emulator failed:\n{printed}");
    let library = printed.lines().rev().map(Path::new).find(|line| line.ends_with("libcuda.so.1"));
    let library = library.expect("cargo xtask emulator says where the driver is");
    library.parent().expect("a file is in a folder").to_path_buf()
}

fn run(library: &Path, order: &str) {
    let this = env::current_exe().expect("a running test has a file");
    let others = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let paths = std::iter::once(library.to_path_buf()).chain(env::split_paths(&others));
    let paths = env::join_paths(paths).expect("no folder of libraries has a colon in its name");
    let output = Command::new(this)
        .args(["--skip", TEST])
        .env("LD_LIBRARY_PATH", paths)
        .env(REQUIRED, "1")
        .env("FASTLEARN_EMULATOR_ORDER", order)
        .output()
        .expect("a test that runs can run again");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, complaints) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "on the emulated driver, blocks in {order} order: {}\n{printed}\n{complaints}",
        output.status
    );
}
