//! Whole steps on a CUDA device against the CPU: a training step of ResNet-18, the same step captured
//! and replayed, and the first batches of the quickstart's training.
//!
//! Where there is no device, these run on the emulated driver in a process of their own.

mod cuda;

#[path = "../examples/quickstart/main.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "its pictures and its network are of interest here, not its report"
)]
mod quickstart;

use autograd::functions::NormMode;
use autograd::optimizer::{Optimizer, Sgd, StepSettings};
use autograd::{ParameterStore, Var, functions};
use models::{Arch, Layer, Pass, PassMode, PlainNetwork};
use tensor_core::cuda::{CudaOptions, Precision};
use tensor_core::ops::loss::{Loss, Target};
use tensor_core::random::Philox;
use tensor_core::{Device, Tensor};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const BATCH: usize = 4;
const SIZE: usize = 32;
const CLASSES: usize = 10;

/// ResNet-18 on one device, always with the same first values.
struct Subject {
    network: PlainNetwork,
    store: ParameterStore,
    target: Target,
    pictures: Tensor,
    norms: NormMode,
}

/// What a step has made.
struct Step {
    loss: f32,
    gradients: Vec<f32>,
    values: Vec<f32>,
    running: Vec<f32>,
}

impl Subject {
    fn new(device: &Device, norms: NormMode) -> Outcome<Subject> {
        let (network, store) =
            PlainNetwork::new(Arch::ResNet18.architecture(), CLASSES, 7, device)?;
        let labels: Vec<usize> = (0..BATCH).map(|index| 3 * index % CLASSES).collect();
        let target = Target::classes(device, &labels, CLASSES)?;
        let dims = [BATCH, SIZE, SIZE, 3];
        let pictures = Tensor::from_f32_as(device, dims, device.activation(), &pictures(0))?;
        Ok(Subject { network, store, target, pictures, norms })
    }

    /// Forward and backward; the gradients are in the store.
    fn learn(&mut self) -> autograd::Result<Tensor> {
        let norms = vec![self.norms; self.store.statistics().len()];
        let mut pass = Pass::new(&self.store, PassMode::train(norms, 0, 0));
        let logits = self.network.forward(&mut pass, Var::constant(self.pictures.clone()))?;
        let mut tape = pass.tape;
        let losses = functions::loss(&mut tape, Loss::CrossEntropy, &logits, &self.target)?;
        let loss = functions::mean(&mut tape, &losses)?;
        let value = loss.value().clone();
        tape.backward(&loss, &mut self.store)?;
        Ok(value)
    }

    fn gradients(&self) -> Outcome<Vec<f32>> {
        let mut all = Vec::new();
        for id in self.store.ids() {
            let gradient = self.store.gradient(id)?.expect("every parameter trains");
            all.extend(gradient.to_f32()?);
        }
        Ok(all)
    }

    fn step(&mut self) -> Outcome<Step> {
        let loss = self.learn()?.item()?;
        let gradients = self.gradients()?;
        Sgd::new(0.9).step(&mut self.store, &StepSettings::rates(&[0.1; 3]))?;
        let (mut values, mut running) = (Vec::new(), Vec::new());
        for id in self.store.ids() {
            values.extend(self.store.value(id)?.to_f32()?);
        }
        for id in self.store.statistics_ids() {
            let statistics = self.store.running(id)?;
            running.extend(statistics.mean.to_f32()?);
            running.extend(statistics.var.to_f32()?);
        }
        Ok(Step { loss, gradients, values, running })
    }
}

/// Normal numbers; another `draw` gives other ones.
fn pictures(draw: u32) -> Vec<f32> {
    let mut stream = Philox::new(11).stream([draw, 0, 0]);
    (0..BATCH * SIZE * SIZE * 3).map(|_| stream.normal()).collect()
}

/// `||found - expected|| / ||expected||`.
fn distance(expected: &[f32], found: &[f32]) -> f64 {
    assert_eq!(expected.len(), found.len());
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let pairs = expected.iter().zip(found);
    let apart = squares(&mut pairs.map(|(e, f)| f64::from(*e) - f64::from(*f)));
    (apart / squares(&mut expected.iter().map(|&e| e.into()))).sqrt()
}

/// How far the results of a step may be from the CPU's, relative to their lengths.
struct Tolerance {
    loss: f64,
    gradients: f64,
    running: f64,
}

/// A step on the device is that of the CPU.
fn assert_same_step(precision: Precision, norms: NormMode, tolerance: Tolerance) -> Outcome<()> {
    let Some(device) = cuda::open(CudaOptions::new().precision(precision)) else { return Ok(()) };
    device.memory().set_poison(true);
    let expected = Subject::new(&Device::cpu()?, norms)?.step()?;
    let found = Subject::new(&device, norms)?.step()?;
    let gradients = distance(&expected.gradients, &found.gradients);
    let values = distance(&expected.values, &found.values);
    let running = distance(&expected.running, &found.running);
    let loss = f64::from((found.loss - expected.loss).abs() / expected.loss);
    let report = format!(
        "{precision:?}, {norms:?}: loss {loss:.1e}, gradients {gradients:.1e}, values {values:.1e}, \
         running statistics {running:.1e} apart"
    );
    println!("{report}");
    // A step that is not longer than the values moves them by no more than it is off itself. All
    // comparisons are false for not-a-number.
    let within = loss <= tolerance.loss
        && gradients <= tolerance.gradients
        && values <= tolerance.gradients
        && running <= tolerance.running;
    assert!(within, "{report}");
    Ok(())
}

/// A folder of the quickstart's pictures: four full batches and half of one.
fn drawn_pictures() -> Outcome<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let counts = quickstart::world::Counts { train: 6, valid: 1 };
    let kinds = &quickstart::world::shapes::UNSEEN;
    quickstart::world::draw(folder.path(), kinds, counts, SIZE, 42)
        .map_err(|error| error.to_string())?;
    Ok(folder)
}

/// The quickstart's backbone on a device, about to be trained.
fn quickstart_learner(device: &Device, folder: &std::path::Path) -> Outcome<fastlearn::Learner> {
    use fastlearn::{ImageData, Learner, Transforms};
    let transforms = Transforms::side_on(SIZE).max_zoom(1.1);
    let data = ImageData::from_folders(folder, transforms)?.batch_size(8).seed(42);
    let builder = Learner::builder(quickstart::backbone::architecture(), data)
        .random_weights()
        .head(quickstart::backbone::head())
        .device(device)
        .seed(42);
    Ok(builder.build()?)
}

/// Losses of the first batches, as the quickstart's own training makes them.
fn first_losses(device: &Device, folder: &std::path::Path) -> Outcome<Vec<f32>> {
    losses_of(quickstart_learner(device, folder)?)
}

/// The same with mixed pictures, whose targets are probabilities.
fn first_mixed_losses(device: &Device, folder: &std::path::Path) -> Outcome<Vec<f32>> {
    let mut learner = quickstart_learner(device, folder)?;
    learner.label_smoothing(0.1)?;
    learner.mixup(0.4)?;
    losses_of(learner)
}

fn losses_of(mut learner: fastlearn::Learner) -> Outcome<Vec<f32>> {
    use fastlearn::schedule::OneCycle;
    learner.fit(quickstart::backbone::RATE, OneCycle::new(1))?;
    Ok(learner.history().batches.iter().map(|batch| batch.loss).collect())
}

mod steps {
    use super::*;

    #[test]
    fn of_resnet18_in_f32_are_those_of_the_cpu() -> Outcome<()> {
        let tolerance = Tolerance { loss: 1e-4, gradients: 1e-4, running: 1e-4 };
        assert_same_step(Precision::F32, NormMode::Batch, tolerance)
    }

    /// Twenty layers of activations that keep eight bits: a ReLU that opens or closes by a rounding takes
    /// its whole gradient along. PyTorch's own bf16 (autocast, the same network and sizes) has gradients
    /// 0.16 from its f32.
    #[test]
    fn of_resnet18_in_bf16_are_near_those_of_the_cpu() -> Outcome<()> {
        let tolerance = Tolerance { loss: 0.02, gradients: 0.25, running: 1e-6 };
        assert_same_step(Precision::Bf16, NormMode::Running, tolerance)
    }

    /// Four pictures leave four numbers a channel to the last norms, whose gradients amplify every
    /// rounding beyond comparison (PyTorch's are 0.68 apart); what goes forward stays near.
    #[test]
    fn of_resnet18_in_bf16_take_the_batch_statistics_of_the_cpu() -> Outcome<()> {
        let tolerance = Tolerance { loss: 0.1, gradients: 1.0, running: 0.01 };
        assert_same_step(Precision::Bf16, NormMode::Batch, tolerance)
    }

    #[test]
    fn that_are_captured_repeat_with_the_same_bits() -> Outcome<()> {
        let Some(device) = cuda::open(CudaOptions::new().precision(Precision::F32)) else {
            return Ok(());
        };
        let mut eager = Subject::new(&device, NormMode::Batch)?;
        let mut expected = Vec::new();
        for draw in 0..2 {
            eager.pictures.write(0, &pictures(draw))?;
            let loss = eager.learn()?.item()?;
            expected.push((loss, eager.gradients()?));
            eager.store.clear_gradients();
        }
        // The first step has loaded the kernels; the same subject is captured.
        let mut subject = eager;
        let (loss, mut graph) = device.capture(|| subject.learn().map_err(tensor_error))?;
        for (draw, (expected_loss, expected_gradients)) in expected.iter().enumerate() {
            subject.pictures.write(0, &pictures(draw as u32))?;
            graph.replay()?;
            assert_eq!(loss.item()?, *expected_loss, "draw {draw}");
            assert!(subject.gradients()? == *expected_gradients, "draw {draw}: gradients");
        }
        assert_ne!(expected[0].0, expected[1].0);
        Ok(())
    }

    #[test]
    fn of_the_quickstart_lose_what_they_lose_on_the_cpu() -> Outcome<()> {
        let Some(device) = cuda::open(CudaOptions::new().precision(Precision::F32)) else {
            return Ok(());
        };
        let folder = drawn_pictures()?;
        let expected = first_losses(&Device::cpu()?, folder.path())?;
        let found = first_losses(&device, folder.path())?;
        println!("{expected:?} on the CPU\n{found:?} on {}", device.description());
        assert!(expected.len() >= 4, "{expected:?}");
        assert_eq!(expected.len(), found.len());
        // Its rate makes every difference ten times as large from batch to batch; the fifth, which is
        // smaller, is beyond comparison.
        for (expected, found) in expected.iter().zip(&found).take(4) {
            assert!((expected - found).abs() <= 1e-4 * expected, "{expected} and {found}");
        }
        Ok(())
    }

    #[test]
    fn of_the_quickstart_are_judged_as_on_the_cpu() -> Outcome<()> {
        let Some(device) = cuda::open(CudaOptions::new().precision(Precision::F32)) else {
            return Ok(());
        };
        let folder = drawn_pictures()?;
        let judged = |device: &Device| -> Outcome<(f64, f64)> {
            let predictions = quickstart_learner(device, folder.path())?.predict()?;
            let scored = predictions.scored()?;
            Ok((scored.log_loss(), scored.accuracy()))
        };
        let (expected, found) = (judged(&Device::cpu()?)?, judged(&device)?);
        assert!((expected.0 - found.0).abs() <= 1e-4 * expected.0, "{expected:?} and {found:?}");
        assert_eq!(expected.1, found.1);
        Ok(())
    }

    /// A fit records its full batches; while ops are profiled it runs them as they are given.
    fn assert_recorded_steps_are_those_that_are_run(
        precision: Precision,
        losses: fn(&Device, &std::path::Path) -> Outcome<Vec<f32>>,
    ) -> Outcome<()> {
        let Some(device) = cuda::open(CudaOptions::new().precision(precision)) else {
            return Ok(());
        };
        let folder = drawn_pictures()?;
        assert!(device.can_capture());
        let recorded = losses(&device, folder.path())?;
        device.start_profile();
        let run = losses(&device, folder.path())?;
        println!("{precision:?}: {recorded:?} recorded, {run:?} run");
        assert!(recorded.len() >= 4, "{recorded:?}");
        assert_eq!(recorded, run);
        Ok(())
    }

    #[test]
    fn of_a_fit_in_f32_have_the_same_bits_recorded_and_run() -> Outcome<()> {
        assert_recorded_steps_are_those_that_are_run(Precision::F32, first_losses)
    }

    #[test]
    fn of_a_fit_on_mixed_pictures_have_the_same_bits_recorded_and_run() -> Outcome<()> {
        assert_recorded_steps_are_those_that_are_run(Precision::Bf16, first_mixed_losses)
    }

    #[test]
    fn of_a_fit_in_bf16_have_the_same_bits_recorded_and_run() -> Outcome<()> {
        assert_recorded_steps_are_those_that_are_run(Precision::Bf16, first_losses)
    }

    fn tensor_error(error: autograd::Error) -> tensor_core::Error {
        match error {
            autograd::Error::Tensor(error) => error,
            other => tensor_core::Error::Device(other.to_string()),
        }
    }
}

#[test]
fn on_the_emulated_driver() {
    cuda::emulated::run_again(&["forward"], &[]);
}
