//! One seed, one result: whatever the number of threads.

use fastlearn::Learner;

use crate::world::{World, assert_same, bits, changed, losses};

fn trained(world: &World, threads: usize, workers: usize) -> Learner {
    let data = world.data().workers(workers);
    let mut learner = world.builder_on(data, threads).build().expect("a learner");
    learner.unfreeze().expect("unfrozen");
    learner.fit(0.02, 2).expect("trained");
    learner
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let world = World::new();
    let alone = trained(&world, 1, 0);
    for (threads, workers) in [(1, 1), (2, 3), (4, 1)] {
        let other = trained(&world, threads, workers);
        assert_same(&alone, &other);
        let views = [&alone, &other].map(|learner| learner.tta(2).expect("predicted"));
        assert_eq!(views[0], views[1]);
    }
}

#[test]
fn another_seed_gives_other_bits() {
    let world = World::new();
    let losses = [(1, 1), (1, 1), (2, 1), (1, 2)].map(|(seed, data_seed)| {
        let data = world.data().seed(data_seed);
        let mut learner = world.builder_on(data, 2).seed(seed).build().expect("a learner");
        let first = bits(&learner);
        learner.fit(0.02, 1).expect("trained");
        assert!(!changed(&first, &bits(&learner)).is_empty());
        losses(&learner)
    });
    assert_eq!(losses[0], losses[1]);
    assert_ne!(losses[0], losses[2]);
    assert_ne!(losses[0], losses[3]);
}

#[test]
fn a_second_fit_goes_on_with_new_draws() {
    let world = World::new();
    let mut learner = world.learner();
    // A rate of nothing: every epoch sees the same weights, but other pictures.
    learner.fit(0.0, 1).expect("trained");
    learner.fit(0.0, 1).expect("trained");
    let batches = &learner.history().batches;
    assert_eq!(batches.len(), 6);
    assert_ne!(batches[..3], batches[3..]);
}
