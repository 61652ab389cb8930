//! Label smoothing and mixup: what they change in training, and what they leave alone.

use fastlearn::Learner;

use crate::world::{World, assert_same, bits, head_without_dropout};

/// The loss of the first batch of a learner that was set up like this.
fn first_loss(world: &World, set: impl Fn(&mut Learner)) -> f64 {
    let mut learner = world.builder().head(head_without_dropout()).build().expect("a learner");
    set(&mut learner);
    learner.fit(0.01, 1).expect("trained");
    f64::from(learner.history().batches[0].loss)
}

#[test]
fn smoothing_is_linear_in_its_part() {
    let world = World::new();
    let loss =
        |part: f32| first_loss(&world, |learner| learner.label_smoothing(part).expect("in range"));
    let (plain, little, much) = (loss(0.0), loss(0.2), loss(0.6));
    assert!((little - plain).abs() > 1e-3, "{plain} {little}");
    assert!(((much - plain) - 3.0 * (little - plain)).abs() < 1e-4, "{plain} {little} {much}");
}

#[test]
fn validation_is_of_plain_labels() {
    let world = World::new();
    let mut learner = world.unfrozen();
    learner.label_smoothing(0.1).expect("in range");
    learner.mixup(0.4).expect("in range");
    learner.fit(0.01, 1).expect("trained");
    let row = learner.history().last().expect("a row").clone();
    let plain = learner.predict().expect("predicted").scored().expect("scored").log_loss();
    assert!(row.soft_targets);
    assert!((f64::from(row.valid_loss.expect("validated")) - plain).abs() < 1e-6);
    learner.label_smoothing(0.0).expect("in range");
    learner.mixup(0.0).expect("in range");
    learner.fit(0.01, 1).expect("trained");
    assert!(!learner.history().last().expect("a row").soft_targets);
}

#[test]
fn mixup_changes_training_and_the_number_of_threads_does_not() {
    let world = World::new();
    let run = |threads: usize, alpha: f32| {
        let mut learner = world.builder_on(world.data(), threads).build().expect("a learner");
        learner.unfreeze().expect("unfrozen");
        learner.mixup(alpha).expect("in range");
        learner.fit(0.01, 2).expect("trained");
        learner
    };
    let mixed = run(1, 0.4);
    assert_same(&mixed, &run(3, 0.4));
    assert_ne!(bits(&mixed), bits(&run(1, 0.0)));
    assert_ne!(bits(&mixed), bits(&run(1, 0.8)));
}

#[test]
fn the_head_alone_and_the_finder_learn_from_soft_targets_too() {
    let world = World::new();
    let run = |alpha: f32| {
        let mut learner = world.learner();
        learner.mixup(alpha).expect("in range");
        let curve = learner.lr_find().expect("a curve");
        learner.precompute().expect("activations").fit(0.01, 1).expect("trained");
        (curve.losses, bits(&learner))
    };
    let (mixed, plain) = (run(0.4), run(0.0));
    assert_ne!(mixed.0, plain.0);
    assert_ne!(mixed.1, plain.1);
    assert!(world.learner().mixup(-1.0).is_err() && world.learner().label_smoothing(1.0).is_err());
}
