//! The competitions' examples on small stand-ins: the layout that is drawn, the way through, the submission.

#![allow(clippy::duplicate_mod, reason = "every example is a program with modules of its own")]

#[path = "../examples/dog_breeds.rs"]
#[allow(dead_code)]
mod dog_breeds;
#[path = "../examples/dogs_cats.rs"]
#[allow(dead_code)]
mod dogs_cats;
#[path = "../examples/planet.rs"]
#[allow(dead_code)]
mod planet;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// The submission's lines as cells, the head first.
fn submission(folder: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder.join("submission.csv")).unwrap();
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The stems of a folder's pictures, sorted.
fn stems(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut stems: Vec<String> =
        names.map(|name| name.to_str().unwrap().strip_suffix(".jpg").unwrap().to_owned()).collect();
    stems.sort();
    stems
}

/// Every picture of the test folder has a line, and nothing else has.
fn assert_answers_all(lines: &[Vec<String>], folder: &Path) {
    let mut answered: Vec<String> = lines[1..].iter().map(|line| line[0].clone()).collect();
    answered.sort();
    assert_eq!(answered, stems(folder));
}

#[test]
fn dogs_and_cats_from_flat_files() {
    use dogs_cats::stand_in::{Amount, Setting, dogs_cats::draw};
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_owned();
    let setting = Setting::drawn(out.clone(), &out.join("c"), Amount::QUICK, draw).unwrap();
    assert!(setting.folder.join("train/cat.0.jpg").is_file());
    assert!(setting.folder.join("train/dog.47.jpg").is_file());
    let accuracy = dogs_cats::run(&setting).unwrap();
    assert!((0.3..=1.0).contains(&accuracy), "{accuracy}");

    let lines = submission(&out);
    assert_eq!(lines[0], ["id", "label"]);
    assert_answers_all(&lines, &setting.folder.join("test1"));
    for line in &lines[1..] {
        assert!((0.0..=1.0).contains(&line[1].parse::<f64>().unwrap()), "{line:?}");
    }
}

#[test]
fn dogs_and_cats_from_class_folders() {
    use dogs_cats::stand_in::{Amount, Setting, dogs_cats::draw};
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_owned();
    let mut setting = Setting::drawn(out.clone(), &out.join("c"), Amount::QUICK, draw).unwrap();
    let sorted = folder.path().join("sorted");
    for kind in ["cat", "dog"] {
        for number in 0..40 {
            let part = if number < 30 { "train" } else { "valid" };
            let target = sorted.join(part).join(format!("{kind}s"));
            fs::create_dir_all(&target).unwrap();
            let name = format!("{kind}.{number}.jpg");
            fs::copy(setting.folder.join("train").join(&name), target.join(&name)).unwrap();
        }
    }
    setting.folder = sorted;
    let accuracy = dogs_cats::run(&setting).unwrap();
    assert!((0.3..=1.0).contains(&accuracy), "{accuracy}");
    assert!(!out.join("submission.csv").exists());
}

#[test]
fn dog_breeds_from_a_table() {
    use dog_breeds::stand_in::{Amount, Setting, dog_breeds::draw};
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_owned();
    let setting = Setting::drawn(out.clone(), &out.join("c"), Amount::QUICK, draw).unwrap();
    let labels = fs::read_to_string(setting.folder.join("labels.csv")).unwrap();
    assert!(labels.starts_with("id,breed\n"), "{labels}");
    let accuracy = dog_breeds::run(&setting).unwrap();
    assert!((0.0..=1.0).contains(&accuracy), "{accuracy}");

    let lines = submission(&out);
    assert_eq!((lines[0].len(), lines[0][0].as_str()), (13, "id"));
    assert!(lines[0][1..].is_sorted(), "{:?}", lines[0]);
    assert_answers_all(&lines, &setting.folder.join("test"));
    for line in &lines[1..] {
        let sum: f64 = line[1..].iter().map(|cell| cell.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-4, "{line:?}");
    }
}

#[test]
fn planet_in_three_sizes() {
    use planet::stand_in::{Amount, Setting, planet::draw};
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_owned();
    let setting = Setting::drawn(out.clone(), &out.join("c"), Amount::QUICK, draw).unwrap();
    let score = planet::run(&setting).unwrap();
    // The tags that nearly every picture has give about 0.7 to anyone who names them.
    assert!((0.5..=1.0).contains(&score), "{score}");

    let lines = submission(&out);
    assert_eq!(lines[0], ["image_name", "tags"]);
    assert_answers_all(&lines, &setting.folder.join("test-jpg-v2"));
    let table = fs::read_to_string(setting.folder.join("train_v2.csv")).unwrap();
    for tag in lines[1..].iter().flat_map(|line| line[1].split_whitespace()) {
        assert!(table.contains(tag), "{tag}");
    }
}
