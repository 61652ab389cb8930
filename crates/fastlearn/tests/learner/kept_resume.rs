//! Whatever is added to the lesson, a run that dies and goes on ends as one that did not.

use std::fs;
use std::path::Path;

use fastlearn::predict::Tta;
use fastlearn::schedule::Cycles;
use fastlearn::train::{BestBy, Checkpoints, Control, Event, Every, LearnerBuilder};
use fastlearn::{Error, Learner, Result};

use crate::world::{World, assert_same, listen};

/// Views, mixed pictures, drawn sizes; an average in the middle, the best epoch at the end.
fn beyond_the_lesson(learner: &mut Learner, kept: &Path) -> Result<()> {
    learner.keep_in(kept);
    learner.mixup(0.4)?;
    learner.label_smoothing(0.1)?;
    learner.tta_each_epoch(Some(Tta::crops(3)));
    learner.precompute_views(2)?.fit(0.02, 2)?;
    learner.unfreeze()?;
    learner.average_from(1);
    learner.keep_snapshots();
    learner.fit(0.02, Cycles::new(2).multiplier(2))?;
    learner.use_average()?;
    learner.keep_best(BestBy::Loss);
    learner.fit(0.1, 3)?;
    learner.use_best()?;
    learner.fit(0.01, 1)?;
    Ok(())
}

const BATCHES: usize = 3 * (2 + 3 + 3 + 1);

fn build(world: &World, add: impl FnOnce(LearnerBuilder) -> LearnerBuilder) -> Learner {
    let data = world.data().random_sizes(&[32, 40]);
    add(world.builder_on(data, 2)).build().expect("a learner")
}

#[test]
fn what_is_kept_in_files_survives_the_death_of_a_run() {
    let world = World::new();
    let whole_files = world.path("whole");
    fs::create_dir(&whole_files).expect("a folder");
    let mut whole = build(&world, |builder| builder);
    beyond_the_lesson(&mut whole, &whole_files).expect("trained");
    assert_eq!(whole.history().batches.len(), BATCHES);
    // In the views, before and after the first epoch to be averaged, after the average, after the best.
    for batch in [4, 9, 13, 16, 22, 25] {
        let folder = world.path(&format!("dies-at-{batch}"));
        fs::create_dir(&folder).expect("a folder");
        let file = folder.join("checkpoint.safetensors");
        let checkpoints = || Checkpoints::new(&file).every(Every::Batches(2));
        let mut begun = 0;
        let death = listen(move |event, _| {
            begun += usize::from(matches!(event, Event::BatchBegins { .. }));
            match begun > batch {
                true => Err(Error::Serialise("dead".to_owned())),
                false => Ok(Control::Continue),
            }
        });
        let mut dying = build(&world, |builder| builder.listener(checkpoints()).listener(death));
        beyond_the_lesson(&mut dying, &folder).expect_err("it dies");
        let mut resumed = build(&world, |builder| builder.listener(checkpoints()).resume(&file));
        beyond_the_lesson(&mut resumed, &folder).expect("trained");
        assert_same(&whole, &resumed);
        let names = |folder: &Path| -> Vec<String> {
            let entries = fs::read_dir(folder).expect("a folder");
            let names = entries.map(|entry| entry.expect("one").file_name());
            let mut names: Vec<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
            names.retain(|name| !name.starts_with("checkpoint"));
            names.sort();
            names
        };
        assert_eq!(names(&whole_files), names(&folder));
    }
}
