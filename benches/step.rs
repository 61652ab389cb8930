//! Whole steps of ResNet-18 at 128 pixels: inference, training of the head alone, of everything.

#![expect(missing_docs, reason = "criterion_group! makes a function without any")]

mod device;

use autograd::optimizer::{Optimizer, Sgd, StepSettings};
use autograd::{ParameterStore, Var, functions};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use models::head::HeadOptions;
use models::{Arch, Classifier, Layer, Pass, PassMode};
use tensor_core::Tensor;
use tensor_core::ops::loss::{Loss, Target};

const BATCH: usize = 8;
const SIZE: usize = 128;
const CLASSES: usize = 10;

fn train(network: &Classifier, store: &mut ParameterStore, optimizer: &mut Sgd, images: &Tensor) {
    let mut pass = Pass::new(store, PassMode::train_groups(store, 0, 0));
    let logits = network.forward(&mut pass, Var::constant(images.clone())).expect("it runs");
    let mut tape = pass.tape;
    let target = Target::classes(store.device(), &[0; BATCH], CLASSES).expect("they fit");
    let losses = functions::loss(&mut tape, Loss::CrossEntropy, &logits, &target);
    let loss = functions::mean(&mut tape, &losses.expect("it runs")).expect("it runs");
    tape.backward(&loss, store).expect("it runs");
    optimizer.step(store, &StepSettings::rates(&[1e-4; 3])).expect("it steps");
}

fn steps(criterion: &mut Criterion) {
    let device = device::device();
    let (architecture, head) = (Arch::ResNet18.architecture(), HeadOptions::default());
    let (network, mut store) =
        Classifier::new(architecture, CLASSES, &head, 0, &device).expect("it builds");
    let images = Tensor::full(&device, [BATCH, SIZE, SIZE, 3], device.activation(), 0.5)
        .expect("there is memory");
    let mut optimizer = Sgd::new(0.9);
    let mut group = device::group(criterion, &device, "step");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("infer", |bencher| {
        device::measure(bencher, &device, || {
            let mut pass = Pass::predict(&store);
            network.forward(&mut pass, Var::constant(images.clone())).expect("it runs")
        });
    });
    for (name, trainable) in [("train head", [false, false, true]), ("train all", [true; 3])] {
        store.set_trainable(&trainable).expect("there are three groups");
        group.bench_function(name, |bencher| {
            device::measure(bencher, &device, || {
                train(&network, &mut store, &mut optimizer, &images)
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(3));
    targets = steps
}
criterion_main!(benches);
