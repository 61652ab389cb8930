//! Matrix products: a large square, and the head's three.

#![expect(missing_docs, reason = "criterion_group! makes a function without any")]

mod device;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tensor_core::Tensor;
use tensor_core::ops::matmul;

/// Rows, columns, inner length, left and right stored transposed.
const PRODUCTS: [(usize, usize, usize, bool, bool); 4] = [
    (1024, 1024, 1024, false, false),
    (64, 512, 1024, false, true),
    (512, 1024, 64, true, false),
    (64, 1024, 512, false, false),
];

fn products(criterion: &mut Criterion) {
    let device = device::device();
    let mut group = device::group(criterion, &device, "matmul");
    for (m, n, k, left_transposed, right_transposed) in PRODUCTS {
        let order = |rows, columns, transposed| {
            if transposed { [columns, rows] } else { [rows, columns] }
        };
        // The head's products are of floats; the large one is what activations can do.
        let dtype = if m == k { device.activation() } else { device.float() };
        let full = |shape| Tensor::full(&device, shape, dtype, 0.5).expect("there is memory");
        let left = full(order(m, k, left_transposed));
        let right = full(order(k, n, right_transposed));
        let shape = matmul::shape(&left, &right, left_transposed, right_transposed);
        let shape = shape.expect("they fit");
        group.throughput(Throughput::Elements(shape.flops()));
        group.bench_function(shape.to_string(), |bencher| {
            device::measure(bencher, &device, || {
                matmul::multiply(&left, &right, left_transposed, right_transposed).expect("it runs")
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = products
}
criterion_main!(benches);
