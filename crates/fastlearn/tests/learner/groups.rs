//! Which parameters and running statistics train, and what the summary says of it.

use std::collections::BTreeMap;

use fastlearn::Learner;

use crate::world::{World, bits, changed, is_statistic};

/// The layer group of every parameter and running statistic.
fn group_of(learner: &Learner) -> BTreeMap<String, usize> {
    let store = learner.store();
    let mut groups: BTreeMap<String, usize> =
        store.parameters().iter().map(|one| (one.name.clone(), one.group)).collect();
    for entry in store.statistics() {
        for part in ["running_mean", "running_var"] {
            groups.insert(format!("{}.{part}", entry.name), entry.group);
        }
    }
    groups
}

/// Trains a little and asserts that exactly what `expected` says of name and group has changed.
#[track_caller]
fn assert_changes(mut learner: Learner, expected: impl Fn(&str, usize) -> bool) {
    let (before, groups) = (bits(&learner), group_of(&learner));
    assert_eq!(before.len(), groups.len());
    learner.fit(0.05, 1).expect("trained");
    let expected: Vec<String> =
        groups.into_iter().filter(|(name, group)| expected(name, *group)).map(|(n, _)| n).collect();
    assert_eq!(changed(&before, &bits(&learner)), expected);
}

#[test]
fn exactly_the_groups_that_train_change() {
    let world = World::new();
    for first in 0..3 {
        let mut learner = world.learner();
        learner.freeze_to(first).expect("a group");
        assert_changes(learner, |_, group| group >= first);
    }
    for flags in [[true, false, true], [false, true, false]] {
        let mut learner = world.learner();
        learner.train_groups(&flags).expect("three flags");
        assert_changes(learner, |_, group| flags[group]);
    }
}

#[test]
fn a_pretrained_body_begins_frozen_and_a_random_one_does_not() {
    let world = World::new();
    assert_eq!(world.learner().store().trainable(), [false, false, true]);
    let random = world.builder().random_weights().build().expect("a learner");
    assert_eq!(random.store().trainable(), [true, true, true]);
}

#[test]
fn frozen_norms_keep_their_statistics_and_learn_their_scales() {
    let world = World::new();
    let mut learner = world.unfrozen();
    learner.freeze_norms(true);
    assert_changes(learner, |name, _| !is_statistic(name));
}

#[test]
fn groups_that_do_not_exist_are_refused() {
    let world = World::new();
    let mut learner = world.learner();
    let error = learner.freeze_to(3).expect_err("refused").to_string();
    assert!(error.contains("layer group is 3"), "{error}");
    assert!(learner.train_groups(&[true, true]).is_err());
    assert!(learner.fit([0.1, 0.1], 1).is_err());
    assert!(learner.fit(f32::NAN, 1).is_err());
    assert!(learner.fit(0.1, 0).is_err());
    assert_eq!(learner.store().trainable(), [false, false, true]);
    assert!(learner.history().batches.is_empty());
}

#[test]
fn the_summary_counts_and_names_what_trains() {
    let world = World::new();
    let mut learner = world.learner();
    learner.freeze_to(1).expect("a group");
    let summary = learner.summary().expect("a summary");
    // The head's by hand: a norm and a linear layer of 128 to 16, the same of 16 to 3.
    let head = (2 * 128 + 128 * 16 + 16) + (2 * 16 + 16 * 3 + 3);
    let all = learner.architecture().parameter_count(None) + head;
    let first = stem_to_layer2();
    assert_eq!(summary.parameters(), (all, all - first));

    let row = |name: &str| {
        let found = summary.rows.iter().find(|row| row.layer == name);
        let row = found.unwrap_or_else(|| panic!("{name} in\n{summary}"));
        (row.output.dims().to_vec(), row.parameters, row.group, row.trainable, row.statistics)
    };
    let running = Some("running");
    assert_eq!(row("conv1"), (vec![1, 16, 16, 8], 7 * 7 * 3 * 8 + 16, Some(0), false, running));
    let shortcut = (vec![1, 2, 2, 32], 16 * 32 + 64, Some(1), true, Some("batch"));
    assert_eq!(row("layer3.0.downsample.0"), shortcut);
    assert_eq!(row("head.1.linear"), (vec![1, 3], 16 * 3 + 3 + 32, Some(2), true, Some("batch")));

    learner.freeze_norms(true);
    let summary = learner.summary().expect("a summary");
    assert!(summary.rows.iter().all(|row| row.statistics != Some("batch")));
    let text = summary.to_string();
    assert!(text.ends_with(&format!("{all} parameters, {} of them train", all - first)), "{text}");
    assert_eq!(text.lines().count(), 1 + summary.rows.len() + 1);
}

/// Parameters of the first layer group by hand: each convolution with its norm's scale and shift.
fn stem_to_layer2() -> usize {
    let conv = |size: usize, input: usize, output: usize| size * size * input * output + 2 * output;
    let stem = conv(7, 3, 8);
    let layer1 = 2 * conv(3, 8, 8);
    let layer2 = conv(3, 8, 16) + conv(3, 16, 16) + conv(1, 8, 16);
    stem + layer1 + layer2
}
