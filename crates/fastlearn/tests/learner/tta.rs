//! Predictions of the validation pictures, plain and by test-time augmentation.

use fastlearn::data::Split;
use fastlearn::predict::Tta;
use fastlearn::{Learner, Predictions};

use crate::world::{World, assert_same};

fn trained(world: &World) -> Learner {
    let mut learner = world.unfrozen();
    learner.fit(0.01, 1).expect("trained");
    learner
}

#[track_caller]
fn assert_whole(learner: &Learner, predictions: &Predictions) {
    let valid = learner.data().valid();
    assert_eq!(predictions.ids, valid.file_names());
    assert_eq!(&predictions.labels, valid.labels());
    assert_eq!((predictions.len(), predictions.classes), (9, 3));
    for row in 0..predictions.len() {
        let sum: f32 = predictions.row(row).iter().sum();
        assert!((sum - 1.0).abs() < 1e-5, "row {row} sums to {sum}");
    }
}

#[test]
fn every_picture_is_predicted_in_the_order_of_the_split() {
    let world = World::new();
    let learner = trained(&world);
    let predictions = learner.predict().expect("predicted");
    assert_whole(&learner, &predictions);
    // One at a time they are the same: nothing of a neighbour in the batch leaks in.
    for (row, file) in learner.data().valid().files().iter().enumerate() {
        let loader = learner.data().files(vec![file.clone()]).expect("a loader");
        let alone = learner.predict_batches(loader).expect("predicted");
        for (alone, among) in alone.row(0).iter().zip(predictions.row(row)) {
            assert!((alone - among).abs() < 1e-5, "{alone} against {among} in row {row}");
        }
    }
}

#[test]
fn views_are_as_many_as_fastai_has() {
    let world = World::new();
    let learner = trained(&world);
    let plain = learner.predict().expect("predicted");
    for (passes, copies, views) in [(0, 1, 1), (4, 1, 5), (8, 2, 10)] {
        let stack = learner.tta_stack(passes).expect("predicted");
        assert_eq!(stack.views.len(), views);
        stack.views.iter().for_each(|view| assert_whole(&learner, view));
        assert!(stack.views[..copies].iter().all(|view| *view == plain));
        // Every pass has draws of its own.
        for (index, view) in stack.views.iter().enumerate().skip(copies) {
            let before = &stack.views[..index];
            assert!(before.iter().all(|other| other.probabilities != view.probabilities));
        }
        let mean = learner.tta(passes).expect("predicted");
        assert_whole(&learner, &mean);
        for (index, mean) in mean.probabilities.iter().enumerate() {
            let sum: f64 = stack.views.iter().map(|v| f64::from(v.probabilities[index])).sum();
            assert!((f64::from(*mean) - sum / views as f64).abs() < 1e-6);
        }
    }
}

#[test]
fn predicting_changes_nothing() {
    let world = World::new();
    let learner = trained(&world);
    let views = [learner.tta_stack(2), learner.tta_stack(2)].map(|stack| stack.expect("predicted"));
    assert_eq!(views[0], views[1]);
}

#[test]
fn a_share_of_the_pictures_comes_with_its_own_names() {
    let world = World::new();
    let whole = trained(&world);
    let all = whole.predict().expect("predicted");
    let mut ids = Vec::new();
    for rank in 0..2 {
        let mut share = world.learner();
        share.set_data(world.data().shard(rank, 2)).expect("the same classes");
        let part = share.predict().expect("predicted");
        assert_eq!(part.ids.len(), part.len());
        let label =
            |id: &String| all.labels.of(all.ids.iter().position(|one| one == id).expect("known"));
        for (row, id) in part.ids.iter().enumerate() {
            assert_eq!(part.labels.of(row), label(id));
        }
        ids.extend(part.ids);
    }
    ids.sort();
    assert_eq!(ids, all.ids);
}

#[test]
fn every_kind_of_view_goes_for_any_pictures() {
    let world = World::new();
    let learner = trained(&world);
    let valid = learner.data().valid().clone();
    let files = Split::unlabelled(valid.files().to_vec());
    for (tta, views) in [
        (Tta::crops(3), 3),
        (Tta::crops(5).flip(), 10),
        (Tta::random(2).flip().rotation(), 6),
        (Tta::crops(3).lighting(), 3),
    ] {
        let stack = learner.tta_stack(tta).expect("predicted");
        assert_eq!((stack.views.len(), tta.len()), (views, views));
        let mean = learner.tta(tta).expect("predicted");
        assert_whole(&learner, &mean);
        assert_eq!(stack.mean(), mean);
        let others = learner.tta_split(&files, tta).expect("predicted");
        assert_eq!((others.probabilities, others.ids.len()), (mean.probabilities, mean.ids.len()));
    }
    let plain = learner.predict().expect("predicted");
    assert_eq!(learner.tta(0).expect("predicted"), plain);
    assert_eq!(learner.predict_split(&valid).expect("predicted"), plain);
}

#[test]
fn crops_see_a_head_that_the_middle_cuts_off() {
    let world = World::new();
    let learner = trained(&world);
    // Three squares side by side; only the crop at its end sees the disc.
    let folder = world.path("long");
    std::fs::create_dir_all(&folder).expect("a folder");
    let paint = |name: &str, colour_of: fn(u32) -> [u8; 3]| {
        let file = folder.join(name);
        image::RgbImage::from_fn(96, 32, |x, _| image::Rgb(colour_of(x)))
            .save(&file)
            .expect("saved");
        file
    };
    let grey = paint("grey.png", |_| [90; 3]);
    let left = paint("left.png", |x| if x < 20 { [225, 70, 45] } else { [90; 3] });
    let split = Split::unlabelled(vec![grey, left]);
    let stack = learner.tta_stack_split(&split, Tta::crops(3)).expect("predicted");
    let differs = |view: &Predictions| view.row(0) != view.row(1);
    assert_eq!(stack.views.iter().map(differs).collect::<Vec<_>>(), [true, false, false]);
    let plain = learner.predict_split(&split).expect("predicted");
    assert!(!differs(&plain), "the middle does not see it");
    assert_eq!(stack.views[1], plain);
}

#[test]
fn every_epoch_can_be_judged_by_views() {
    let world = World::new();
    let (mut with, mut without) = (world.unfrozen(), world.unfrozen());
    with.tta_each_epoch(Some(Tta::crops(5)));
    with.precompute().expect("activations").fit(0.01, 1).expect("trained");
    without.precompute().expect("activations").fit(0.01, 1).expect("trained");
    for learner in [&mut with, &mut without] {
        learner.fit(0.01, 2).expect("trained");
    }
    let rows = &with.history().epochs;
    let names = |row: usize| rows[row].metrics.iter().map(|(name, _)| name.as_str()).collect();
    let columns: [Vec<&str>; 2] = [names(0), names(2)];
    assert_eq!(columns, [vec!["accuracy"], vec!["accuracy", "tta", "tta_loss"]]);
    let predictions = with.tta(Tta::crops(5)).expect("predicted");
    let scored = predictions.scored().expect("scored");
    assert_eq!(rows[2].metrics[1].1, scored.accuracy());
    assert!((rows[2].metrics[2].1 - scored.log_loss()).abs() < 1e-6);
    // Looking changes nothing.
    assert_same(&with, &without);
}
