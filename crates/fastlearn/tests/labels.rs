//! The `fastlearn` command on tables, tags and names: what it makes of them, and which fault names which
//! line.
#![cfg(feature = "cli")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

/// A folder `images` of pictures `00.png` on, red or blue on the left and the right, and tables of what
/// they show.
struct World {
    root: TempDir,
}

const COUNT: usize = 40;

impl World {
    fn new() -> World {
        let world = World { root: tempfile::tempdir().expect("a folder") };
        fs::create_dir_all(world.path("data/images")).expect("a folder");
        fs::create_dir_all(world.path("work")).expect("a folder");
        let (mut tags, mut labels) = ("image_name,tags\n".to_owned(), "id;label\r\n".to_owned());
        for number in 0..COUNT {
            let (red, blue) = (number % 2 == 0, number % 4 < 2);
            picture(red, blue, number)
                .save(world.path(&format!("data/images/{number:02}.png")))
                .expect("saved");
            let shown = [(red, "red"), (blue, "blue"), (!red && !blue, "grey")];
            let shown: Vec<&str> = shown.iter().filter(|one| one.0).map(|one| one.1).collect();
            tags.push_str(&format!("{number:02},{}\n", shown.join(" ")));
            labels.push_str(&format!("{number:02};{}\r\n", if red { "red" } else { "none" }));
        }
        world.write("data/tags.csv", &tags);
        world.write("data/labels.csv", &labels);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn run(&self, arguments: &str) -> Output {
        let root = self.root.path().to_str().expect("a path");
        let words = arguments.split_whitespace().map(|word| word.replace("ROOT", root));
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastlearn"));
        command
            .args(words)
            .current_dir(self.path("work"))
            .env("FASTLEARN_CACHE", self.path("cache"));
        command.output().expect("the command starts")
    }

    /// Standard output and standard error.
    fn done(&self, arguments: &str) -> (String, String) {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments}\n{out}\n{err}");
        (out, err)
    }

    /// Runs what must fail; returns standard error.
    fn refused(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}\n{err}");
        assert!(err.contains("error: ") && !err.contains("panicked"), "{err}");
        err
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one document")
}

fn picture(red: bool, blue: bool, number: usize) -> RgbImage {
    let ground = (60 + number * 13 % 50) as u8;
    RgbImage::from_fn(32, 32, |x, y| {
        let place = (6..26).contains(&y);
        match (x, place) {
            (3..14, true) if red => Rgb([230, 40, 30]),
            (18..29, true) if blue => Rgb([30, 50, 235]),
            _ => Rgb([ground; 3]),
        }
    })
}

/// A quick training from nothing at all.
const TINY: &str = "--size 32 --batch-size 8 --threads 2 --workers 1 --weights none --arch resnet18 \
                    --lr 0.02 --cycles-frozen 0 --cycles 1 --transforms none";

#[test]
fn tags_from_a_table_are_learned_judged_and_written() {
    let world = World::new();
    let train = format!(
        "train ROOT/data --csv tags.csv --images images {TINY} --cycle-length 5 --tta 1 --json \
         --out ROOT/run --test ROOT/data/images"
    );
    let (out, err) = world.done(&train);
    let document = json(&out);
    assert!(err.contains("`.png` was added to 40 ids") && err.contains("up to 2 labels"), "{err}");
    assert!(err.contains("f2 at 0.2"), "the table has columns of tags: {err}");
    assert_eq!((&document["pictures"], &document["accuracy"]), (&Value::from(8), &Value::Null));
    let f2 = document["f2"].as_f64().expect("a number");
    assert!(f2 >= document["f2_at_0.2"].as_f64().expect("a number") && f2 <= 1.0);
    for file in ["thresholds.png", "thresholds.csv", "history.png", "predictions.csv"] {
        assert!(world.path("run").join(file).is_file(), "{file}");
    }
    let curve = fs::read_to_string(world.path("run/thresholds.csv")).expect("read");
    assert_eq!((curve.lines().count(), curve.lines().next()), (100, Some("threshold,f2")));
    let predictions = fs::read_to_string(world.path("run/predictions.csv")).expect("read");
    assert!(predictions.starts_with("id,truth,prediction,blue,grey,red\n"), "{predictions}");
    assert!(predictions.contains("images/04.png,blue red,"), "{predictions}");
    let test = fs::read_to_string(world.path("run/test-predictions.csv")).expect("read");
    assert!(test.starts_with("id,prediction,blue,grey,red\n"), "{test}");
    assert_eq!(test.lines().count(), 1 + COUNT);

    // The same pictures that were held out, at the threshold that was best on them.
    let evaluate = "evaluate ROOT/run/model.safetensors ROOT/data --csv tags.csv --images images \
                    --split valid --tta 1 --json";
    let judged = json(&world.done(evaluate).0);
    for name in ["pictures", "f2", "threshold", "log_loss"] {
        assert_eq!(judged[name], document[name], "{name}");
    }
    assert_eq!(judged["class_scores"].as_array().map(Vec::len), Some(3));
    let (report, _) = world.done(&evaluate.replace("--json", "--threshold 0.3"));
    assert!(report.contains("at threshold 0.3 (") && report.contains("precision"), "{report}");

    let (tags, _) = world.done("predict ROOT/run/model.safetensors ROOT/data/images --tags");
    let lines: Vec<&str> = tags.lines().collect();
    assert_eq!((lines.len(), lines[0]), (1 + COUNT, "image_name,tags"));
    assert!(lines[1].starts_with("00,"), "{tags}");
    let known = |tag: &str| ["blue", "grey", "red"].contains(&tag);
    let tags = lines[1..].iter().flat_map(|line| line[3..].split_whitespace());
    assert!(tags.clone().all(known) && tags.count() > 0);

    let error = world.refused("evaluate ROOT/run/model.safetensors ROOT/data");
    assert!(error.contains("--csv"), "{error}");
    world.write("data/other.csv", "id,tags\n00,red\n01,red zebra\n");
    let error = world
        .refused("evaluate ROOT/run/model.safetensors ROOT/data --csv other.csv --images images");
    assert!(error.contains("other.csv:3: `zebra`"), "{error}");
}

#[test]
fn labels_from_a_table_with_ids_to_judge_by_and_a_test_table() {
    let world = World::new();
    world.write("valid.txt", "00\n01.png\n02\n03\n06\n");
    world.write("data/test.csv", "id;label\n10;red\n11;none\n");
    let train = format!(
        "train ROOT/data --csv labels.csv --images images --valid-ids ROOT/valid.txt {TINY} --tta 0 \
         --oversample --test-csv test.csv --test images --limit 12 --json --out ROOT/run"
    );
    let document = json(&world.done(&train).0);
    assert_eq!(document["pictures"], 5);
    assert_eq!(document["settings"]["data"]["training_pictures"], 12);
    assert_eq!((&document["test"]["pictures"], &document["f2"]), (&Value::from(2), &Value::Null));
    assert!(document["test"]["accuracy"].is_number());
    let written = fs::read_to_string(world.path("run/test-predictions.csv")).expect("read");
    assert!(written.starts_with("id,truth,prediction,none,red\nimages/10.png,red,"), "{written}");
    let judged = json(
        &world
            .done(
                "evaluate ROOT/run/model.safetensors ROOT/data --csv labels.csv --images images \
                 --predictions ROOT/p.csv --json",
            )
            .0,
    );
    assert_eq!(judged["pictures"], COUNT);
    assert_eq!(fs::read_to_string(world.path("p.csv")).expect("read").lines().count(), 1 + COUNT);
}

#[test]
fn every_picture_can_be_learned_from_and_names_can_be_labels() {
    let world = World::new();
    fs::create_dir(world.path("flat")).expect("a folder");
    for number in 0..COUNT {
        let class = if number % 2 == 0 { "red" } else { "none" };
        let copy = world.path(&format!("flat/{class}.{number}.png"));
        fs::copy(world.path(&format!("data/images/{number:02}.png")), copy).expect("copied");
    }
    let names = r"--names ^(\w+)\.";
    let (out, _) = world.done(&format!("train ROOT/flat {names} {TINY} --all --out ROOT/run"));
    assert!(out.contains("cycle epoch   trn_loss          time"), "{out}");
    assert!(!out.contains("accuracy") && out.contains("model: "), "{out}");
    assert!(!world.path("run/predictions.csv").exists());
    let (out, _) = world.done(&format!("evaluate ROOT/run/model.safetensors ROOT/flat {names}"));
    assert!(out.contains(&format!("of {COUNT} pictures")), "{out}");
    let (out, _) =
        world.done(&format!("evaluate ROOT/run/model.safetensors ROOT/flat {names} --split valid"));
    assert!(out.contains("of 8 pictures"), "{out}");
    let error = world.refused(&format!(r"train ROOT/flat --names ^(red)\. {TINY}"));
    assert!(error.contains("none.1.png") && error.contains("finds no class"), "{error}");
    let finder = format!("lr-find ROOT/flat {names} --all {TINY} --out ROOT/lr");
    world.done(&finder.replace("--lr 0.02 --cycles-frozen 0 --cycles 1", ""));
}

#[test]
fn folds_judge_every_picture_and_can_be_repeated_one_by_one() {
    let world = World::new();
    let train = format!(
        "train ROOT/data --csv labels.csv --images images {TINY} --tta 0 --folds 3 --json --out ROOT/run"
    );
    let document = json(&world.done(&train).0);
    let folds = document["folds"].as_array().expect("folds");
    let judged: Vec<u64> = folds.iter().filter_map(|fold| fold["pictures"].as_u64()).collect();
    assert_eq!(judged, [13, 13, 14]);
    let losses: Vec<f64> = folds.iter().filter_map(|fold| fold["log_loss"].as_f64()).collect();
    let mean = document["measures"]["log_loss"]["mean"].as_f64().expect("a number");
    assert!((mean - losses.iter().sum::<f64>() / 3.0).abs() < 1e-12);
    assert!(document["measures"]["accuracy"]["standard_deviation"].is_number());
    let again = json(&world.done("train --like ROOT/run/fold-1 --json --out ROOT/again").0);
    assert_eq!(again["log_loss"], folds[1]["log_loss"]);
    world.write("data/alone.csv", "id,label\n00,red\n01,red\n02,lonely\n03,red\n");
    let error = world.refused(&train.replace("labels.csv", "alone.csv").replace("/run", "/other"));
    assert!(error.contains("`lonely`"), "{error}");
}

#[test]
fn bad_tables_are_refused_by_name_and_line() {
    let world = World::new();
    let refused = |csv: &str, more: &str| {
        world.refused(&format!("train ROOT/data --csv {csv} --images images {more} {TINY}"))
    };
    world.write("data/missing.csv", "id,label\n00,a\n01,b\n99,a\n");
    world.write("data/twice.csv", "id,label\n00,a\n01,b\n00,b\n");
    world.write("data/empty.csv", "");
    world.write("data/unlabelled.csv", "id,label\n00,a\n01,\n");
    world.write("data/single.csv", "id,label\n00,a\n01,a\n02,a\n03,a\n04,a\n");
    fs::write(world.path("data/latin.csv"), b"id,label\n00,caf\xe9\n").expect("written");
    world.write("ids.txt", "00\n77\n");
    for (csv, more, words) in [
        ("missing.csv", "", "missing.csv:4: there is no picture `99`"),
        ("twice.csv", "", "twice.csv:4: `00` is there already, on line 2"),
        ("empty.csv", "", "empty.csv: the table is empty"),
        ("unlabelled.csv", "", "unlabelled.csv:3: the label is empty"),
        ("latin.csv", "", "latin.csv:2: the byte 0xe9 is not UTF-8"),
        ("single.csv", "", "at least two"),
        ("labels.csv", "--separator ,", "labels.csv:1: there is one column"),
        ("labels.csv", "--label-column breed", "labels.csv:1: there is no column `breed`"),
        ("labels.csv", "--valid-ids ROOT/ids.txt", "ids.txt:2: there is no picture `77`"),
        ("labels.csv", "--suffix .jpg", "labels.csv:2: there is no picture `00`"),
        ("nowhere.csv", "", "nowhere.csv: "),
    ] {
        let error = refused(csv, more);
        assert!(error.contains(words), "{words} in {error}");
    }
    assert_eq!(fs::read_dir(world.path("work")).expect("a folder").count(), 0);
}

#[test]
fn a_folder_is_looked_into_before_anything_is_trained() {
    let world = World::new();
    RgbImage::new(500, 70).save(world.path("data/images/00.png")).expect("saved");
    world.write("data/images/01.png", "Dear reader");
    let whole = fs::read(world.path("data/images/02.png")).expect("read");
    fs::write(world.path("data/images/02.png"), &whole[..whole.len() / 2]).expect("written");
    let (out, _) = world.done("inspect ROOT/data --csv labels.csv --images images --below 100");
    for part in [
        "40 pictures of 2 classes, one class a picture; 8 to judge by",
        "one point of accuracy is 0.1 of them",
        "suggested: --size 32",
        "1 file cannot be read",
        "images/01.png",
        "1 above",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let sizes = fs::read_to_string(world.path("work/sizes.csv")).expect("written");
    assert!(sizes.starts_with("file,width,height\nimages/00.png,500,70\nimages/02.png,32,32\n"));
    assert_eq!(sizes.lines().count(), 1 + COUNT - 1);

    let inspect =
        "inspect ROOT/data --csv tags.csv --images images --decode --json --out ROOT/s.csv";
    let document = json(&world.done(inspect).0);
    assert_eq!(document["unreadable"].as_array().map(Vec::len), Some(2));
    assert_eq!(document["classes"][0]["pictures"], 20);
    assert_eq!(document["classes"][2], serde_json::json!({ "name": "grey", "pictures": 10 }));
    let counted = |axis: &str| -> u64 {
        let bins = document[axis]["bins"].as_array().expect("bins");
        bins.iter().filter_map(|bin| bin["count"].as_u64()).sum()
    };
    assert_eq!((counted("heights"), counted("widths")), (38, 38));

    let (out, _) = world.done("inspect ROOT/data/images --out ROOT/t.csv");
    assert!(out.contains("40 pictures, without labels"), "{out}");
    let error = world.refused("inspect ROOT/data --csv tags.csv --out ROOT/data/sizes.csv");
    assert!(error.contains("never written to"), "{error}");
}
