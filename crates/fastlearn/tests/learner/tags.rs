//! Pictures with several labels: sigmoids and binary cross entropy from the first step to the model file.

use std::fs;

use fastlearn::data::{Csv, LabelKind, Labels, Validation};
use fastlearn::predict::Tta;
use fastlearn::schedule::Cycles;
use fastlearn::train::BestBy;
use fastlearn::{Error, ImageData, Learner, Predictions, Predictor, Transforms};
use models::StateDict;

use crate::world::{World, assert_same, bits, changed, device, is_statistic};

/// What each kind of picture is tagged with.
const TAGS: [(&str, &str); 3] =
    [("bars", "edged warm"), ("discs", "cold"), ("squares", "cold edged")];

/// The world's pictures with tags from a table, those of `valid` held out.
fn tagged(world: &World) -> ImageData {
    let (mut table, mut held) = ("file,tags\n".to_owned(), Vec::new());
    for (split, numbers) in [("train", 0..8), ("valid", 8..11)] {
        for (class, tags) in TAGS {
            for number in numbers.clone() {
                let id = format!("{split}/{class}/{number:02}");
                table.push_str(&format!("{id},{tags}\n"));
                held.extend((split == "valid").then_some(id));
            }
        }
    }
    fs::write(world.path("data/tags.csv"), table).expect("a table");
    let csv = Csv::new(world.path("data/tags.csv")).validation(Validation::Ids(held));
    let data = ImageData::from_csv(csv, Transforms::basic(32)).expect("data");
    data.batch_size(8).workers(1)
}

fn learner(world: &World, threads: usize) -> Learner {
    let mut learner = world.builder_on(tagged(world), threads).build().expect("a learner");
    learner.unfreeze().expect("unfrozen");
    learner
}

/// Mean binary cross entropy of every cell, in f64.
fn brute_loss(predictions: &Predictions) -> f64 {
    let mut sum = 0.0;
    for row in 0..predictions.len() {
        for (class, &value) in predictions.row(row).iter().enumerate() {
            // As scikit-learn bounds f32.
            let value =
                f64::from(value).clamp(f64::from(f32::EPSILON), 1.0 - f64::from(f32::EPSILON));
            let is_there = predictions.labels.of(row).contains(&(class as u32));
            sum -= if is_there { value } else { 1.0 - value }.ln();
        }
    }
    sum / predictions.probabilities.len() as f64
}

#[test]
fn rows_tell_the_loss_of_all_cells_and_f2_of_the_whole_set() {
    let world = World::new();
    let mut learner = learner(&world, 2);
    assert_eq!(learner.data().classes(), ["cold", "edged", "warm"]);
    learner.fit(0.01, 4).expect("trained");
    let predictions = learner.predict().expect("predicted");
    assert_eq!((predictions.kind, predictions.len()), (LabelKind::Several, 9));
    assert!(
        predictions.probabilities.chunks(3).any(|row| (row.iter().sum::<f32>() - 1.0).abs() > 0.01)
    );
    let row = learner.history().last().expect("a row").clone();
    let loss = brute_loss(&predictions);
    let told = f64::from(row.valid_loss.expect("validated"));
    assert!((told - loss).abs() < 1e-5, "{told} {loss}");
    let steps = &learner.history().batches;
    assert!(steps[steps.len() - 1].loss < steps[0].loss, "{steps:?}");
    let scored = predictions.several().expect("tags");
    let (best, lesson) = (scored.best_threshold(2.0), scored.f_beta(2.0, 0.2));
    assert_eq!(row.metrics, [("f2".to_owned(), best.score), ("f2 at 0.2".to_owned(), lesson)]);
    assert!(best.score >= lesson);
    assert!(predictions.scored().is_err(), "there is no one class a picture");
}

#[test]
fn the_first_loss_is_that_of_the_first_batch() {
    let world = World::new();
    // Every picture in one batch, neither augmented nor dropped out: validation sees the same.
    let data = tagged(&world).with_transforms(Transforms::none(32)).batch_size(24);
    let data = data.validate_on(Validation::Nothing).expect("all").limit(24);
    let mut learner = world
        .builder_on(data, 2)
        .head(crate::world::head_without_dropout())
        .build()
        .expect("a learner");
    learner.freeze_norms(true);
    let split = learner.data().train().clone();
    let before = learner.predict_split(&split).expect("predicted");
    learner.fit(1e-6, 1).expect("trained");
    let first = f64::from(learner.history().batches[0].loss);
    assert!((first - brute_loss(&before)).abs() < 1e-5, "{first} {}", brute_loss(&before));
}

#[test]
fn threads_change_no_bit() {
    let (one, two) = (World::new(), World::new());
    let train = |world: &World, threads| {
        let mut learner = learner(world, threads);
        learner.fit(0.05, 2).expect("trained");
        learner
    };
    assert_same(&train(&one, 1), &train(&two, 3));
}

#[test]
fn the_head_alone_learns_from_tags_too() {
    let world = World::new();
    let mut learner = world.builder_on(tagged(&world), 2).build().expect("a learner");
    let before = bits(&learner);
    let mut head = learner.precompute().expect("activations");
    head.lr_find().expect("a curve");
    head.fit(0.05, 2).expect("trained");
    let kept = head.predict().expect("predicted");
    drop(head);
    let names = changed(&before, &bits(&learner));
    assert!(names.iter().all(|name| name.starts_with("head.")), "{names:?}");
    assert!(names.iter().any(|name| is_statistic(name)));
    let whole = learner.predict().expect("predicted");
    assert_eq!((&kept.ids, &kept.labels, kept.kind), (&whole.ids, &whole.labels, whole.kind));
    for (kept, whole) in kept.probabilities.iter().zip(&whole.probabilities) {
        assert!((kept - whole).abs() < 1e-5, "{kept} against {whole}");
    }
}

#[test]
fn a_saved_model_knows_that_its_classes_do_not_exclude_each_other() {
    let world = World::new();
    let mut tags = learner(&world, 2);
    tags.fit(0.02, 1).expect("trained");
    let file = world.path("tags.safetensors");
    tags.save(&file).expect("saved");
    let predictor = Predictor::open(&file, &device(2)).expect("opened");
    assert_eq!(predictor.description().label_kind, LabelKind::Several);
    let (ours, theirs) =
        (tags.predict().expect("predicted"), predictor.predict_split(tags.data().valid()));
    assert_eq!(ours, theirs.expect("predicted"));
    let unlabelled = predictor.predict(tags.data().valid().files().to_vec()).expect("predicted");
    assert_eq!(
        (unlabelled.probabilities, unlabelled.labels),
        (ours.probabilities, Labels::Unknown)
    );

    // Without the word it is a file from before there were several labels.
    let mut state = StateDict::read(&file).expect("read");
    assert!(state.metadata_mut().remove("fastlearn.labels").is_some());
    let old = world.path("old.safetensors");
    state.write(&old).expect("written");
    let predictor = Predictor::open(&old, &device(2)).expect("opened");
    assert_eq!(predictor.description().label_kind, LabelKind::One);
    assert!(matches!(tags.load(&old), Err(Error::Model { .. })), "a model of another kind");
    tags.load(&file).expect("loaded");
}

#[test]
fn without_validation_there_are_rows_without_it() {
    let world = World::new();
    for data in [world.data(), tagged(&world)] {
        let data = data.train_on_all().expect("all");
        assert_eq!((data.train().len(), data.valid().len()), (33, 0));
        let mut learner = world.builder_on(data, 2).build().expect("a learner");
        learner.lr_find().expect("a curve");
        learner.precompute().expect("activations").fit(0.02, 1).expect("trained");
        learner.fit(0.02, 2).expect("trained");
        for row in &learner.history().epochs {
            assert_eq!((row.valid_loss, row.metrics.as_slice()), (None, [].as_slice()));
            assert!(row.train_loss.is_finite());
        }
        let csv = learner.history().to_csv();
        assert!(csv.starts_with("stage,cycle,epoch,train_loss,valid_loss,seconds\n"), "{csv}");
        for predictions in [learner.predict(), learner.tta(2)] {
            let predictions = predictions.expect("nothing to predict is no fault");
            assert!(predictions.is_empty() && predictions.ids.is_empty());
            assert!(predictions.scored().is_err() && predictions.several().is_err());
        }
        learner.time_batches().expect("timed");
    }
}

#[test]
fn oversampled_classes_are_in_training_alone() {
    let world = World::new();
    let ids = |data: &ImageData| data.valid().file_names();
    // Of squares five pictures are left to learn from: those of `valid` are not held out any more.
    let held: Vec<String> = (0..6).map(|n| format!("train/squares/{n:02}.png")).collect();
    let data = world.data().validate_on(Validation::Ids(held.clone())).expect("divided");
    let more = data.clone().oversample(3).expect("oversampled");
    assert_eq!((ids(&more), more.train().len()), (held, data.train().len()));
    // 11 bars, 11 discs, and each of the squares twice.
    assert_eq!(more.train().epoch_len(), 11 + 11 + 2 * 5);
    let mut learner = world.builder_on(more, 2).build().expect("a learner");
    assert_eq!(learner.batches_per_epoch().expect("counted"), 4);
    learner.fit(0.01, 1).expect("trained");
    learner.precompute().expect("activations").fit(0.01, 1).expect("trained");
    assert_eq!(learner.history().batches.len(), 8);
    assert_eq!(learner.history().last().map(|row| row.epoch), Some(0));
}

#[test]
fn what_is_beyond_the_lesson_goes_for_tags_too() {
    let world = World::new();
    let mut learner = world.builder_on(tagged(&world), 2).build().expect("a learner");
    learner.label_smoothing(0.1).expect("in range");
    learner.mixup(0.4).expect("in range");
    learner.tta_each_epoch(Some(Tta::crops(3)));
    learner.keep_snapshots();
    learner.keep_best(BestBy::Metric("f2".to_owned()));
    learner.precompute_views(2).expect("activations").fit(0.02, 1).expect("trained");
    learner.unfreeze().expect("unfrozen");
    learner.fit(0.02, Cycles::new(2)).expect("trained");
    let names: Vec<String> = {
        let row = learner.history().last().expect("a row");
        row.metrics.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names, ["f2", "f2 at 0.2", "tta", "tta_loss"]);
    let ensemble = learner.snapshots().tta(Tta::crops(5).flip()).expect("predicted");
    assert_eq!(ensemble.kind, LabelKind::Several);
    assert!(ensemble.several().expect("tags").best_threshold(2.0).score > 0.0);
    let best = learner.use_best().expect("kept").metrics[0].1;
    let plain = learner.predict().expect("predicted");
    assert!((plain.several().expect("tags").best_threshold(2.0).score - best).abs() < 1e-12);
    let before = plain.several().expect("tags").log_loss();
    learner.calibrate().expect("fitted");
    let after = learner.predict().expect("predicted").several().expect("tags").log_loss();
    assert!(after <= before, "{after} after {before}");
}
