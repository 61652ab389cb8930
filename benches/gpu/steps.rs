//! Whole steps of networks, as a training loop makes them and as a prediction does.

use autograd::optimizer::{Optimizer, Sgd, StepSettings};
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
        let train = amount.clock.seconds(device, || subject.train())?;
        note(row(amount, arch, "train", train));
        let infer = amount.clock.seconds(device, || subject.infer())?;
        note(row(amount, arch, "infer", infer));
    }
    Ok(())
}

fn row(amount: &Amount, arch: Arch, mode: &'static str, seconds: f64) -> Row {
    let (batch, size) = (amount.batch, amount.size);
    Row {
        name: format!("{arch} {mode} batch {batch} at {size} pixels"),
        spec: Spec::Step { arch: arch.to_string(), mode, batch, size },
        variant: "eager".to_string(),
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
    pictures: Tensor,
    target: Target,
}

impl Subject {
    fn new(device: &Device, amount: &Amount, arch: Arch) -> Outcome<Subject> {
        let (network, store) = PlainNetwork::new(arch.architecture(), CLASSES, 0, device)?;
        let pictures = activations(device, [amount.batch, amount.size, amount.size, 3])?;
        let labels: Vec<usize> = (0..amount.batch).map(|index| index % CLASSES).collect();
        let target = Target::classes(device, &labels, CLASSES)?;
        Ok(Subject { network, store, optimizer: Sgd::new(0.9), pictures, target })
    }

    fn train(&mut self) -> Result<()> {
        let mut pass = Pass::new(&self.store, PassMode::train_groups(&self.store, 0, 0));
        let logits = self.network.forward(&mut pass, Var::constant(self.pictures.clone()))?;
        let mut tape = pass.tape;
        let losses = functions::loss(&mut tape, Loss::CrossEntropy, &logits, &self.target)?;
        drop(logits);
        let loss = functions::mean(&mut tape, &losses)?;
        tape.backward(&loss, &mut self.store)?;
        self.optimizer.step(&mut self.store, &StepSettings::rates(&[1e-3; 3]))?;
        Ok(())
    }

    fn infer(&self) -> Result<()> {
        let mut pass = Pass::predict(&self.store);
        self.network.forward(&mut pass, Var::constant(self.pictures.clone())).map(drop)
    }
}
