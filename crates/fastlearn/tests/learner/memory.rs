//! What training costs in memory, and what happens when there is not enough.

use std::time::Duration;

use fastlearn::train::{Control, Event};
use fastlearn::{Error, Learner, Transforms};

use crate::world::{Notes, World, bits, changed, head_without_dropout, listen, losses};

#[test]
fn frozen_groups_cost_less() {
    let world = World::new();
    let data = world.data_with(Transforms::none(64)).batch_size(24);
    let costs = [0, 1, 2].map(|first| {
        let mut learner = world.builder_on(data.clone(), 2).build().expect("a learner");
        learner.freeze_to(first).expect("a group");
        let device = learner.device().clone();
        device.start_profile();
        learner.fit(0.01, 2).expect("trained");
        let rows = device.profile().rows;
        let flops: u64 = rows.values().map(|row| row.work.flops).sum();
        let time: Duration = rows.values().map(|row| row.time).sum();
        let peak = device.memory_report().peak;
        println!("groups from {first}: {peak} bytes at most, {flops} operations, {time:?}");
        (peak, flops)
    });
    // Operations stand for the time, which other programs disturb.
    let falls = |pair: &[(usize, u64)]| pair[0].0 > pair[1].0 && pair[0].1 > pair[1].1;
    assert!(costs.windows(2).all(falls), "{costs:?}");
}

#[test]
fn nothing_stays_in_memory_after_a_fit() {
    let world = World::new();
    let mut learner = world.unfrozen();
    learner.fit(0.01, 1).expect("trained");
    let settled = learner.device().memory_report().in_use;
    for _ in 0..3 {
        learner.fit(0.01, 1).expect("trained");
        learner.predict().expect("predicted");
        learner.lr_find().expect("a curve");
        assert_eq!(learner.device().memory_report().in_use, settled);
    }
}

/// An unfrozen learner that notes the epochs begun before each fit, and with `fails` does not let its
/// first epoch begin a batch.
fn watched(world: &World, fails: bool) -> (Learner, Notes) {
    let notes = Notes::default();
    let own = notes.clone();
    let listener = listen(move |event, state| match event {
        Event::BatchBegins { .. } if fails && state.epochs_begun == 1 => {
            Err(Error::Serialise("not yet".to_owned()))
        }
        Event::FitBegins { .. } => {
            own.write(state.epochs_begun.to_string());
            Ok(Control::Continue)
        }
        _ => Ok(Control::Continue),
    });
    let builder = world.builder().head(head_without_dropout()).listener(listener);
    let mut learner = builder.build().expect("a learner");
    learner.unfreeze().expect("unfrozen");
    (learner, notes)
}

/// Wherever the first step runs out of memory, in its forward half, its backward half or the
/// optimiser, nothing of it is left: the next fit is that of a learner whose first step never began.
#[test]
fn running_out_of_memory_is_an_error_that_leaves_nothing_behind() {
    let world = World::new();
    let (mut plain, _) = watched(&world, false);
    let base = plain.device().memory_report().in_use;
    plain.fit(0.02, 1).expect("trained");
    let peak = plain.device().memory_report().peak;
    let (mut refused, _) = watched(&world, true);
    refused.fit(0.02, 1).expect_err("its listener fails");
    refused.fit(0.02, 1).expect("trained");

    const PARTS: usize = 24;
    let mut begun = 0;
    for part in 0..PARTS {
        let (mut learner, notes) = watched(&world, false);
        let before = bits(&learner);
        learner.device().memory().set_limit(Some(base + (peak - base) * part / PARTS));
        let error = learner.fit(0.02, 1).expect_err("no room");
        assert!(error.to_string().contains("memory"), "{error}");
        assert!(matches!(error, Error::Network(_)), "{error:?}");
        if !learner.history().batches.is_empty() {
            // Room for a whole step: what fails from here on is the end of the epoch.
            break;
        }
        learner.device().memory().set_limit(None);
        assert_eq!(changed(&before, &bits(&learner)), [""; 0]);
        learner.fit(0.02, 1).expect("trained");
        // A fit that fails before its first epoch does not count as one: its order comes again.
        let counts = notes.read().last().is_some_and(|epochs| epochs == "1");
        let expected = if counts { &refused } else { &plain };
        begun += usize::from(counts);
        assert_eq!(losses(&learner), losses(expected), "after {part} of {PARTS} parts");
        assert_eq!(changed(&bits(&learner), &bits(expected)), [""; 0]);
    }
    assert!(begun >= PARTS / 4, "only {begun} limits let the first epoch begin");
}
