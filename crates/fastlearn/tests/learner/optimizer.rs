//! Weight decay, clipping and the kinds of optimiser, held against their formulas.

use autograd::optimizer::Decay;
use fastlearn::Learner;
use fastlearn::schedule::Rates;
use fastlearn::train::OptimizerKind;

use crate::world::{World, bits, changed, is_statistic, losses};

const RATE: f32 = 0.01;

/// An unfrozen learner whose epoch is one batch: a fit of one epoch is one step.
fn one_step(world: &World, kind: OptimizerKind) -> Learner {
    let data = world.data().batch_size(24);
    let builder = world.builder_on(data, 2).optimizer(kind);
    let mut learner = builder.build().expect("a learner");
    learner.unfreeze().expect("unfrozen");
    learner
}

/// All parameters in one row.
fn values(learner: &Learner) -> Vec<f32> {
    let store = learner.store();
    let value = |id| store.value(id).and_then(|value| Ok(value.to_f32()?)).expect("values");
    store.ids().flat_map(value).collect()
}

/// Weights before and after one step with these settings.
fn stepped(world: &World, kind: OptimizerKind, set: impl Fn(&mut Learner)) -> [Vec<f32>; 2] {
    let mut learner = one_step(world, kind);
    set(&mut learner);
    let before = values(&learner);
    learner.fit(RATE, 1).expect("trained");
    [before, values(&learner)]
}

#[test]
fn decoupled_decay_shrinks_the_weights_by_rate_times_decay() {
    let world = World::new();
    let [before, plain] = stepped(&world, OptimizerKind::Sgd, |_| {});
    let [_, decayed] = stepped(&world, OptimizerKind::Sgd, |learner| {
        learner.weight_decay(0.5, Decay::Decoupled);
    });
    for ((before, plain), decayed) in before.iter().zip(&plain).zip(&decayed) {
        let expected = f64::from(*plain) - f64::from(RATE) * 0.5 * f64::from(*before);
        assert!((f64::from(*decayed) - expected).abs() < 1e-6, "{decayed} against {expected}");
    }
}

#[test]
fn decay_is_a_layer_groups_own() {
    let world = World::new();
    let trained = |decay: [f32; 3]| {
        let mut learner = one_step(&world, OptimizerKind::Sgd);
        learner.weight_decay(decay, Decay::L2);
        learner.fit(RATE, 1).expect("trained");
        learner
    };
    let (none, head) = (trained([0.0; 3]), trained([0.0, 0.0, 0.5]));
    let names = changed(&bits(&none), &bits(&head));
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("head.")), "{names:?}");
    assert!(!names.iter().any(|name| is_statistic(name)));
}

#[test]
fn the_two_kinds_of_decay_part_ways_with_momentum() {
    let world = World::new();
    let trained = |decay: Option<Decay>, epochs: usize| {
        let mut learner = one_step(&world, OptimizerKind::Sgd);
        learner.weight_decay(if decay.is_some() { 0.5 } else { 0.0 }, decay.unwrap_or_default());
        learner.fit(RATE, epochs).expect("trained");
        values(&learner)
    };
    let apart = |left: &[f32], right: &[f32]| {
        left.iter().zip(right).map(|(l, r)| (l - r).abs()).fold(0.0_f32, f32::max)
    };
    // One step of either is the same sum in another order; momentum remembers only one of them.
    let first = [Decay::L2, Decay::Decoupled].map(|decay| trained(Some(decay), 1));
    assert!(apart(&first[0], &first[1]) < 1e-6);
    let third = [Decay::L2, Decay::Decoupled].map(|decay| trained(Some(decay), 3));
    assert!(apart(&third[0], &third[1]) > 1e-4, "{}", apart(&third[0], &third[1]));
    assert!(apart(&third[0], &trained(None, 3)) > 1e-4);
}

#[test]
fn clipping_limits_the_norm_of_all_gradients_together() {
    let world = World::new();
    let moved = |limit: Option<f32>| {
        let [before, after] =
            stepped(&world, OptimizerKind::Sgd, |learner| learner.clip_norm(limit));
        let square = |(b, a): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
        before.iter().zip(&after).map(square).sum::<f64>().sqrt() / f64::from(RATE)
    };
    let norm = moved(None);
    assert!(norm > 0.1, "{norm}");
    // The first step of SGD is the gradient itself.
    let limit = norm / 4.0;
    assert!((moved(Some(limit as f32)) / limit - 1.0).abs() < 1e-3);
    assert_eq!(moved(Some(norm as f32 * 1.5)), norm, "a norm below the limit is left alone");
}

#[test]
fn the_first_step_of_adam_is_the_rate_itself() {
    let world = World::new();
    let [before, after] = stepped(&world, OptimizerKind::Adam, |_| {});
    let steps: Vec<f32> = before.iter().zip(&after).map(|(b, a)| (a - b).abs()).collect();
    // g / (|g| + eps) is 1 but for gradients next to nothing.
    let whole = steps.iter().filter(|&&step| (step - RATE).abs() < RATE * 1e-3).count();
    // Weights that meet nothing but padding at this size have no gradient and stay.
    let moved = steps.iter().filter(|&&step| step > 0.0).count();
    assert!(whole * 10 > moved * 9 && moved * 3 > steps.len(), "{whole}, {moved}, {}", steps.len());
    assert!(steps.iter().all(|&step| step < RATE * 1.001));
}

#[test]
fn every_group_has_its_own_rate() {
    let world = World::new();
    let mut learner = one_step(&world, OptimizerKind::Sgd);
    let before = bits(&learner);
    learner.fit(Rates::from([0.0, RATE, 0.0]), 1).expect("trained");
    let store = learner.store();
    let middle =
        |name: &String| store.parameters().iter().any(|one| one.name == *name && one.group == 1);
    let names = changed(&before, &bits(&learner));
    let parameters: Vec<&String> = names.iter().filter(|name| !is_statistic(name)).collect();
    assert!(!parameters.is_empty() && parameters.into_iter().all(middle), "{names:?}");
    assert_eq!(learner.history().batches[0].rate, 0.0, "the record is of the last group");
}

#[test]
fn each_fit_begins_with_an_optimiser_without_history() {
    let world = World::new();
    let mut learner = one_step(&world, OptimizerKind::Sgd);
    learner.fit(RATE, 2).expect("trained");
    let before = values(&learner);
    learner.fit(0.0, 1).expect("trained");
    // With a rate of nothing nothing moves, and no velocity of before is left to matter.
    assert_eq!(before, values(&learner));
    assert!(losses(&learner).iter().all(|&loss| f32::from_bits(loss).is_finite()));
}
