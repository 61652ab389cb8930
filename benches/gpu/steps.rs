//! Whole steps of networks, as a training loop makes them and as a prediction does.

use autograd::optimizer::{Optimizer, Sgd, StepSettings, segments};
use autograd::{ParameterStore, Result, Var, functions};
use models::{Arch, Layer, Pass, PassMode, PlainNetwork};
use tensor_core::ops::loss::{Loss, Target};
use tensor_core::{Device, Tensor};

use crate::kernels::activations;
use crate::row::{Row, Spec};
use crate::{Amount, Outcome};

const CLASSES: usize = 1000;

/// Training and inference of every network, one row each.
pub fn measure(device: &Device, amount: &Amount, note: &mut dyn FnMut(Row)) -> Outcome<()> {
    for &arch in amount.networks {
        let mut subject = Subject::new(device, amount, arch)?;
        for (mode, run) in [("train", Subject::train as Run), ("infer", Subject::infer as Run)] {
            let seconds = amount.clock.seconds(device, || run(&mut subject))?;
            note(row(amount, arch, mode, "eager", seconds));
            if device.name() == "cuda" {
                let ((), mut graph) = device.capture(|| run(&mut subject).map_err(flatten))?;
                let seconds = amount.clock.seconds(device, || graph.replay())?;
                note(row(amount, arch, mode, "captured", seconds));
            }
        }
    }
    Ok(())
}

/// The device's own error; what else can go wrong in a step is put in its words.
fn flatten(error: autograd::Error) -> tensor_core::Error {
    match error {
        autograd::Error::Tensor(error) => error,
        other => tensor_core::Error::Device(other.to_string()),
    }
}

/// A step, given to the device without waiting for it.
type Run = fn(&mut Subject) -> Result<()>;

fn row(amount: &Amount, arch: Arch, mode: &'static str, variant: &str, seconds: f64) -> Row {
    let (batch, size) = (amount.batch, amount.size);
    Row {
        name: format!("{arch} {mode} {variant} batch {batch} at {size} pixels"),
        spec: Spec::Step { arch: arch.to_string(), mode, batch, size },
        variant: variant.to_string(),
        seconds,
        flops: 0,
        bytes: 0,
        pictures: batch,
    }
}

/// A network with a batch in front of it.
struct Subject {
    network: PlainNetwork,
    store: ParameterStore,
    optimizer: Sgd,
    settings: StepSettings,
    pictures: Tensor,
    target: Target,
}

impl Subject {
    fn new(device: &Device, amount: &Amount, arch: Arch) -> Outcome<Subject> {
        let (network, store) = PlainNetwork::new(arch.architecture(), CLASSES, 0, device)?;
        let pictures = activations(device, [amount.batch, amount.size, amount.size, 3])?;
        let labels: Vec<usize> = (0..amount.batch).map(|index| index % CLASSES).collect();
        let target = Target::classes(device, &labels, CLASSES)?;
        let (optimizer, settings) = (Sgd::new(0.9), StepSettings::rates(&[1e-3; 3]));
        Ok(Subject { network, store, optimizer, settings, pictures, target })
    }

    fn train(&mut self) -> Result<()> {
        let mut pass = Pass::new(&self.store, PassMode::train_groups(&self.store, 0, 0));
        let logits = self.network.forward(&mut pass, Var::constant(self.pictures.clone()))?;
        let mut tape = pass.tape;
        let losses = functions::loss(&mut tape, Loss::CrossEntropy, &logits, &self.target)?;
        drop(logits);
        let loss = functions::mean(&mut tape, &losses)?;
        tape.backward(&loss, &mut self.store)?;
        let segments = segments(&self.store, &self.settings)?;
        let numbers = self.optimizer.numbers(&self.settings, &segments);
        let device = self.store.device();
        let numbers = Tensor::from_f32(device, [numbers.len()], &numbers)?;
        let ranges: Vec<_> = segments.into_iter().map(|segment| segment.range).collect();
        self.optimizer.apply(&mut self.store, &ranges, &numbers)?;
        self.store.finish_step();
        Ok(())
    }

    fn infer(&mut self) -> Result<()> {
        let mut pass = Pass::predict(&self.store);
        self.network.forward(&mut pass, Var::constant(self.pictures.clone()))?;
        Ok(())
    }
}
