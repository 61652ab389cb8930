//! Training that is stopped anywhere and resumed ends with the same bits as training that was not.

use std::fs;
use std::path::{Path, PathBuf};

use fastlearn::schedule::{Cycles, Ramp, Rates};
use fastlearn::train::{
    Checkpoints, Control, Event, Every, Interruption, LearnerBuilder, OptimizerKind,
};
use fastlearn::{Error, Learner, Result};
use tensor_core::random::Philox;

use crate::world::{Notes, World, assert_same, bits, listen};

/// The lesson in small: precomputed, frozen, larger pictures, unfrozen, with rate finders in between.
fn lesson(learner: &mut Learner) -> Result<()> {
    learner.set_stage("precomputed");
    let mut head = learner.precompute()?;
    head.lr_find()?;
    head.fit(0.02, 2)?;
    drop(head);
    learner.set_stage("frozen");
    learner.fit(0.02, Cycles::new(2))?;
    learner.set_size(40)?;
    learner.unfreeze()?;
    let curve = learner.lr_find_with(Rates::spread(1.0, 3.0), &Ramp::default())?;
    let rate = curve.suggest().map_or(0.01, |suggestion| suggestion.rate.min(0.05));
    learner.set_stage("unfrozen");
    learner.fit(Rates::spread(rate, 3.0), Cycles::new(2).multiplier(2))?;
    Ok(())
}

/// Batches of the lesson: three an epoch.
const BATCHES: usize = 3 * (2 + 2 + 3);

fn learner(
    world: &World,
    kind: OptimizerKind,
    add: impl Fn(LearnerBuilder) -> LearnerBuilder,
) -> Learner {
    add(world.builder().optimizer(kind)).build().expect("a learner")
}

fn whole(world: &World, kind: OptimizerKind) -> Learner {
    let mut learner = learner(world, kind, |builder| builder);
    lesson(&mut learner).expect("trained");
    assert_eq!(learner.history().batches.len(), BATCHES);
    learner
}

/// A listener that fails when so many batches have begun, as if the process had ended there.
fn dies_at(builder: LearnerBuilder, batch: usize) -> LearnerBuilder {
    let mut begun = 0;
    builder.listener(listen(move |event, _| {
        begun += usize::from(matches!(event, Event::BatchBegins { .. }));
        match begun > batch {
            true => Err(Error::Serialise("dead".to_owned())),
            false => Ok(Control::Continue),
        }
    }))
}

/// Different numbers below `below`, drawn from a seed.
fn drawn(seed: u64, count: usize, below: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..below).collect();
    Philox::new(seed).stream([0, 0, 0]).shuffle(&mut numbers);
    numbers.truncate(count);
    numbers
}

#[test]
fn a_run_that_dies_at_any_batch_goes_on_at_the_exact_step() {
    let world = World::new();
    for (kind, seed) in [(OptimizerKind::Sgd, 1), (OptimizerKind::Adam, 2)] {
        let whole = whole(&world, kind);
        for batch in drawn(seed, 6, BATCHES) {
            let file = world.path(&format!("{kind:?}-{batch}.safetensors"));
            // Every other batch is not written, so that some steps are taken twice.
            let checkpoints = || Checkpoints::new(&file).every(Every::Batches(2));
            let mut dying =
                learner(&world, kind, |builder| dies_at(builder.listener(checkpoints()), batch));
            lesson(&mut dying).expect_err("it dies");
            let mut resumed = learner(&world, kind, |builder| {
                let builder = builder.listener(checkpoints());
                if file.exists() { builder.resume(&file) } else { builder }
            });
            lesson(&mut resumed).expect("trained");
            assert_same(&whole, &resumed);
        }
    }
}

#[test]
fn a_run_that_dies_again_and_again_comes_to_the_same_end() {
    let world = World::new();
    let whole = whole(&world, OptimizerKind::Sgd);
    let file = world.path("checkpoint.safetensors");
    for life in 0.. {
        let mut learner = learner(&world, OptimizerKind::Sgd, |builder| {
            let builder = builder.listener(Checkpoints::new(&file).every(Every::Batches(1)));
            let builder = if file.exists() { builder.resume(&file) } else { builder };
            dies_at(builder, 4)
        });
        if lesson(&mut learner).is_ok() {
            assert_same(&whole, &learner);
            assert!(life >= 4, "only {life} deaths");
            break;
        }
        assert!(life < BATCHES, "it comes no further");
    }
}

#[test]
fn an_interruption_finishes_the_batch_and_writes() {
    let world = World::new();
    let whole = whole(&world, OptimizerKind::Sgd);
    for batch in drawn(3, 4, BATCHES) {
        let file = world.path(&format!("interrupted-{batch}.safetensors"));
        let interruption = Interruption::new();
        let mut stopped = learner(&world, OptimizerKind::Sgd, |builder| {
            let (asked, mut begun) = (interruption.clone(), 0);
            let ask = listen(move |event, _| {
                begun += usize::from(matches!(event, Event::BatchBegins { .. }));
                if begun > batch {
                    asked.request();
                }
                Ok(Control::Continue)
            });
            let builder = builder.interruption(&interruption).listener(ask);
            builder.listener(Checkpoints::new(&file).every(Every::Epoch))
        });
        let error = lesson(&mut stopped).expect_err("interrupted");
        assert!(matches!(error, Error::Interrupted), "{error}");
        assert_eq!(stopped.history().batches.len(), batch + 1, "the batch is finished");
        let mut resumed = learner(&world, OptimizerKind::Sgd, |builder| builder.resume(&file));
        assert_eq!(bits(&resumed), bits(&stopped), "nothing done is done again");
        assert!(resumed.history().batches.is_empty(), "nothing has happened yet in this program");
        lesson(&mut resumed).expect("trained");
        assert_same(&whole, &resumed);
    }
}

#[test]
fn listeners_hear_what_was_done_before() {
    let (world, notes) = (World::new(), Notes::default());
    let file = world.path("checkpoint.safetensors");
    let mut dying = learner(&world, OptimizerKind::Sgd, |builder| {
        dies_at(builder.listener(Checkpoints::new(&file)), 10)
    });
    lesson(&mut dying).expect_err("it dies");
    let mut resumed = learner(&world, OptimizerKind::Sgd, |builder| {
        let notes = notes.clone();
        builder.resume(&file).listener(listen(move |event, _| {
            match event {
                Event::FitPassedOver { done } => notes.write(format!("passed {}", done.len())),
                Event::FitBegins { done, .. } => notes.write(format!("begins {}", done.len())),
                Event::EpochEnds { row } => notes.write(format!("epoch {}", row.epoch)),
                _ => {}
            }
            Ok(Control::Continue)
        }))
    });
    lesson(&mut resumed).expect("trained");
    let expected = ["passed 2", "begins 1", "epoch 1", "begins 0", "epoch 0", "epoch 1", "epoch 2"];
    assert_eq!(notes.read(), expected);
}

/// A checkpoint from the middle of the frozen fit.
fn checkpoint(world: &World) -> PathBuf {
    let file = world.path("checkpoint.safetensors");
    let mut dying = learner(world, OptimizerKind::Sgd, |builder| {
        dies_at(builder.listener(Checkpoints::new(&file)), 10)
    });
    lesson(&mut dying).expect_err("it dies");
    file
}

#[test]
fn other_calls_or_other_data_are_refused() {
    let world = World::new();
    let file = checkpoint(&world);
    let resumed = || world.builder().resume(&file).build().expect("a learner");
    let refused = |result: Result<()>, word: &str| {
        let error = result.expect_err("refused");
        assert!(matches!(error, Error::Resume(_)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    refused(resumed().fit(0.02, 1).map(drop), "the calls");
    refused(resumed().lr_find().map(drop), "the calls");
    // The calls are the same, the pictures are not.
    let data = world.data().limit(20);
    let mut learner = world.builder_on(data, 2).resume(&file).build().expect("a learner");
    refused(lesson(&mut learner), "pictures");
}

#[test]
fn files_that_are_no_checkpoints_of_this_learner_are_refused_by_name() {
    let world = World::new();
    let file = checkpoint(&world);
    let refused = |path: &Path, seed: u64, word: &str| {
        let built = world.builder().seed(seed).resume(path).build();
        let error = built.map(drop).expect_err("refused").to_string();
        assert!(error.contains(word), "{word} in {error}");
        assert!(error.contains(path.to_str().expect("a path")), "{error}");
    };
    refused(&file, 43, "seed");
    refused(&world.path("missing.safetensors"), 42, "missing.safetensors");
    let cut = world.path("cut.safetensors");
    let bytes = fs::read(&file).expect("read");
    fs::write(&cut, &bytes[..bytes.len() - 1000]).expect("written");
    refused(&cut, 42, "cut.safetensors");
    let model = world.path("model.safetensors");
    world.learner().save(&model).expect("saved");
    refused(&model, 42, "no checkpoint");
    let mut state = models::StateDict::read(&file).expect("read");
    let version = "fastlearn.checkpoint.version".to_owned();
    state.metadata_mut().insert(version, "99".to_owned());
    let newer = world.path("newer.safetensors");
    state.write(&newer).expect("written");
    refused(&newer, 42, "version 99");
    let error = world.builder().random_weights().head(Default::default()).resume(&file).build();
    let error = error.map(drop).expect_err("another head").to_string();
    assert!(error.contains("architecture, head"), "{error}");
}
