//! The rate finder leaves no trace, nor does measuring how long training will take.

use std::fs;

use fastlearn::schedule::{Ramp, StopReason};
use fastlearn::train::OptimizerKind;

use crate::world::{World, assert_same, bits, changed};

#[test]
fn training_after_the_finder_equals_training_without_it() {
    let world = World::new();
    let (mut with, mut without) = (world.unfrozen(), world.unfrozen());
    for learner in [&mut with, &mut without] {
        learner.fit(0.01, 1).expect("trained");
    }
    let before = bits(&with);
    let curve = with.lr_find().expect("a curve");
    assert!(curve.rates.len() > 20, "{}", curve.rates.len());
    assert_eq!(changed(&before, &bits(&with)), [""; 0]);
    for learner in [&mut with, &mut without] {
        learner.fit([1e-3, 3e-3, 1e-2], 2).expect("trained");
    }
    assert_same(&with, &without);
}

#[test]
fn training_after_measured_batches_equals_training_without_them() {
    let world = World::new();
    let (mut measured, mut untouched) = (world.unfrozen(), world.unfrozen());
    for learner in [&mut measured, &mut untouched] {
        learner.freeze_to(1).expect("a group");
        learner.fit(0.01, 1).expect("trained");
    }
    let before = bits(&measured);
    let times = measured.time_batches().expect("measured");
    assert!(times.predict > 0.0 && times.frozen > 0.0 && times.unfrozen > 0.0, "{times:?}");
    assert_eq!(changed(&before, &bits(&measured)), [""; 0]);
    for learner in [&mut measured, &mut untouched] {
        learner.fit(0.01, 2).expect("trained");
    }
    assert_same(&measured, &untouched);
}

#[test]
fn a_finder_that_fails_midway_changes_nothing() {
    let world = World::new();
    let (mut failed, mut untouched) = (world.unfrozen(), world.unfrozen());
    let data = failed.data().clone();
    let last = data.train_batches(0).expect("batches").last().expect("a batch").expect("readable");
    // The last picture of the epoch: the steps before it are taken.
    let file = &data.train().files()[*last.indexes.last().expect("a picture")];
    let picture = fs::read(file).expect("read");
    fs::write(file, "no picture").expect("written");
    failed.set_data(world.data()).expect("the same classes");
    let before = bits(&failed);
    let error = failed.lr_find().expect_err("a broken picture").to_string();
    assert!(error.contains(file.to_str().expect("a path")), "{error}");
    assert_eq!(changed(&before, &bits(&failed)), [""; 0]);
    assert!(failed.history().batches.is_empty());

    fs::write(file, picture).expect("written");
    for learner in [&mut failed, &mut untouched] {
        learner.fit(0.01, 1).expect("trained");
    }
    assert_same(&failed, &untouched);
}

#[test]
fn three_batches_are_gone_round_for_a_hundred_steps() {
    let world = World::new();
    let mut learner = world.learner();
    assert_eq!(learner.batches_per_epoch().expect("batches"), 3);
    let gentle = Ramp { end: 1e-2, ..Ramp::default() };
    let curve = learner.lr_find_with(1.0, &gentle).expect("a curve");
    assert_eq!((curve.rates.len(), curve.stopped), (100, None));
    assert_eq!(curve.rates[0], 1e-5);
    assert!(curve.rates.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(curve.suggest().is_some());
    // Each round has an order and draws of its own.
    assert_ne!(curve.losses[..3], curve.losses[3..6]);

    let wild = Ramp { end: 1e12, ..Ramp::default() };
    let curve = learner.lr_find_with(1.0, &wild).expect("a curve");
    assert!(curve.stopped.is_some() && curve.rates.len() < 100, "{:?}", curve.stopped);
    assert!(curve.losses.iter().all(|loss| loss.is_finite()));
    assert!(matches!(curve.stopped, Some(StopReason::Diverged | StopReason::NotFinite)));
}

#[test]
fn the_finder_steps_as_the_fit_will() {
    let world = World::new();
    let losses = [OptimizerKind::Sgd, OptimizerKind::Adam].map(|kind| {
        let mut learner = world.builder().optimizer(kind).build().expect("a learner");
        learner.lr_find().expect("a curve").losses
    });
    assert_eq!(losses[0][0], losses[1][0]);
    assert_ne!(losses[0][1..20], losses[1][1..20]);
}

#[test]
fn the_finders_rates_are_those_of_the_last_group_that_trains() {
    let world = World::new();
    let short = Ramp { start: 1e-4, end: 1e-2, steps: 6 };
    let mut learner = world.learner();
    learner.train_groups(&[true, true, false]).expect("groups");
    // Only ratios count, so the head's, which does not train, counts for nothing.
    let curves = [[0.1, 1.0, 1.0], [0.2, 2.0, 0.0]]
        .map(|rates| learner.lr_find_with(rates, &short).expect("a curve"));
    assert_eq!(curves[0].group, "layer3 to layer4");
    assert_eq!(curves[0].losses, curves[1].losses);
    let error = learner.lr_find_with([1.0, 0.0, 1.0], &short).expect_err("no ratio").to_string();
    assert!(error.contains("last layer group that trains is 0"), "{error}");
}
