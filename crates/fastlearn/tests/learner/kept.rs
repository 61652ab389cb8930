//! Weights that are kept beside training: snapshots and their ensemble, averages, the best epoch.

use std::collections::BTreeMap;

use fastlearn::predict::Ensemble;
use fastlearn::schedule::Cycles;
use fastlearn::train::{BestBy, Control, Event};
use fastlearn::{Learner, Predictor};
use models::exchange::export;

use crate::world::{World, bits, device, head_without_dropout, is_statistic, listen};

/// Three cycles of an epoch each, everything training.
fn fit(learner: &mut Learner) {
    learner.unfreeze().expect("unfrozen");
    learner.fit(0.02, Cycles::new(3).length(1)).expect("trained");
}

type Weights = BTreeMap<String, Vec<f32>>;

fn weights(learner: &Learner) -> Weights {
    let state = export(learner.store()).expect("exported");
    state.iter().map(|(name, tensor)| (name.to_owned(), tensor.values.clone())).collect()
}

#[test]
fn the_ensemble_is_the_mean_of_single_predictions() {
    let world = World::new();
    let mut learner = world.learner();
    learner.keep_snapshots();
    fit(&mut learner);
    let (own, last) = (bits(&learner), learner.predict().expect("predicted"));
    let mut snapshots = learner.snapshots();
    assert_eq!(snapshots.names(), ["snapshot-001", "snapshot-002", "snapshot-003"]);
    let single = snapshots.predictions().expect("predicted");
    assert_eq!(single[2], last, "the last cycle ends with the fit");
    assert_ne!(single[0].probabilities, single[1].probabilities);
    let ensemble = snapshots.predict().expect("predicted");
    assert_eq!((&ensemble.ids, &ensemble.labels), (&last.ids, &last.labels));
    for (index, &mean) in ensemble.probabilities.iter().enumerate() {
        let sum: f64 = single.iter().map(|one| f64::from(one.probabilities[index])).sum();
        assert!((f64::from(mean) - sum / 3.0).abs() < 1e-6);
    }
    // As files they say the same, each by itself and through test-time augmentation.
    let augmented = snapshots.tta(2).expect("predicted");
    let files = snapshots.save(world.path("kept")).expect("saved");
    assert_eq!(bits(&learner), own, "asking changes nothing");
    let open = |file| Predictor::open(file, &device(2)).expect("opened");
    let loading = learner.data().loading();
    let of_files: Vec<_> = files
        .iter()
        .map(|file| open(file).loading(loading.clone()).tta(learner.data().valid(), 2))
        .collect::<Result<_, _>>()
        .expect("predicted");
    for (index, &mean) in augmented.probabilities.iter().enumerate() {
        let sum: f64 = of_files.iter().map(|one| f64::from(one.probabilities[index])).sum();
        assert!((f64::from(mean) - sum / 3.0).abs() < 1e-6);
    }
}

#[test]
fn models_of_other_classes_are_no_ensemble() {
    let world = World::new();
    let mut learner = world.learner();
    learner.keep_snapshots();
    fit(&mut learner);
    let mean = learner.snapshots().tta(1).expect("predicted");
    let files = learner.snapshots().save(world.path("kept")).expect("saved");
    let ensemble = Ensemble::open(&files, &device(2)).expect("opened");
    let ensemble = ensemble.loading(learner.data().loading().clone());
    assert_eq!(ensemble.len(), 3);
    assert_eq!(ensemble.tta(learner.data().valid(), 1).expect("predicted"), mean);

    std::fs::remove_dir_all(world.path("data/train/discs")).expect("removed");
    std::fs::remove_dir_all(world.path("data/valid/discs")).expect("removed");
    let other = world.path("other.safetensors");
    world.learner().save(&other).expect("saved");
    let error = Ensemble::open([&files[0], &other], &device(1)).map(|_| ()).expect_err("other");
    let error = error.to_string();
    assert!(error.contains("other.safetensors") && error.contains("discs"), "{error}");
    assert!(Ensemble::open([&other; 0], &device(1)).is_err());
}

#[test]
fn a_snapshot_brings_its_weights_back() {
    let world = World::new();
    let mut learner = world.learner();
    learner.keep_snapshots();
    fit(&mut learner);
    let single = learner.snapshots().predictions().expect("predicted");
    learner.snapshots().restore(0).expect("restored");
    assert_eq!(learner.predict().expect("predicted"), single[0]);
    assert!(learner.snapshots().restore(3).is_err());
    // The next fit keeps its own.
    learner.fit(0.01, Cycles::new(1).length(1)).expect("trained");
    assert_eq!(learner.snapshots().names(), ["snapshot-004"]);
}

#[test]
fn the_average_is_the_mean_of_the_kept_weights() {
    let world = World::new();
    let builder = world.builder().head(head_without_dropout());
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::<Weights>::new()));
    let ears = kept.clone();
    let mut learner = builder
        .listener(listen(move |event, state| {
            if matches!(event, Event::EpochEnds { .. }) {
                let exported = export(&state.store).expect("exported");
                let named = exported.iter().map(|(n, t)| (n.to_owned(), t.values.clone()));
                ears.lock().expect("no panic").push(named.collect());
            }
            Ok(Control::Continue)
        }))
        .build()
        .expect("a learner");
    learner.average_from(1);
    fit(&mut learner);
    let own = weights(&learner);
    assert_eq!(learner.use_average().expect("averaged"), 2);
    let averaged = weights(&learner);
    let kept = kept.lock().expect("no panic");
    for (name, values) in &averaged {
        assert_ne!(values, &own[name], "{name} has moved");
        if is_statistic(name) {
            continue;
        }
        for (index, &value) in values.iter().enumerate() {
            let mean = (f64::from(kept[1][name][index]) + f64::from(kept[2][name][index])) / 2.0;
            assert!((f64::from(value) - mean).abs() <= 1e-7 * mean.abs().max(1.0), "{name}");
        }
    }
}

/// The statistics of the first batch norm, whose input is the first convolution of the pictures, are means
/// over batches of those pictures: against the mean of what single batches leave.
#[test]
fn averaged_weights_get_statistics_of_their_own() {
    let world = World::new();
    let mut learner = world.builder().head(head_without_dropout()).build().expect("a learner");
    learner.average_from(2);
    fit(&mut learner);
    // One epoch is its own mean: the weights stay, the statistics become those of whole epochs.
    let before = weights(&learner);
    assert_eq!(learner.use_average().expect("averaged"), 1);
    let after = weights(&learner);
    for (name, values) in &after {
        assert_eq!(values != &before[name], is_statistic(name), "{name}");
        assert!(values.iter().all(|value| value.is_finite()));
        if name.ends_with("running_var") {
            assert!(values.iter().all(|&value| value >= 0.0), "{name}");
        }
    }
    // A second time they are the same: they do not hang on what they were.
    let mut learner = learner;
    assert_eq!(learner.use_average().expect("averaged"), 1);
    assert_eq!(weights(&learner), after);
    // With weights that stand still and steps without rate, running values go where the average is: after
    // many epochs they are a moving mean of the same batches.
    for _ in 0..12 {
        learner.fit(1e-12, 1).expect("trained");
    }
    let moved = weights(&learner);
    let name = "bn1.running_mean";
    let scale = after[name].iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    for (mean, moving) in after[name].iter().zip(&moved[name]) {
        assert!((mean - moving).abs() < 0.2 * scale, "{mean} against {moving}");
    }
}

#[test]
fn frozen_norms_keep_their_statistics_in_an_average() {
    let world = World::new();
    let mut learner = world.unfrozen();
    learner.freeze_norms(true);
    learner.average_from(0);
    learner.fit(0.02, 2).expect("trained");
    let before = weights(&learner);
    assert_eq!(learner.use_average().expect("averaged"), 2);
    let after = weights(&learner);
    assert!(after.iter().all(|(name, values)| !is_statistic(name) || values == &before[name]));
}

#[test]
fn the_best_epoch_comes_back() {
    let world = World::new();
    for by in [BestBy::Loss, BestBy::Metric("accuracy".into())] {
        let mut learner = world.unfrozen();
        learner.keep_best(by.clone());
        // Far too high a rate: some epoch in the middle is the best.
        learner.fit(0.3, 4).expect("trained");
        let rows = learner.history().epochs.clone();
        let row = learner.use_best().expect("kept");
        let better = |other: &fastlearn::train::EpochRow| match by {
            BestBy::Loss => other.valid_loss < row.valid_loss,
            _ => other.metrics[0].1 > row.metrics[0].1,
        };
        assert!(!rows.iter().any(better));
        let scored = learner.predict().expect("predicted");
        let loss = scored.scored().expect("scored").log_loss();
        assert!((loss - f64::from(row.valid_loss.expect("validated"))).abs() < 1e-6);
    }
    let mut learner = world.unfrozen();
    learner.keep_best(BestBy::Metric("f3".into()));
    assert!(learner.fit(0.01, 1).expect_err("unknown").to_string().contains("f3"));
}

#[test]
fn nothing_kept_is_an_error() {
    let world = World::new();
    let mut learner = world.learner();
    learner.fit(0.01, 1).expect("trained");
    assert!(learner.snapshots().is_empty());
    for error in [
        learner.snapshots().predict().map(drop),
        learner.use_average().map(drop),
        learner.use_best().map(drop),
    ] {
        let error = error.expect_err("nothing kept").to_string();
        assert!(error.contains("before the fit"), "{error}");
    }
}

#[test]
fn files_are_kept_where_they_are_wanted() {
    let world = World::new();
    let (mut inside, mut outside) = (world.learner(), world.learner());
    std::fs::create_dir(world.path("run")).expect("a folder");
    outside.keep_in(world.path("run"));
    for learner in [&mut inside, &mut outside] {
        learner.keep_snapshots();
        learner.keep_best(BestBy::Loss);
        learner.average_from(1);
        fit(learner);
    }
    let [one, other] = [&mut inside, &mut outside].map(|learner| learner.snapshots().tta(1));
    assert_eq!(one.expect("predicted"), other.expect("predicted"));
    for name in ["snapshot-001", "snapshot-003", "best", "average-002"] {
        assert!(world.path("run").join(format!("{name}.safetensors")).is_file(), "{name}");
    }
    inside.use_average().expect("averaged");
    outside.use_average().expect("averaged");
    assert_eq!(bits(&inside), bits(&outside));
}
