//! Temperature scaling of a learner: what it changes, and how long it lasts.

use fastlearn::metrics::Temperature;
use fastlearn::{Learner, Predictor};

use crate::world::{World, bits, device};

fn trained(world: &World) -> Learner {
    let mut learner = world.unfrozen();
    learner.fit(0.05, 4).expect("trained");
    learner
}

fn log_loss(learner: &Learner) -> f64 {
    learner.predict().expect("predicted").scored().expect("scored").log_loss()
}

#[test]
fn the_log_loss_falls_and_no_prediction_changes() {
    let world = World::new();
    let mut learner = trained(&world);
    let (before, weights) = (learner.predict().expect("predicted"), bits(&learner));
    let loss = log_loss(&learner);
    let temperature = learner.calibrate().expect("fitted");
    let after = learner.predict().expect("predicted");
    assert!(temperature != Temperature::ONE && log_loss(&learner) < loss, "{temperature:?}");
    assert!((0..9).all(|row| before.predicted(row) == after.predicted(row)));
    assert_eq!(after, before.clone().at(temperature));
    assert_eq!(bits(&learner), weights);
    // Each view is calibrated before they are averaged.
    let stack = learner.tta_stack(2).expect("predicted");
    assert_eq!(stack.views[0], after);
    // Again it finds the same.
    assert_eq!(learner.calibrate().expect("fitted"), temperature);
}

#[test]
fn the_model_file_keeps_it_and_training_forgets_it() {
    let world = World::new();
    let mut learner = trained(&world);
    let temperature = learner.calibrate().expect("fitted");
    let file = world.path("model.safetensors");
    learner.save(&file).expect("saved");
    let predictor = Predictor::open(&file, &device(1)).expect("opened");
    assert_eq!(predictor.description().temperature, Some(temperature));
    let predictor = predictor.loading(learner.data().loading().clone());
    let valid = learner.data().valid();
    let predicted = predictor.predict_split(valid).expect("predicted");
    assert_eq!(predicted, learner.predict().expect("predicted"));

    learner.fit(0.001, 1).expect("trained");
    assert_eq!(learner.temperature(), None);
    learner.load(&file).expect("loaded");
    assert_eq!(learner.temperature(), Some(temperature));
    learner.precompute().expect("activations").fit(0.001, 1).expect("trained");
    assert_eq!(learner.temperature(), None);
    // Files of learners that were not calibrated say nothing.
    learner.save(&file).expect("saved");
    let predictor = Predictor::open(&file, &device(1)).expect("opened");
    assert_eq!(predictor.description().temperature, None);
}

#[test]
fn tags_are_calibrated_through_their_sigmoids() {
    let mut predictions = trained(&World::new()).predict().expect("predicted");
    predictions.kind = fastlearn::data::LabelKind::Several;
    let rows = predictions.labels.one().expect("one each").iter();
    predictions.labels = fastlearn::data::Labels::several(rows.map(|&class| vec![class]).collect());
    let before = predictions.several().expect("scored").log_loss();
    let temperature = predictions.temperature().expect("fitted");
    let after = predictions.clone().at(temperature);
    assert!(after.several().expect("scored").log_loss() <= before);
    let order = |values: &[f32]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        order
    };
    assert_eq!(order(&after.probabilities), order(&predictions.probabilities));
}
