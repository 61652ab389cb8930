//! A loss that stops being a number.

use fastlearn::Error;
use fastlearn::schedule::Cycles;
use fastlearn::train::{Control, Event};

use crate::world::{World, bits, changed, listen, losses};

#[test]
fn a_rate_far_too_high_gives_the_first_weights_back() {
    let world = World::new();
    let mut learner = world.unfrozen();
    let before = bits(&learner);
    let error = learner.fit(1e30, Cycles::new(2).length(2)).expect_err("diverges");
    assert!(matches!(error, Error::Diverged { epoch: 0 | 1, rate, .. } if rate > 1e29), "{error}");
    assert_eq!(changed(&before, &bits(&learner)), [""; 0]);
    // And the learner is as good as new.
    learner.fit(0.01, 1).expect("trained");
    assert!(learner.history().last().is_some_and(|row| row.valid_loss.is_some_and(f32::is_finite)));
}

#[test]
fn the_weights_of_the_last_finished_cycle_are_kept() {
    let world = World::new();
    let mut control = world.unfrozen();
    control.fit(0.01, Cycles::new(1).length(2)).expect("trained");

    let spoil = listen(|event, state| {
        // The fourth epoch is the second of the second cycle.
        if state.epoch == 3 && matches!(event, Event::BatchBegins { batch: 1, .. }) {
            let id = state.store.ids().last().expect("a parameter");
            let elements = state.store.parameter(id).range.len();
            state.store.set_value(id, &vec![f32::NAN; elements])?;
        }
        Ok(Control::Continue)
    });
    let mut learner = world.builder().listener(spoil).build().expect("a learner");
    learner.unfreeze().expect("unfrozen");
    let error = learner.fit(0.01, Cycles::new(3).length(2)).expect_err("diverges");
    assert!(matches!(error, Error::Diverged { epoch: 3, batch: 1, .. }), "{error:?}");
    assert_eq!(changed(&bits(&control), &bits(&learner)), [""; 0]);
    assert_eq!(learner.history().epochs.len(), 3);
    assert!(losses(&learner).iter().all(|&loss| f32::from_bits(loss).is_finite()));
}
