//! Convolutions of ResNet-34 at 224 pixels, all three directions: GFLOP/s on the device that
//! FASTLEARN_DEVICE names.

#![expect(missing_docs, reason = "criterion_group! makes a function without any")]

mod device;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tensor_core::backend::conv::{ConvDirection, ConvShape};
use tensor_core::memory::Destination;
use tensor_core::ops::conv;
use tensor_core::random::Philox;
use tensor_core::{DType, Device, Tensor};

const BATCH: usize = 8;

/// Side, input channels, output channels, kernel, stride.
const LAYERS: [(usize, usize, usize, usize, usize); 6] = [
    (224, 3, 64, 7, 2),
    (56, 64, 64, 3, 1),
    (28, 128, 128, 3, 1),
    (14, 256, 256, 3, 1),
    (7, 512, 512, 3, 1),
    (56, 64, 128, 1, 2),
];

fn random(device: &Device, shape: [usize; 4], dtype: DType) -> Tensor {
    let mut stream = Philox::new(1).stream([0; 3]);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal()).collect();
    Tensor::from_f32_as(device, shape, dtype, &values).expect("there is memory")
}

fn convolutions(criterion: &mut Criterion) {
    let device = device::device();
    let (float, activation) = (device.float(), device.activation());
    for (size, c, k, kernel, stride) in LAYERS {
        let shape = ConvShape {
            n: BATCH,
            h: size,
            w: size,
            c,
            k,
            r: kernel,
            s: kernel,
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            groups: 1,
        };
        let input = random(&device, [BATCH, size, size, c], activation);
        let weights = random(&device, [k, kernel, kernel, c], float);
        let gradient = random(&device, [BATCH, shape.p(), shape.q(), k], activation);
        let mut group = device::group(criterion, &device, "conv");
        group.throughput(Throughput::Elements(shape.flops()));
        let name = format!("{size}x{size}x{c}-{k} {kernel}x{kernel}/{stride}");
        for direction in
            [ConvDirection::Forward, ConvDirection::InputGradient, ConvDirection::WeightGradient]
        {
            let plan = conv::plan(&device, &shape, activation, direction)
                .expect("a device computes with its own activations");
            let prepared = conv::prepare(&plan, &shape, direction, &weights).expect("it prepares");
            let mut like = match direction {
                ConvDirection::Forward | ConvDirection::InputGradient => input.duplicate(),
                ConvDirection::WeightGradient => weights.duplicate(),
            }
            .expect("there is memory");
            group.bench_function(BenchmarkId::new(format!("{direction:?}"), &name), |bencher| {
                device::measure(bencher, &device, || match direction {
                    ConvDirection::Forward => {
                        drop(conv::forward_planned(&plan, &shape, &input, &prepared));
                    }
                    ConvDirection::InputGradient => {
                        let target = Destination::write(like.as_slice_mut());
                        conv::input_gradient_into(&plan, &shape, &gradient, &prepared, target)
                            .expect("it runs");
                    }
                    ConvDirection::WeightGradient => {
                        let target = Destination::write(like.as_slice_mut());
                        conv::weight_gradient_into(&plan, &shape, &input, &gradient, target)
                            .expect("it runs");
                    }
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = convolutions
}
criterion_main!(benches);
