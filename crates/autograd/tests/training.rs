//! The tape, the store and the optimisers together: what is recorded, kept, written and undone.

use std::collections::BTreeMap;

use autograd::functions::{self, ConvNorm, Norm, NormMode};
use autograd::optimizer::{Adam, Decay, GroupSettings, Optimizer, Outcome, Sgd, StepSettings};
use autograd::{Error, ParameterId, ParameterStore, Result, StoreBuilder, Tape, Var};
use tensor_core::ops::conv::ConvGeometry;
use tensor_core::ops::norm::{NormOptions, Running};
use tensor_core::ops::pointwise::Unary;
use tensor_core::{Device, Tensor};

/// Two layer groups: a convolution with batch norm, and a linear layer.
struct Network {
    unit: ConvNorm,
    weight: ParameterId,
    bias: ParameterId,
}

fn network(device: &Device) -> Result<(Network, ParameterStore)> {
    let mut builder = StoreBuilder::new();
    let ramp = |count: usize| (0..count).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>();
    let weight = builder.parameter("conv", [4, 3, 3, 2], ramp(72))?;
    let norm = Norm {
        gamma: builder.parameter("gamma", [4], vec![1.0; 4])?,
        beta: builder.parameter("beta", [4], vec![0.0; 4])?,
        statistics: builder.statistics("norm", 4)?,
        options: NormOptions::default(),
    };
    let unit = ConvNorm { weight, geometry: ConvGeometry::new().padding(1), norm };
    builder.set_group(1)?;
    let weight = builder.parameter("linear", [3, 100], ramp(300))?;
    let bias = builder.parameter("bias", [3], vec![0.0; 3])?;
    Ok((Network { unit, weight, bias }, builder.build(device)?))
}

fn forward(
    network: &Network,
    store: &ParameterStore,
    tape: &mut Tape,
    mode: NormMode,
) -> Result<Var> {
    let values: Vec<f32> = (0..100).map(|i| (i as f32 * 0.11).cos()).collect();
    let x = Var::constant(Tensor::from_f32(store.device(), [2, 5, 5, 2], &values)?);
    let x = functions::conv_norm(tape, store, &network.unit, mode, &x, None, true)?;
    let x = functions::reshape(tape, [2, 100], &x)?;
    let x = functions::linear(tape, store, network.weight, network.bias, &x)?;
    let x = functions::unary(tape, Unary::Square, &x)?;
    functions::mean(tape, &x)
}

fn values(store: &ParameterStore) -> Result<Vec<Vec<f32>>> {
    store.ids().map(|id| Ok(store.value(id)?.to_f32()?)).collect()
}

fn running_mean(store: &ParameterStore) -> Result<Vec<f32>> {
    let id = store.statistics_ids().next().expect("there is one batch norm");
    Ok(store.running(id)?.mean.to_f32()?)
}

#[test]
fn a_frozen_body_records_and_changes_nothing() -> Result<()> {
    let (network, mut store) = network(&Device::cpu()?)?;
    let before = values(&store)?;
    store.set_trainable(&[false, true])?;
    let mut tape = Tape::new();
    let loss = forward(&network, &store, &mut tape, NormMode::Running)?;
    assert_eq!(tape.len(), 3, "linear, square and mean alone are recorded");
    tape.backward(&loss, &mut store)?;
    assert!(store.gradient(network.unit.weight)?.is_none());
    Sgd::new(0.9).step(&mut store, &StepSettings::rates(&[1.0, 0.1]))?;
    let after = values(&store)?;
    assert_eq!(before[..3], after[..3], "the frozen group");
    assert_ne!(before[3], after[3], "the trained group");
    assert_eq!(running_mean(&store)?, [0.0; 4]);
    Ok(())
}

#[test]
fn batch_statistics_wait_for_the_step() -> Result<()> {
    let (network, mut store) = network(&Device::cpu()?)?;
    let mut tape = Tape::new();
    let loss = forward(&network, &store, &mut tape, NormMode::Batch)?;
    tape.backward(&loss, &mut store)?;
    assert_eq!(running_mean(&store)?, [0.0; 4], "before the step");
    store.clear_gradients();
    Sgd::new(0.9).step(&mut store, &StepSettings::rates(&[0.1, 0.1]))?;
    assert_eq!(running_mean(&store)?, [0.0; 4], "an abandoned pass changes nothing");
    let mut tape = Tape::new();
    let loss = forward(&network, &store, &mut tape, NormMode::Batch)?;
    tape.backward(&loss, &mut store)?;
    Sgd::new(0.9).step(&mut store, &StepSettings::rates(&[0.1, 0.1]))?;
    assert_ne!(running_mean(&store)?, [0.0; 4], "after the step");
    Ok(())
}

#[test]
fn two_backward_passes_add_their_gradients() -> Result<()> {
    let (network, mut store) = network(&Device::cpu()?)?;
    let mut gradients = Vec::new();
    for _ in 0..2 {
        let mut tape = Tape::new();
        let loss = forward(&network, &store, &mut tape, NormMode::Running)?;
        tape.backward(&loss, &mut store)?;
        let gradient = store.gradient(network.unit.weight)?.expect("it trains");
        gradients.push(gradient.to_f32()?);
    }
    for (once, twice) in gradients[0].iter().zip(&gradients[1]) {
        assert!((2.0 * once - twice).abs() <= 1e-5 * once.abs() + 1e-7, "{once} {twice}");
    }
    Ok(())
}

#[test]
fn a_step_with_a_gradient_that_is_no_number_is_not_taken() -> Result<()> {
    let (network, mut store) = network(&Device::cpu()?)?;
    store.set_value(network.bias, &[f32::INFINITY, 0.0, 0.0])?;
    let before = values(&store)?;
    let mut tape = Tape::new();
    let loss = forward(&network, &store, &mut tape, NormMode::Batch)?;
    tape.backward(&loss, &mut store)?;
    let outcome = Sgd::new(0.9).step(&mut store, &StepSettings::rates(&[0.1, 0.1]))?;
    assert_eq!(outcome, Outcome::NotFinite);
    assert_eq!(values(&store)?, before);
    assert_eq!(running_mean(&store)?, [0.0; 4]);
    Ok(())
}

#[test]
fn snapshots_bring_everything_back() -> Result<()> {
    let (network, mut store) = network(&Device::cpu()?)?;
    let kept = store.snapshot()?;
    let before = (values(&store)?, running_mean(&store)?);
    let mut optimizer = Adam::new();
    let mut first = None;
    for _ in 0..3 {
        let mut tape = Tape::new();
        let loss = forward(&network, &store, &mut tape, NormMode::Batch)?;
        first.get_or_insert(loss.value().item()?);
        tape.backward(&loss, &mut store)?;
        optimizer.step(&mut store, &StepSettings::rates(&[0.01, 0.01]))?;
    }
    assert_ne!(values(&store)?, before.0);
    store.restore(&kept)?;
    assert_eq!((values(&store)?, running_mean(&store)?), before);
    // The prepared layouts of the weights must have been forgotten too.
    let again = forward(&network, &store, &mut Tape::silent(), NormMode::Batch)?;
    assert_eq!(Some(again.value().item()?), first);
    Ok(())
}

/// One training step; its network sees the same every time.
fn step(
    network: &Network,
    store: &mut ParameterStore,
    optimizer: &mut dyn Optimizer,
) -> Result<()> {
    let mut tape = Tape::new();
    let loss = forward(network, store, &mut tape, NormMode::Batch)?;
    tape.backward(&loss, store)?;
    optimizer.step(store, &StepSettings::rates(&[0.01, 0.02])).map(drop)
}

#[test]
fn training_goes_on_from_the_host_with_the_same_bits() -> Result<()> {
    let kinds: [fn() -> Box<dyn Optimizer>; 2] =
        [|| Box::new(Sgd::new(0.9)), || Box::new(Adam::new())];
    for new in kinds {
        let (network, mut store) = network(&Device::cpu()?)?;
        let mut optimizer = new();
        (0..3).try_for_each(|_| step(&network, &mut store, &mut *optimizer))?;
        let (kept, steps) = (store.host_snapshot()?, optimizer.steps());
        let state = optimizer.state().into_iter();
        let buffers: Result<BTreeMap<String, Vec<f32>>> =
            state.map(|(name, tensor)| Ok((name.to_owned(), tensor.to_f32()?))).collect();
        let mut buffers = buffers?;
        step(&network, &mut store, &mut *optimizer)?;

        let (network, mut other) = self::network(&Device::cpu()?)?;
        let mut resumed = new();
        resumed.restore(&other, &buffers, steps)?;
        other.restore(&other.upload(&kept)?)?;
        step(&network, &mut other, &mut *resumed)?;
        assert_eq!(values(&store)?, values(&other)?);
        assert_eq!(running_mean(&store)?, running_mean(&other)?);

        // No buffers are the state of a new one; some that are missing or cut are nobody's.
        resumed.restore(&other, &BTreeMap::new(), 0)?;
        assert!(resumed.state().is_empty());
        let name = buffers.keys().next().expect("there is one").clone();
        buffers.insert(name.clone(), vec![0.0; 7]);
        let error = resumed.restore(&other, &buffers, steps).expect_err("cut");
        assert!(error.to_string().contains(&name), "{error}");
        let short = autograd::HostSnapshot { values: vec![0.0], ..kept };
        assert!(matches!(other.upload(&short), Err(Error::ParameterSize { .. })));
    }
    Ok(())
}

#[test]
fn statistics_of_parts_become_one() -> Result<()> {
    let (network, mut store) = network(&Device::cpu()?)?;
    let id = store.statistics_ids().next().expect("there is one batch norm");
    let [mut first, mut second] = [Tape::new(), Tape::new()];
    let device = store.device().clone();
    for (tape, mean, var) in [(&mut first, 2.0, 8.0), (&mut second, 6.0, 4.0)] {
        let loss = forward(&network, &store, tape, NormMode::Running)?;
        let mean = Tensor::full(&device, [4], device.float(), mean)?;
        let var = Tensor::full(&device, [4], device.float(), var)?;
        tape.hold_statistics(id, Running { mean, var });
        std::mem::take(tape).backward(&loss, &mut store)?;
    }
    store.average_held_statistics(&[0.25, 0.75])?;
    Sgd::new(0.0).step(&mut store, &StepSettings::rates(&[0.0, 0.0]))?;
    let running = store.running(id)?;
    assert_eq!((running.mean.to_f32()?, running.var.to_f32()?), (vec![5.0; 4], vec![5.0; 4]));
    Ok(())
}

#[test]
fn clipping_limits_the_norm_of_all_gradients_together() -> Result<()> {
    let moved = |limit: Option<f32>| -> Result<f64> {
        let (network, mut store) = network(&Device::cpu()?)?;
        let before = values(&store)?;
        let mut tape = Tape::new();
        let loss = forward(&network, &store, &mut tape, NormMode::Running)?;
        tape.backward(&loss, &mut store)?;
        let settings = StepSettings { clip_norm: limit, ..StepSettings::rates(&[1.0, 1.0]) };
        Sgd::new(0.0).step(&mut store, &settings)?;
        let (before, after) = (before.concat(), values(&store)?.concat());
        let squares = before.iter().zip(after).map(|(a, b)| f64::from(a - b).powi(2));
        Ok(squares.sum::<f64>().sqrt())
    };
    assert!(moved(None)? > 0.2);
    assert!((moved(Some(0.125))? - 0.125).abs() < 1e-4);
    Ok(())
}

#[test]
fn decoupled_decay_shrinks_weights_by_the_rate_alone() -> Result<()> {
    let (network, mut store) = network(&Device::cpu()?)?;
    store.set_trainable(&[false, true])?;
    let before = store.value(network.weight)?.to_f32()?;
    let group = GroupSettings { rate: 0.5, weight_decay: 0.1 };
    let settings = StepSettings {
        groups: vec![group; 2],
        momentum: None,
        decay: Decay::Decoupled,
        clip_norm: Some(0.0),
    };
    let mut tape = Tape::new();
    let loss = forward(&network, &store, &mut tape, NormMode::Running)?;
    tape.backward(&loss, &mut store)?;
    Sgd::new(0.9).step(&mut store, &settings)?;
    for (before, after) in before.iter().zip(store.value(network.weight)?.to_f32()?) {
        assert!((after - 0.95 * before).abs() < 1e-6);
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Result<()> {
    let (network, mut store) = network(&Device::cpu()?)?;
    assert_eq!(store.set_trainable(&[true]), Err(Error::Groups { given: 1, groups: 2 }));
    store.set_trainable(&[false, false])?;
    let mut tape = Tape::new();
    let loss = forward(&network, &store, &mut tape, NormMode::Running)?;
    assert_eq!(tape.backward(&loss, &mut store), Err(Error::NothingToDifferentiate));
    let mut builder = StoreBuilder::new();
    builder.parameter("twice", [1], vec![0.0])?;
    let again = builder.parameter("twice", [1], vec![0.0]);
    assert_eq!(again, Err(Error::DuplicateName("twice".to_string())));
    Ok(())
}
