//! What listeners hear, in which order, and what their answers do.

use fastlearn::train::{Control, Event, TrainState};
use fastlearn::{Error, Result};

use crate::world::{Notes, World, bits, changed, listen, losses};

/// Writes every event down in a word.
fn note(notes: &Notes, event: &Event) {
    notes.write(match event {
        Event::FitBegins { epochs, batches, .. } => format!("fit {epochs}x{batches}"),
        Event::BatchBegins { batch, pictures } => format!("begin {batch}:{pictures}"),
        Event::BatchEnds { batch, .. } => format!("end {batch}"),
        Event::EpochEnds { row } => format!("epoch {}", row.epoch),
        Event::CycleEnds { cycle } => format!("cycle {cycle}"),
        Event::Settled => "settled".to_owned(),
        Event::FitEnds => "over".to_owned(),
        other => format!("{other:?}"),
    });
}

/// Fits two epochs of three batches; returns what a listener heard that answers with `answer`.
fn heard(answer: impl Fn(&Event, &TrainState) -> Control + Send + 'static) -> Vec<String> {
    let (world, notes) = (World::new(), Notes::default());
    let own = notes.clone();
    let listener = listen(move |event, state| {
        note(&own, event);
        Ok(answer(event, state))
    });
    let mut learner = world.builder().listener(listener).build().expect("a learner");
    learner.fit(0.01, 2).expect("trained");
    let steps = notes.read().iter().filter(|word| word.starts_with("end")).count();
    assert_eq!(learner.history().batches.len(), steps);
    notes.read()
}

const EPOCH: [&str; 6] = ["begin 0:8", "end 0", "begin 1:8", "end 1", "begin 2:8", "end 2"];

#[test]
fn events_come_in_order() {
    let expected = [
        &["fit 2x3"][..],
        &EPOCH,
        &["epoch 0", "settled"],
        &EPOCH,
        &["epoch 1", "cycle 0"],
        &["over", "settled"],
    ]
    .concat();
    assert_eq!(heard(|_, _| Control::Continue), expected);
}

#[test]
fn stop_ends_the_fit_after_the_batch() {
    let stop = |event: &Event, _: &TrainState| match event {
        Event::BatchEnds { batch: 1, .. } => Control::Stop,
        _ => Control::Continue,
    };
    assert_eq!(
        heard(stop),
        [&["fit 2x3"][..], &EPOCH[..4], &["epoch 0", "over", "settled"]].concat(),
        "the epoch is validated all the same"
    );
    let stop = |event: &Event, _: &TrainState| match event {
        Event::EpochEnds { .. } => Control::Stop,
        _ => Control::Continue,
    };
    assert_eq!(heard(stop), [&["fit 2x3"][..], &EPOCH, &["epoch 0", "over", "settled"]].concat());
}

#[test]
fn a_batch_can_be_skipped() {
    let skip = |event: &Event, state: &TrainState| match event {
        Event::BatchBegins { batch: 1, .. } if state.epoch == 0 => Control::SkipBatch,
        _ => Control::Continue,
    };
    let first = ["begin 0:8", "end 0", "begin 1:8", "begin 2:8", "end 2"];
    let expected = [
        &["fit 2x3"][..],
        &first,
        &["epoch 0", "settled"],
        &EPOCH,
        &["epoch 1", "cycle 0"],
        &["over", "settled"],
    ]
    .concat();
    assert_eq!(heard(skip), expected);
}

#[test]
fn skipped_batches_teach_nothing() {
    let world = World::new();
    let skip = listen(|event, _| match event {
        Event::BatchBegins { .. } => Ok(Control::SkipBatch),
        _ => Ok(Control::Continue),
    });
    // The second listener's wish to go on does not outvote the first.
    let listener = listen(|_, _| Ok(Control::Continue));
    let builder = world.builder().listener(skip).listener(listener);
    let mut learner = builder.build().expect("a learner");
    let before = bits(&learner);
    learner.fit(0.1, 1).expect("trained");
    assert_eq!(changed(&before, &bits(&learner)), [""; 0]);
    assert!(learner.history().batches.is_empty() && learner.history().epochs.len() == 1);
}

#[test]
fn an_error_of_a_listener_ends_the_fit() {
    let world = World::new();
    let fail = listen(|event, _| match event {
        Event::BatchBegins { batch: 1, .. } => Err(Error::Serialise("a full disk".to_owned())),
        _ => Ok(Control::Continue),
    });
    let mut learner = world.builder().listener(fail).build().expect("a learner");
    let result: Result<()> = learner.fit(0.01, 1).map(drop);
    assert!(matches!(result, Err(Error::Serialise(what)) if what == "a full disk"));
    assert_eq!(learner.history().batches.len(), 1);
}

#[test]
fn watching_changes_nothing() {
    let world = World::new();
    let losses = [0, 2].map(|listeners| {
        let add = |builder: fastlearn::train::LearnerBuilder, _| {
            builder.listener(listen(|_, _| Ok(Control::Continue)))
        };
        let mut learner = (0..listeners).fold(world.builder(), add).build().expect("a learner");
        learner.fit(0.01, 1).expect("trained");
        losses(&learner)
    });
    assert_eq!(losses[0], losses[1]);
}

#[test]
fn a_last_batch_of_one_is_merged_with_the_one_before() {
    let (world, notes) = (World::of(3, 1), Notes::default());
    let own = notes.clone();
    let listener = listen(move |event, _| {
        note(&own, event);
        Ok(Control::Continue)
    });
    let mut learner = world.builder().listener(listener).build().expect("a learner");
    assert_eq!(learner.batches_per_epoch().expect("batches"), 1);
    learner.fit(0.01, 1).expect("trained");
    assert_eq!(
        notes.read(),
        ["fit 1x1", "begin 0:9", "end 0", "epoch 0", "cycle 0", "over", "settled"]
    );
}
