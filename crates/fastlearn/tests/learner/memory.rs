//! What training costs in memory, and what happens when there is not enough.

use std::time::Instant;

use fastlearn::train::{Control, Event};
use fastlearn::{Error, Learner, Transforms};

use crate::world::{Notes, World, bits, changed, head_without_dropout, listen, losses};

#[test]
fn frozen_groups_cost_less() {
    let world = World::new();
    let data = world.data_with(Transforms::none(64)).batch_size(24);
    let peaks = [0, 1, 2].map(|first| {
        let mut learner = world.builder_on(data.clone(), 2).build().expect("a learner");
        learner.freeze_to(first).expect("a group");
        let begun = Instant::now();
        learner.fit(0.01, 2).expect("trained");
        let peak = learner.device().memory_report().peak;
        println!("groups from {first}: {peak} bytes at most, {:?}", begun.elapsed());
        peak
    });
    assert!(peaks[0] > peaks[1] && peaks[1] > peaks[2], "{peaks:?}");
    // The first group's activations are the large ones.
    assert!(2 * peaks[2] < peaks[0], "{peaks:?}");
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

/// An unfrozen learner that notes the batches it begins, and with `fails` does not let the first begin.
fn watched(world: &World, fails: bool) -> (Learner, Notes) {
    let notes = Notes::default();
    let own = notes.clone();
    let listener = listen(move |event, _| {
        if matches!(event, Event::BatchBegins { .. }) {
            own.write("batch");
            if fails && own.read().len() == 1 {
                return Err(Error::Serialise("not yet".to_owned()));
            }
        }
        Ok(Control::Continue)
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

    const PARTS: usize = 12;
    let mut stepped = 0;
    for part in 0..PARTS {
        let (mut learner, notes) = watched(&world, false);
        let before = bits(&learner);
        learner.device().memory().set_limit(Some(base + (peak - base) * part / PARTS));
        let error = learner.fit(0.02, 1).expect_err("no room");
        assert!(error.to_string().contains("memory"), "{error}");
        assert!(matches!(error, Error::Network(_)), "{error:?}");
        assert!(learner.history().batches.is_empty(), "the first step is the one that fails");
        learner.device().memory().set_limit(None);
        assert_eq!(changed(&before, &bits(&learner)), [""; 0]);

        let expected = if notes.read().is_empty() { &plain } else { &refused };
        stepped += notes.read().len();
        learner.fit(0.02, 1).expect("trained");
        assert_eq!(losses(&learner), losses(expected), "after {part} of {PARTS} parts");
        assert_eq!(changed(&bits(&learner), &bits(expected)), [""; 0]);
    }
    assert!(stepped > PARTS / 2, "most limits let the first step begin");
}
