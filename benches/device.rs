//! The device that benches run on, and how to measure one that works behind the program's back.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkGroup, Criterion};
use tensor_core::Device;

/// The device that FASTLEARN_DEVICE names, the best there is if it names none; said on the terminal.
pub fn device() -> Device {
    let device =
        Device::from_environment().expect("FASTLEARN_DEVICE names a device of this machine");
    println!("device: {}", device.description());
    device
}

/// The benches of a family on this device: their names tell devices apart.
pub fn group<'a>(
    criterion: &'a mut Criterion,
    device: &Device,
    family: &str,
) -> BenchmarkGroup<'a, WallTime> {
    criterion.benchmark_group(format!("{family} {} {}", device.name(), device.activation()))
}

/// Measures runs that are given to the device one after another and waited for together.
pub fn measure<T>(bencher: &mut Bencher, device: &Device, mut run: impl FnMut() -> T) {
    bencher.iter_custom(|runs| {
        device.synchronize().expect("earlier work is done");
        let start = Instant::now();
        for _ in 0..runs {
            drop(std::hint::black_box(run()));
        }
        device.synchronize().expect("the work is done");
        start.elapsed()
    });
}
