//! Steps for which there is no memory are taken again in parts, and come to the same.

use std::collections::BTreeMap;

use fastlearn::train::{Control, Event};
use fastlearn::{Learner, Transforms};
use models::exchange::export;
use models::head::HeadOptions;

use crate::world::{Notes, World, bits, changed, head_without_dropout, listen};

/// Where memory ends, counted from what is in use before the first step.
#[derive(Clone, Copy)]
enum Room {
    Enough,
    Bytes(usize),
}

/// An unfrozen learner of one batch of 24 pictures an epoch; it notes what it hears of memory, and
/// answers that with `answer`.
fn learner(world: &World, head: HeadOptions, room: Room, answer: Control) -> (Learner, Notes) {
    let notes = Notes::default();
    let own = notes.clone();
    let listener = listen(move |event, state| {
        match event {
            Event::BatchBegins { .. } => {
                let memory = state.store.device().memory();
                let used = memory.report().in_use;
                match room {
                    Room::Bytes(bytes) if memory.report().limit.is_none() => {
                        memory.set_limit(Some(used + bytes));
                    }
                    Room::Bytes(_) => {}
                    Room::Enough => own.write(used.to_string()),
                }
            }
            Event::MemoryFull { pictures, parts } => {
                own.write(format!("full {pictures}/{parts}"));
                return Ok(answer);
            }
            Event::Notice(text) if text.contains("memory") => own.write(*text),
            _ => {}
        }
        Ok(Control::Continue)
    });
    let data = world.data_with(Transforms::none(64)).batch_size(24);
    let builder = world.builder_on(data, 2).head(head).listener(listener);
    let mut learner = builder.build().expect("a learner");
    learner.unfreeze().expect("unfrozen");
    (learner, notes)
}

/// All values by name.
fn values(learner: &Learner) -> BTreeMap<String, Vec<f32>> {
    let state = export(learner.store()).expect("exported");
    state.iter().map(|(name, tensor)| (name.to_owned(), tensor.values.clone())).collect()
}

/// `||a - b||` over the values of all parameters and statistics that a filter lets pass.
fn distance(
    left: &BTreeMap<String, Vec<f32>>,
    right: &BTreeMap<String, Vec<f32>>,
    of: impl Fn(&str) -> bool,
) -> f64 {
    let pairs = left.iter().filter(|(name, _)| of(name)).flat_map(|(name, values)| {
        values.iter().zip(&right[name]).map(|(a, b)| f64::from(a - b).powi(2))
    });
    pairs.sum::<f64>().sqrt()
}

/// Bytes that a whole step needs beside what is there before it.
fn whole_step(world: &World) -> usize {
    let (mut learner, notes) =
        learner(world, head_without_dropout(), Room::Enough, Control::Continue);
    learner.fit(0.02, 1).expect("trained");
    let before: usize = notes.read()[0].parse().expect("a number");
    learner.device().memory_report().peak - before
}

/// Wherever a step runs out of memory, it is taken in parts or not at all: without batch statistics in
/// parts it is the whole step but for rounding.
#[test]
fn a_step_in_parts_is_the_whole_step() {
    let world = World::new();
    let make = |room| {
        let (mut learner, notes) = learner(&world, head_without_dropout(), room, Control::Continue);
        learner.freeze_norms(true);
        (learner, notes)
    };
    let (mut whole, _) = make(Room::Enough);
    let first = values(&whole);
    whole.fit(0.02, 2).expect("trained");
    let (whole, losses) = (values(&whole), whole.history().clone());
    let learned = distance(&first, &whole, |_| true);
    assert!(learned > 0.0);

    const LIMITS: usize = 40;
    let (most, mut in_parts, mut refused) = (whole_step(&world), 0, 0);
    for limit in 0..LIMITS {
        let (mut learner, notes) = make(Room::Bytes(most * limit / LIMITS));
        let before = bits(&learner);
        if learner.fit(0.02, 2).is_err() {
            learner.device().memory().set_limit(None);
            if learner.history().batches.is_empty() {
                assert_eq!(changed(&before, &bits(&learner)), [""; 0]);
            }
            refused += 1;
            continue;
        }
        let told = notes.read();
        let said: Vec<_> = told.iter().filter(|word| word.starts_with("memory is full")).collect();
        if said.is_empty() {
            continue;
        }
        in_parts += 1;
        // The second step keeps momentum, so it may need more parts than the first: then it is said again.
        assert!(said.len() == 1 || said[0] != said[1], "{told:?}");
        let off = distance(&whole, &values(&learner), |_| true);
        assert!(off <= 1e-3 * learned, "{limit}: {off:e} of {learned:e}, {told:?}");
        for (got, want) in learner.history().batches.iter().zip(&losses.batches) {
            assert!((got.loss - want.loss).abs() <= 1e-4 * want.loss, "{got:?} {want:?}");
        }
    }
    println!("{in_parts} in parts, {refused} refused, of {LIMITS} below {most} bytes");
    assert!(in_parts >= LIMITS / 8 && refused >= 1, "{in_parts} in parts, {refused} refused");
}

/// With batch statistics the parts see their own, but running values still move once a step: those of
/// the first norm, whose inputs are the same, to exactly the batch's mean.
#[test]
fn running_statistics_move_once_by_the_mean_of_the_parts() {
    let world = World::new();
    // Two parts need more than half of a whole step: what is kept of the parameters comes on top.
    let room = Room::Bytes(whole_step(&world) * 4 / 5);
    let trained = |room| {
        let (mut learner, notes) = learner(&world, head_without_dropout(), room, Control::Continue);
        let first = values(&learner);
        learner.fit(0.02, 1).expect("trained");
        (first, values(&learner), notes.read())
    };
    let (first, whole, told) = trained(Room::Enough);
    assert_eq!(told.len(), 1, "{told:?}");
    let (_, parts, told) = trained(room);
    assert_eq!(told[0], "full 24/1", "{told:?}");
    let is_first = |name: &str| name == "bn1.running_mean";
    let moved = distance(&first, &whole, is_first);
    assert!(moved > 0.0 && distance(&whole, &parts, is_first) <= 1e-4 * moved);
    // Everything else is near: it saw other variances.
    let (moved, off) = (distance(&first, &whole, |_| true), distance(&whole, &parts, |_| true));
    assert!(off > 0.0 && off < 0.5 * moved, "{off} of {moved}");
}

#[test]
fn a_listener_says_how_many_parts_and_the_fit_remembers() {
    let world = World::new();
    let room = Room::Bytes(whole_step(&world) * 4 / 5);
    let head = head_without_dropout();
    let (mut trained, notes) = learner(&world, head.clone(), room, Control::RetryInParts(3));
    trained.fit(0.02, 3).expect("trained");
    let told = notes.read();
    assert_eq!((told.len(), told[0].as_str()), (2, "full 24/1"), "{told:?}");
    assert!(told[1].contains("in 3 parts"), "{told:?}");

    let (mut stopped, _) = learner(&world, head, room, Control::Stop);
    let before = bits(&stopped);
    let error = stopped.fit(0.02, 1).expect_err("no room");
    assert!(error.is_out_of_memory(), "{error}");
    stopped.device().memory().set_limit(None);
    assert_eq!(changed(&before, &bits(&stopped)), [""; 0]);
}

#[test]
fn the_rate_finder_and_the_measured_batches_find_room_too() {
    let world = World::new();
    let room = whole_step(&world) * 4 / 5;
    let (mut learner, _) = learner(&world, head_without_dropout(), Room::Enough, Control::Stop);
    let before = bits(&learner);
    let memory = learner.device().memory().clone();
    memory.set_limit(Some(memory.report().in_use + room));
    assert!(learner.lr_find().expect("a curve").rates.len() > 8);
    learner.time_batches().expect("measured");
    memory.set_limit(None);
    assert_eq!(changed(&before, &bits(&learner)), [""; 0]);
}
