//! Batch norm's five parts at the largest activation of a residual network: bytes a second.

#![expect(missing_docs, reason = "criterion_group! makes a function without any")]

mod device;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tensor_core::Tensor;
use tensor_core::memory::Destination;
use tensor_core::ops::norm::{self, Backward, NormOptions, Running};

const SHAPE: [usize; 4] = [8, 56, 56, 64];

fn norms(criterion: &mut Criterion) {
    let device = device::device();
    let activation = device.activation();
    let full = |value| Tensor::full(&device, SHAPE, activation, value).expect("there is memory");
    let vector = |value| Tensor::full(&device, [64], device.float(), value).expect("as above");
    let (input, gradient) = (full(0.5), full(0.1));
    let (gamma, beta) = (vector(1.0), vector(0.0));
    let running = Running { mean: vector(0.0), var: vector(1.0) };
    let shape = norm::shape(&input);
    let options = NormOptions::default();
    let partials = norm::statistics(&input).expect("it runs");
    let (factors, _) = norm::finalise_batch(&shape, &partials, &running, &gamma, &beta, &options)
        .expect("it runs");
    let output = norm::apply(&input, &factors, None, true).expect("it runs");
    let backward = Backward {
        output_gradient: &gradient,
        relu_output: Some(&output),
        has_addend: true,
        input: &input,
        factors: &factors,
    };
    let sums = norm::backward_reduce(&backward).expect("it runs");
    let bytes = |passes: u64| Throughput::Bytes(passes * (shape.len() * activation.size()) as u64);

    let mut group = device::group(criterion, &device, "norm");
    group.throughput(bytes(1)).bench_function("statistics", |bencher| {
        device::measure(bencher, &device, || norm::statistics(&input).expect("it runs"));
    });
    group.throughput(bytes(2)).bench_function("apply", |bencher| {
        device::measure(bencher, &device, || {
            norm::apply(&input, &factors, None, true).expect("it runs")
        });
    });
    group.throughput(bytes(3)).bench_function("backward_reduce", |bencher| {
        device::measure(bencher, &device, || norm::backward_reduce(&backward).expect("it runs"));
    });
    let mut target = input.duplicate().expect("there is memory");
    group.throughput(bytes(4)).bench_function("backward_apply", |bencher| {
        device::measure(bencher, &device, || {
            let target = Destination::write(target.as_slice_mut());
            norm::backward_apply_into(&backward, &gamma, Some(&sums), Some(target), None)
                .expect("it runs");
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = norms
}
criterion_main!(benches);
