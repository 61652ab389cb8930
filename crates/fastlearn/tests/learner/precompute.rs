//! Training the head on activations that were computed once.

use std::fs::{self, File};
use std::path::PathBuf;

use fastlearn::train::{Control, Event};
use fastlearn::{Learner, Transforms};

use crate::world::{Notes, World, assert_same, bits, changed, head_without_dropout, listen};

/// The activation files in the cache folder, sorted.
fn cached(world: &World) -> Vec<PathBuf> {
    let folder = world.path("cache/activations");
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn fit_head(learner: &mut Learner) {
    learner.precompute().expect("activations").fit(0.02, 2).expect("trained");
}

#[test]
fn only_the_head_trains_and_the_groups_come_back() {
    let world = World::new();
    let mut learner = world.unfrozen();
    let before = bits(&learner);
    let mut head = learner.precompute().expect("activations");
    head.fit(0.02, 2).expect("trained");
    let kept = head.predict().expect("predicted");
    drop(head);
    assert_eq!(learner.store().trainable(), [true; 3]);
    let names = changed(&before, &bits(&learner));
    assert_eq!(names.len(), 2 * 2 + 2 * 2 + 2 * 2, "gamma, beta, weight, bias, mean, variance");
    assert!(names.iter().all(|name| name.starts_with("head.")), "{names:?}");
    assert_eq!(learner.history().batches.len(), 6);

    // Validation pictures are seen plainly either way.
    let whole = learner.predict().expect("predicted");
    assert_eq!((&kept.ids, &kept.labels), (&whole.ids, &whole.labels));
    for (kept, whole) in kept.probabilities.iter().zip(&whole.probabilities) {
        assert!((kept - whole).abs() < 1e-5, "{kept} against {whole}");
    }
}

#[test]
fn the_finder_of_the_head_leaves_no_trace() {
    let world = World::new();
    let (mut with, mut without) = (world.learner(), world.learner());
    let curve = with.precompute().expect("activations").lr_find().expect("a curve");
    assert_eq!(curve.group, "head");
    fit_head(&mut with);
    fit_head(&mut without);
    assert_same(&with, &without);
}

#[test]
fn the_second_time_activations_come_from_the_file() {
    let world = World::new();
    let (mut first, mut second) = (world.learner(), world.learner());
    fit_head(&mut first);
    let files = cached(&world);
    assert_eq!(files.len(), 1);
    let content = fs::read(&files[0]).expect("read");

    // The pictures become unreadable, but length and time say that they are the same.
    let data = second.data().clone();
    for path in data.train().files().iter().chain(data.valid().files()) {
        let metadata = fs::metadata(path).expect("metadata");
        fs::write(path, vec![b'x'; metadata.len() as usize]).expect("written");
        let modified = metadata.modified().expect("a time");
        let file = File::options().write(true).open(path).expect("opened");
        file.set_modified(modified).expect("set");
    }
    second.predict().expect_err("the pictures are broken");
    fit_head(&mut second);
    assert_same(&first, &second);
    assert_eq!(cached(&world), files);
    assert_eq!(fs::read(&files[0]).expect("read"), content);
}

#[test]
fn a_damaged_file_is_made_again() {
    let world = World::new();
    let (mut first, mut second) = (world.learner(), world.learner());
    fit_head(&mut first);
    let file = &cached(&world)[0];
    let content = fs::read(file).expect("read");
    fs::write(file, &content[..content.len() / 2]).expect("written");
    fit_head(&mut second);
    assert_same(&first, &second);
    assert_eq!(fs::read(file).expect("read"), content);
    assert_eq!(cached(&world).len(), 1);
}

#[test]
fn another_size_another_body_or_other_pictures_are_another_file() {
    let world = World::new();
    let mut learner = world.learner();
    let count = |learner: &mut Learner| {
        learner.precompute().expect("activations");
        cached(&world).len()
    };
    assert_eq!(count(&mut learner), 1);
    fit_head(&mut learner);
    assert_eq!(count(&mut learner), 1, "the head's weights do not matter");
    learner.set_data(world.data_with(Transforms::basic(64))).expect("the same classes");
    assert_eq!(count(&mut learner), 2);
    learner.set_data(world.data()).expect("the same classes");
    assert_eq!(count(&mut learner), 2);
    let picture = &learner.data().train().files()[0].clone();
    fs::write(picture, fs::read(&learner.data().train().files()[1]).expect("read"))
        .expect("written");
    assert_eq!(count(&mut learner), 3);
    learner.unfreeze().expect("unfrozen");
    learner.fit(0.01, 1).expect("trained");
    assert_eq!(count(&mut learner), 4);
}

#[test]
fn a_cache_that_cannot_be_written_is_only_a_notice() {
    let (world, notes) = (World::new(), Notes::default());
    let blocked = world.path("blocked");
    fs::write(&blocked, "a file where a folder should be").expect("written");
    let own = notes.clone();
    let listener = listen(move |event, _| {
        if let Event::Notice(text) = event {
            own.write(*text);
        }
        Ok(Control::Continue)
    });
    let builder = world.builder().cache_folder(&blocked).listener(listener);
    let (mut learner, mut usual) = (builder.build().expect("a learner"), world.learner());
    fit_head(&mut learner);
    fit_head(&mut usual);
    assert_same(&learner, &usual);
    let notes = notes.read();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("not kept") && notes[0].contains("blocked"), "{notes:?}");
}

#[test]
fn every_epoch_learns_from_one_view_in_turn() {
    let world = World::new();
    let transforms = Transforms::side_on(32).max_zoom(1.3);
    // One batch an epoch: its loss hangs on the set of pictures alone, not on their order.
    let data = world.data_with(transforms).batch_size(64);
    let build = || {
        let builder = world.builder_on(data.clone(), 2).head(head_without_dropout());
        builder.build().expect("a learner")
    };
    let epoch_losses = |views: Option<usize>| -> Vec<f32> {
        let mut learner = build();
        let head = match views {
            None => learner.precompute(),
            Some(views) => learner.precompute_views(views),
        };
        head.expect("activations").fit(1e-9, 5).expect("trained");
        learner.history().batches.iter().map(|record| record.loss).collect()
    };
    let near = |a: f32, b: f32| (a - b).abs() < 1e-5;
    let three = epoch_losses(Some(3));
    assert!(near(three[0], three[3]) && near(three[1], three[4]), "{three:?}");
    let differ = [(0, 1), (1, 2), (0, 2)].iter().all(|&(a, b)| !near(three[a], three[b]));
    assert!(differ, "{three:?}");
    let plain = epoch_losses(None);
    assert!(plain.iter().all(|&loss| near(loss, plain[0])), "{plain:?}");
    assert!(three.iter().all(|&loss| !near(loss, plain[0])), "{three:?} {plain:?}");
    // The first view of many is the first of few.
    assert!(near(epoch_losses(Some(1))[2], three[0]));
    assert_eq!(cached(&world).len(), 3, "a file for each number of views, and one without");
    assert_eq!(epoch_losses(Some(3)), three, "from the file");
    assert!(build().precompute_views(0).is_err());
}
