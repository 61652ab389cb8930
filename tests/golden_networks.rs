//! Whole networks against PyTorch in f64: outputs, gradients, running statistics, ten steps of SGD.

use autograd::optimizer::{Optimizer, Sgd, StepSettings};
use autograd::{ParameterId, ParameterStore, StatisticsId, Var, functions};
use golden::Network;
use golden::compare::{Comparison, MOVEMENT_TOLERANCE};
use models::{Arch, Layer, Pass, PassMode, PlainNetwork};
use tensor_core::ops::loss::{Loss, Target};
use tensor_core::{Device, Tensor};

mod golden;

#[test]
fn resnet18() {
    compare("resnet18");
}

#[test]
fn resnet34() {
    compare("resnet34");
}

#[test]
fn resnet50() {
    compare("resnet50");
}

#[test]
fn resnext50_32x4d() {
    compare("resnext50_32x4d");
}

/// Our network with the formula's parameters, and the file that it is held against.
struct Subject {
    golden: Network,
    network: PlainNetwork,
    store: ParameterStore,
}

impl Subject {
    fn new(name: &str) -> Subject {
        let golden = Network::load(name);
        let arch: Arch = name.parse().expect("the registry knows it");
        let device = Device::cpu().expect("every machine has a CPU");
        let (network, mut store) =
            PlainNetwork::new(arch.architecture(), golden.classes, 0, &device).expect("it builds");
        for (id, name) in parameters(&store) {
            store.set_value(id, &golden.parameter(&name)).expect("the shapes are torchvision's");
        }
        for (id, name) in statistics(&store) {
            let mean = golden.parameter(&format!("{name}.running_mean"));
            let var = golden.parameter(&format!("{name}.running_var"));
            store.set_running(id, &mean, &var).expect("the channels are torchvision's");
        }
        Subject { golden, network, store }
    }

    fn images(&self, step: usize) -> Var {
        let (device, images) = (self.store.device(), self.golden.images(step));
        let shape = [self.golden.batch, self.golden.size, self.golden.size, 3];
        let images = Tensor::from_f32_as(device, shape, device.activation(), &images);
        Var::constant(images.expect("there is memory"))
    }

    /// One training forward and backward; returns logits and loss.
    fn learn(&mut self, step: usize) -> (Vec<f32>, f32) {
        let mode = PassMode::train_groups(&self.store, 0, 0);
        let mut pass = Pass::new(&self.store, mode);
        let logits = self.network.forward(&mut pass, self.images(step)).expect("it runs");
        let mut tape = pass.tape;
        let labels: Vec<usize> = self.golden.labels(step).iter().map(|&x| x as usize).collect();
        let target = Target::classes(self.store.device(), &labels, self.golden.classes);
        let target = target.expect("the labels are below the number of classes");
        let losses = functions::loss(&mut tape, Loss::CrossEntropy, &logits, &target);
        let loss = functions::mean(&mut tape, &losses.expect("it runs")).expect("it runs");
        let values = (logits.value().to_f32().expect("floats"), loss.value().item().expect("one"));
        drop(logits);
        tape.backward(&loss, &mut self.store).expect("it runs");
        values
    }

    fn value(&self, name: &str) -> Option<Vec<f32>> {
        let (id, _) = parameters(&self.store).into_iter().find(|(_, own)| own == name)?;
        self.store.value(id).ok()?.to_f32().ok()
    }

    fn gradient(&self, name: &str) -> Option<Vec<f32>> {
        let (id, _) = parameters(&self.store).into_iter().find(|(_, own)| own == name)?;
        self.store.gradient(id).ok()??.to_f32().ok()
    }

    fn statistic(&self, name: &str) -> Option<Vec<f32>> {
        let (layer, part) = name.rsplit_once('.')?;
        let (id, _) = statistics(&self.store).into_iter().find(|(_, own)| own == layer)?;
        let running = self.store.running(id).ok()?;
        let tensor = if part == "running_mean" { running.mean } else { running.var };
        tensor.to_f32().ok()
    }
}

fn parameters(store: &ParameterStore) -> Vec<(ParameterId, String)> {
    store.ids().map(|id| (id, store.parameter(id).name.clone())).collect()
}

fn statistics(store: &ParameterStore) -> Vec<(StatisticsId, String)> {
    store
        .statistics_ids()
        .zip(store.statistics())
        .map(|(id, entry)| (id, entry.name.clone()))
        .collect()
}

fn compare(name: &str) {
    compare_once(name);
    compare_ten_steps(name);
}

fn compare_once(name: &str) {
    let mut comparison = Comparison::new(name);
    let mut subject = Subject::new(name);
    let mut pass = Pass::predict(&subject.store);
    let logits = subject.network.forward(&mut pass, subject.images(0)).expect("it runs");
    let logits = logits.value().to_f32().expect("floats");
    comparison.ours("eval_logits", &subject.golden.eval_logits, &logits);

    let (logits, loss) = subject.learn(0);
    comparison.ours("train_logits", &subject.golden.train_logits, &logits);
    comparison.number("loss", &subject.golden.loss, f64::from(loss));
    comparison.all(&subject.golden.gradients, |name| subject.gradient(name));
    // A rate of zero commits the batch statistics and changes nothing else.
    let settings = StepSettings::rates(&[0.0; 3]);
    Sgd::new(0.0).step(&mut subject.store, &settings).expect("it steps");
    comparison.all(&subject.golden.statistics, |name| subject.statistic(name));
    comparison.finish();
}

fn compare_ten_steps(name: &str) {
    let mut comparison = Comparison::new(format!("{name}, ten steps"));
    let mut movements =
        Comparison::with_tolerance(format!("{name}, movements"), MOVEMENT_TOLERANCE);
    let mut subject = Subject::new(name);
    let rate = subject.golden.sgd.learning_rate as f32;
    let mut optimizer = Sgd::new(subject.golden.sgd.momentum as f32);
    for step in 0..subject.golden.sgd.losses.len() {
        let (_, loss) = subject.learn(step);
        let expected = &subject.golden.sgd.losses[step];
        comparison.number(&format!("loss of step {step}"), expected, f64::from(loss));
        optimizer.step(&mut subject.store, &StepSettings::rates(&[rate; 3])).expect("it steps");
    }
    comparison.all(&subject.golden.sgd.parameters, |name| subject.value(name));
    comparison.all(&subject.golden.sgd.statistics, |name| subject.statistic(name));
    movements.all(&subject.golden.sgd.movements, |name| {
        let (first, last) = (subject.golden.parameter(name), subject.value(name)?);
        Some(last.iter().zip(first).map(|(last, first)| last - first).collect())
    });
    comparison.finish();
    movements.finish();
}
