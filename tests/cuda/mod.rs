//! CUDA devices for tests, real or emulated, and what to do where there is none. What is tested on
//! them is not here.

pub mod emulated;

use std::io::Write;

use tensor_core::Device;
use tensor_core::cuda::CudaOptions;

/// Set to anything, it turns the absence of a CUDA device into a failure.
const REQUIRED: &str = "FASTLEARN_REQUIRE_GPU";

/// The first CUDA device, or nothing where there is none: then the test has nothing to show, and
/// [`emulated`] says aloud what becomes of it.
///
/// # Panics
/// If there is none but there has to be, or if there is one that cannot be opened.
pub fn open(options: CudaOptions) -> Option<Device> {
    match Device::cuda_with(options) {
        Ok(device) => Some(device),
        Err(error) if is_required() => panic!("{REQUIRED} is set, but {error}"),
        Err(error) => {
            println!("left out: {error}");
            None
        }
    }
}

/// True if the absence of a device is a failure.
pub fn is_required() -> bool {
    std::env::var_os(REQUIRED).is_some()
}

/// Every Nth of these, where FASTLEARN_CASES is N: for tools that slow everything down. All of them if
/// it is not set.
///
/// # Panics
/// If it is set to anything but a number from 1 on.
#[allow(dead_code, reason = "not every test has a table of cases")]
pub fn some_of<T>(cases: Vec<T>) -> Vec<T> {
    let step = std::env::var("FASTLEARN_CASES").map_or(1, |step| {
        step.parse().ok().filter(|&step| step > 0).expect("FASTLEARN_CASES is a number from 1 on")
    });
    cases.into_iter().step_by(step).collect()
}

/// A line on the terminal even of a test that passes, whose usual output nobody sees.
pub fn say(line: &str) {
    // Nothing can be done about a closed terminal.
    let _ = writeln!(std::io::stderr(), "{line}");
}
