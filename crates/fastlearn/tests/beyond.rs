//! What the command adds to the lesson: kept weights, several models, softer targets, advice.
#![cfg(feature = "cli")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

const TINY: &str = "--size 32 --batch-size 8 --threads 2 --workers 1 --transforms basic --weights none \
                    --arch resnet18 --lr 0.01 --cycles-frozen 0";

/// A data folder of three classes of ten pictures, and an empty cache.
struct World {
    root: TempDir,
}

impl World {
    fn new() -> World {
        let world = World { root: tempfile::tempdir().expect("a folder") };
        for (class, name) in ["bars", "discs", "squares"].into_iter().enumerate() {
            let folder = world.path("data").join(name);
            fs::create_dir_all(&folder).expect("a folder");
            for number in 0..10 {
                let file = folder.join(format!("{number}.png"));
                picture(class, number).save(file).expect("a picture");
            }
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn run(&self, arguments: &str) -> Output {
        let root = self.root.path().to_str().expect("a path");
        let words = arguments.split_whitespace().map(|word| word.replace("ROOT", root));
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastlearn"));
        command.args(words).env("FASTLEARN_CACHE", self.path("cache"));
        command.output().expect("the command starts")
    }

    fn done(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments}\n{error}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.done(arguments)).expect("a document")
    }
}

/// A shape of the class's colour, moved a little.
fn picture(class: usize, number: u32) -> RgbImage {
    let (left, top) = (3 + number % 5, 4 + number * 3 % 7);
    RgbImage::from_fn(32, 40, |x, y| {
        let inside =
            (left..left + 14 - 3 * class as u32).contains(&x) && (top..top + 12).contains(&y);
        let colours = [[225, 70, 45], [60, 205, 80], [70, 85, 235]];
        if inside { Rgb(colours[class]) } else { Rgb([60 + 9 * number as u8; 3]) }
    })
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn snapshots_average_and_temperature_end_in_the_run_folder() {
    let world = World::new();
    let document = world.json(&format!(
        "train ROOT/data {TINY} --cycles 3 --cycle-mult 1 --tta crops3+flip --snapshots --average 2 \
         --temperature --mixup 0.4 --label-smoothing 0.1 --random-sizes 32,40 --tta-each-epoch 1 --json \
         --out ROOT/run"
    ));
    let models = document["ensemble"]["models"].as_array().expect("models");
    let models: Vec<&str> = models.iter().map(|model| model.as_str().expect("a file")).collect();
    assert_eq!(models.len(), 3, "{document:#}");
    let kept = |part: &str| {
        let entries = fs::read_dir(world.path("run")).expect("the run folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().starts_with(part)).count()
    };
    assert_eq!((kept("snapshot-"), kept("average-")), (3, 0));
    let metrics = document["epochs"][1]["metrics"].as_array().expect("metrics");
    let names: Vec<&str> = metrics.iter().filter_map(|metric| metric[0].as_str()).collect();
    assert_eq!(names, ["accuracy", "tta", "tta_loss"]);
    assert_eq!(document["epochs"][1]["soft_targets"], true);

    // Whoever predicts with the files gets what the run got.
    let judge = |models: &str| {
        world.json(&format!("evaluate {models} ROOT/data --split valid --tta crops3+flip --json"))
    };
    let together = judge(&models.join(" "));
    assert!(
        (number(&together["log_loss"]) - number(&document["ensemble"]["log_loss"])).abs() < 1e-5
    );
    let averaged = judge("ROOT/run/model.safetensors");
    assert!((number(&averaged["log_loss"]) - number(&document["log_loss"])).abs() < 1e-5);
    let last = judge(models[2]);
    assert_ne!(last["log_loss"], averaged["log_loss"], "the model is the average");

    let predict = |models: &str| world.done(&format!("predict {models} ROOT/data/bars"));
    let columns = |csv: &str| -> Vec<f64> {
        let cells = csv.lines().skip(1).flat_map(|line| line.split(',').skip(2));
        cells.map(|cell| cell.parse().expect("a number")).collect()
    };
    let together = columns(&predict(&models.join(" ")));
    let single: Vec<Vec<f64>> = models.iter().map(|model| columns(&predict(model))).collect();
    for (index, mean) in together.iter().enumerate() {
        let sum: f64 = single.iter().map(|one| one[index]).sum();
        assert!((mean - sum / 3.0).abs() < 1e-5);
    }
    let none = world.run(&format!("predict {}", models.join(" ")));
    let error = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(1) && error.contains("no pictures"), "{error}");
}

#[test]
fn the_best_epoch_is_kept_and_advice_can_be_silenced() {
    let world = World::new();
    let run = |name: &str, more: &str| {
        let settings = "--cycles 1 --cycle-length 5 --tta 0 --keep loss";
        world.done(&format!("train ROOT/data {TINY} {settings} {more} --out ROOT/{name}"))
    };
    let (loud, quiet) = (run("loud", ""), run("quiet", "--quiet"));
    assert!(loud.contains("the best by loss") && loud.contains("advice: "), "{loud}");
    assert!(!quiet.contains("advice: "), "{quiet}");
    let history = fs::read_to_string(world.path("loud/history.json")).expect("history");
    let history: Value = serde_json::from_str(&history).expect("a document");
    let rows = history["epochs"].as_array().expect("rows");
    let losses: Vec<f64> = rows.iter().map(|row| number(&row["valid_loss"])).collect();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let judged = world.json("evaluate ROOT/loud/model.safetensors ROOT/data --split valid --json");
    assert!((number(&judged["log_loss"]) - least).abs() < 1e-5, "{losses:?}");
    let both = world.run("train ROOT/data --keep loss --average 1");
    assert_eq!(both.status.code(), Some(2));
    // What cannot come true is said before training.
    for (wrong, reason) in [
        ("--cycles 1 --keep acuracy", "loss, accuracy"),
        ("--cycles 1 --average 2", "1 epochs"),
        ("--cycles 0 --snapshots", "left out"),
        ("--cycles 1 --all --temperature", "validation pictures"),
    ] {
        let output = world.run(&format!("train ROOT/data {TINY} {wrong} --out ROOT/wrong"));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && error.contains(reason), "{error}");
        assert!(output.stdout.is_empty() && !world.path("wrong").exists(), "{wrong}");
    }
}
