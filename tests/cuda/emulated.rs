//! CUDA tests on a machine without a GPU: the test executable runs itself once more, with the emulated
//! driver in place of the real one. How that driver is built is the business of `cargo xtask emulator`.

use std::env;
use std::ffi::OsString;
use std::process::{Command, Stdio};

use super::say;
use tensor_core::cuda;

/// The name of the test that calls [`run_again`]; left out when the executable runs itself.
const TEST: &str = "on_the_emulated_driver";

/// Runs every other test of this executable on the emulated driver, in each of these orders of blocks and
/// with these environment variables (`kernels/emulator/settings.h` lists those it reads); does nothing where there is a CUDA device, for they have run on that.
///
/// # Panics
/// If the emulator cannot be built, or a test fails on it.
pub fn run_again(orders: &[&str], variables: &[(&str, &str)]) {
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
    for order in orders {
        say(&format!(
            "no CUDA device here: its tests run on the emulated driver, blocks in {order} order"
        ));
        run(&cargo, order, variables);
    }
}

fn has_compiler() -> bool {
    let version = Command::new("g++").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// The chore brings the emulator up to date and puts it in the driver's place.
fn run(cargo: &OsString, order: &str, variables: &[(&str, &str)]) {
    let this = env::current_exe().expect("a running test has a file");
    let chore = ["run", "--offline", "--quiet", "--package", "xtask", "--profile", "test", "--"];
    let output = Command::new(cargo)
        .args(chore)
        .args(["emulator", "--order", order, "--"])
        .arg(this)
        .args(["--skip", TEST])
        .envs(variables.iter().copied())
        .output()
        .expect("cargo starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, complaints) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "on the emulated driver, blocks in {order} order: {}\n{printed}\n{complaints}",
        output.status
    );
}
