//! Training batches whose pictures have a size of their own.

use fastlearn::data::Batch;
use fastlearn::{ImageData, Transforms};

use crate::world::{World, assert_same};

const SIZES: [usize; 2] = [32, 48];

fn epoch(data: &ImageData, epoch: usize) -> Vec<Batch> {
    let batches = data.train_batches(epoch).expect("a loader");
    batches.collect::<Result<_, _>>().expect("batches")
}

#[test]
fn each_batch_is_that_of_a_run_at_its_size() {
    let world = World::new();
    let data = world.data().random_sizes(&SIZES);
    let alone = SIZES.map(|size| world.data_with(Transforms::basic(size)));
    let mut seen = Vec::new();
    for number in 0..6 {
        for (index, batch) in epoch(&data, number).into_iter().enumerate() {
            let size = batch.shape.height;
            let place = SIZES.iter().position(|&known| known == size).expect("one of the sizes");
            let same = &epoch(&alone[place], number)[index];
            assert_eq!((&batch.pixels, &batch.pictures), (&same.pixels, &same.pictures));
            assert_eq!((batch.shape, batch.indexes), (same.shape, same.indexes.clone()));
            seen.push(size);
        }
    }
    // 18 fair draws of two: fewer than 3 of one come once in 700 times, and this seed is not it.
    assert!(
        SIZES.iter().all(|size| seen.iter().filter(|seen| *seen == size).count() >= 3),
        "{seen:?}"
    );
    // Whoever goes on within an epoch gets the sizes that would have come.
    let rest: Vec<usize> = data
        .train_batches_from(2, 1)
        .expect("a loader")
        .map(|batch| batch.expect("a batch").shape.height)
        .collect();
    assert_eq!(rest, seen[7..9]);
}

#[test]
fn validation_keeps_its_size_and_training_its_bits() {
    let world = World::new();
    let data = world.data().random_sizes(&SIZES);
    let valid = data.valid_batches().expect("a loader").next().expect("one").expect("a batch");
    assert_eq!(valid.shape.height, 32);
    let run = |threads| {
        let data = data.clone().workers(threads);
        let mut learner = world.builder_on(data, threads).build().expect("a learner");
        learner.unfreeze().expect("unfrozen");
        learner.fit(0.01, 2).expect("trained");
        learner
    };
    assert_same(&run(1), &run(3));
    assert!(world.data().random_sizes(&[32, 0]).train_batches(0).is_err());
}
