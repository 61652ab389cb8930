//! The `fastlearn` command when it is stopped, killed and resumed; runs that repeat and compare others.
#![cfg(all(feature = "cli", unix))]

mod slim;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastlearn::{ImageData, Learner, Transforms};
use image::{Rgb, RgbImage};
use models::StateDict;
use tempfile::TempDir;
use tensor_core::random::Philox;

/// A data folder of 24 drawn pictures of three classes, and a working folder.
struct World {
    root: TempDir,
}

impl World {
    fn new() -> World {
        let world = World { root: tempfile::tempdir().expect("a folder") };
        for (class, name) in ["blue", "green", "red"].into_iter().enumerate() {
            let folder = world.path("data").join(name);
            fs::create_dir_all(&folder).expect("a folder");
            for number in 0..8 {
                let shade = |x: u32, y: u32| {
                    let mut pixel = [(90 + 11 * number) as u8; 3];
                    pixel[class] = (120 + (x * 5 + y * 3 + number * 17) % 120) as u8;
                    Rgb(pixel)
                };
                let picture = RgbImage::from_fn(24, 24, shade);
                picture.save(folder.join(format!("{number}.png"))).expect("a picture");
            }
        }
        fs::create_dir_all(world.path("work")).expect("a folder");
        world
    }

    /// A body of ten layers as if pre-trained, that says which architecture it is of.
    fn store_body(&self) {
        let slim = slim::slim();
        let data = ImageData::from_folders(self.path("data"), Transforms::none(16)).expect("data");
        let builder = Learner::builder(slim.clone(), data).random_weights();
        let whole = self.path("whole.safetensors");
        builder.build().expect("built").save(&whole).expect("saved");
        let mut state = StateDict::read(&whole).expect("read");
        let names: Vec<String> = state.iter().map(|(name, _)| name.to_owned()).collect();
        for name in names.iter().filter(|name| name.starts_with("head.")) {
            state.remove(name);
        }
        state.metadata_mut().clear();
        state.metadata_mut().insert("architecture".to_owned(), slim.to_json());
        state.write(self.path("body.safetensors")).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastlearn"));
        let root = self.root.path().to_str().expect("a path");
        command
            .args(arguments.split_whitespace().map(|word| word.replace("ROOT", root)))
            .current_dir(self.path("work"))
            .env("FASTLEARN_CACHE", self.path("cache"));
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().expect("the command starts")
    }

    fn done(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments}\n{}", text(&output.stderr));
        text(&output.stdout)
    }

    fn refused(&self, arguments: &str, code: i32) -> String {
        let output = self.run(arguments);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}\n{err}");
        assert!(err.contains("error: ") && !err.contains("panicked"), "{err}");
        err
    }

    fn start(&self, arguments: &str) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts")
    }

    /// Starts a run and comes back once it has written a checkpoint.
    fn under_way(&self, arguments: &str, run: &str) -> Child {
        let child = self.start(arguments);
        let checkpoint = self.path(run).join("checkpoint.safetensors");
        wait_for(|| checkpoint.is_file());
        child
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn wait_for(happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it does not happen");
        sleep(Duration::from_millis(2));
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
}

/// The model's values by name, as bits, and all that the history says but the seconds.
fn result(run: &Path) -> (Vec<(String, Vec<u32>)>, Vec<String>) {
    let state = StateDict::read(run.join("model.safetensors")).expect("a model");
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
    let model = state.iter().map(|(name, tensor)| (name.to_owned(), bits(&tensor.values)));
    let history = fs::read_to_string(run.join("history.csv")).expect("a history");
    let without_seconds =
        |line: &str| line.rsplit_once(',').map_or("", |(rest, _)| rest).to_owned();
    (model.collect(), history.lines().map(without_seconds).collect())
}

#[track_caller]
fn assert_same(left: &Path, right: &Path) {
    let ((model, history), (other_model, other_history)) = (result(left), result(right));
    assert_eq!(history, other_history);
    for ((name, bits), (other_name, other_bits)) in model.iter().zip(&other_model) {
        assert_eq!(name, other_name);
        assert!(bits == other_bits, "{name} differs");
    }
    let predictions =
        [left, right].map(|run| fs::read(run.join("predictions.csv")).expect("there"));
    assert!(predictions[0] == predictions[1], "predictions differ");
}

const TINY: &str = "--size 16 --batch-size 8 --workers 1 --threads 1 --transforms basic";

/// Rates are found, the precomputed stage is trained, then the head, then all: whenever the process is
/// killed, `--resume` comes to the same bits.
#[test]
fn a_run_that_is_killed_at_any_moment_ends_with_the_same_bits() {
    let world = World::new();
    world.store_body();
    let recipe = format!(
        "train ROOT/data {TINY} --weights ROOT/body.safetensors --cycles-frozen 1 --cycles 2 \
         --cycle-mult 1 --tta 1 --checkpoint 1"
    );
    let begun = Instant::now();
    world.done(&format!("{recipe} --out ROOT/whole"));
    let whole = begun.elapsed();

    const KILLS: usize = 20;
    let mut random = Philox::new(u64::from(std::process::id())).stream([0, 0, 0]);
    let (mut kills, mut runs) = (0, 0);
    while kills < KILLS {
        let folder = format!("run-{runs}");
        runs += 1;
        let mut arguments = format!("{recipe} --out ROOT/{folder}");
        loop {
            let mut child = world.start(&arguments);
            // Mostly short lives, so that a run takes several of them.
            let life = whole.mul_f64(f64::from(random.unit()).powi(2) * 0.9);
            let deadline = Instant::now() + life;
            let ended = loop {
                if let Some(status) = child.try_wait().expect("a child") {
                    break Some(status);
                }
                if kills < KILLS && Instant::now() >= deadline {
                    break None;
                }
                sleep(Duration::from_millis(1));
            };
            let folder = world.path(&folder);
            if let Some(status) = ended {
                let mut err = String::new();
                let stderr = child.stderr.as_mut().expect("piped");
                std::io::Read::read_to_string(stderr, &mut err).expect("text");
                // It may have been killed when it had done everything but end.
                let is_done = status.success() || err.contains("this run is finished");
                assert!(is_done, "after {kills} kills: {err}");
                break;
            }
            child.kill().expect("killed");
            child.wait().expect("dead");
            kills += 1;
            if folder.join("recipe.toml").is_file() {
                arguments = format!("train --resume {}", folder.display());
            } else {
                // It had written nothing yet: there is nothing to go on with.
                let _ = fs::remove_dir_all(&folder);
            }
        }
        assert_same(&world.path("whole"), &world.path(&folder));
        let left = fs::read_dir(world.path(&folder)).expect("a folder").flatten();
        let names: Vec<_> = left.map(|entry| entry.file_name()).collect();
        for gone in ["checkpoint.safetensors", ".lock"] {
            assert!(!names.iter().any(|name| name == gone), "{names:?}");
        }
        assert!(!names.iter().any(|name| name.to_string_lossy().starts_with(".writing-")));
    }
    println!("{kills} kills in {runs} runs of {whole:?}");
}

/// A long run from random weights.
const LONG: &str = "--weights none --arch resnet18 --lr 0.01 --cycles-frozen 400 --cycles 0 --tta 0 --checkpoint 1";

#[test]
fn an_interrupted_run_says_how_to_go_on() {
    let world = World::new();
    for name in ["INT", "TERM"] {
        let run = format!("run-{name}");
        let settings = format!("train ROOT/data {TINY} {LONG} --out ROOT/{run}");
        let child = world.under_way(&settings, &run);
        signal(&child, name);
        let output = child.wait_with_output().expect("it ends");
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{err}");
        assert!(err.contains("finishing the batch"), "{err}");
        let folder = world.path(&run);
        let hint = format!("fastlearn train --resume {}", folder.display());
        assert!(err.contains(&hint), "{err}");

        // Settings cannot be changed on the way; the same run goes on where it stood.
        let error = world.refused(&format!("train --resume ROOT/{run} --lr 0.1"), 1);
        assert!(error.contains("--lr") && error.contains("--like"), "{error}");
        let before = fs::metadata(folder.join("checkpoint.safetensors")).expect("there").modified();
        let child = world.start(&format!("train --resume ROOT/{run} --threads 2"));
        let checkpoint = folder.join("checkpoint.safetensors");
        let written = before.expect("a time");
        wait_for(|| {
            let metadata = fs::metadata(&checkpoint).and_then(|metadata| metadata.modified());
            metadata.is_ok_and(|modified| modified > written)
        });
        // While it runs nobody else writes there.
        let error = world.refused(&format!("train --resume ROOT/{run}"), 1);
        assert!(error.contains("another run"), "{error}");
        signal(&child, "INT");
        assert_eq!(child.wait_with_output().expect("it ends").status.code(), Some(130));
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let world = World::new();
    let settings = format!("train ROOT/data {TINY} {LONG} --size 256 --out ROOT/run")
        .replace("--size 16 ", "");
    let child = world.start(&settings);
    wait_for(|| world.path("run/recipe.toml").is_file());
    signal(&child, "INT");
    signal(&child, "INT");
    sleep(Duration::from_millis(30));
    // It may have been done with the batch already.
    let _ =
        Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
    assert_eq!(child.wait_with_output().expect("it ends").status.code(), Some(130));
}

#[test]
fn runs_are_repeated_with_changes_and_compared() {
    let world = World::new();
    let settings =
        "--weights none --arch resnet18 --lr 1e-4..1e-2 --cycles-frozen 1 --cycles 1 --tta 0";
    world.done(
        &format!("train ROOT/data {TINY} {settings} --size 24 --out ROOT/one")
            .replace("--size 16 ", ""),
    );
    let recipe = fs::read_to_string(world.path("one/recipe.toml")).expect("a recipe");
    for setting in ["version = 2", "finished = true", "lr = \"1e-4..1e-2\"", "batch_size = \"8\""] {
        assert!(recipe.contains(setting), "{setting} in {recipe}");
    }

    // The same again is the same; from another folder, too.
    let mut again = world.command("train --like ROOT/one --out ROOT/two");
    assert!(again.current_dir(world.path("data")).status().expect("starts").success());
    assert_same(&world.path("one"), &world.path("two"));
    let same = world.done("compare ROOT/one ROOT/two");
    assert!(same.contains("settings that differ: none"), "{same}");
    assert!(same.contains("0 pictures with different predictions"), "{same}");

    // Sizes one after the other, and another seed.
    let table =
        world.done("train --like ROOT/one --size 16,32 --seed 7 --cycles 2 --out ROOT/three");
    for stage in
        ["B from scratch at 16", "C unfrozen at 16", "B from scratch at 32", "C unfrozen at 32"]
    {
        assert!(table.contains(stage), "{stage} in {table}");
    }
    let history = fs::read_to_string(world.path("three/history.csv")).expect("a history");
    assert!(
        history.contains("\nunfrozen at 16,") && history.contains("\nunfrozen at 32,"),
        "{history}"
    );
    let recipe = fs::read_to_string(world.path("three/recipe.toml")).expect("a recipe");
    assert!(recipe.contains("batch_size = \"8\"") && recipe.contains("seed = \"7\""), "{recipe}");
    let model = StateDict::read_metadata(world.path("three/model.safetensors")).expect("a model");
    assert!(model["fastlearn.transforms"].contains("32"), "{model:?}");
    let report = world.done("compare ROOT/one ROOT/three");
    for part in
        ["seed: 42 | 7", "training.sizes: [24] | [16, 32]", "run 1:", "run 2:", "pictures with"]
    {
        assert!(report.contains(part) || part == "pictures with", "{part} in {report}");
    }
    let document = world.done("compare ROOT/one ROOT/three --json");
    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    assert!(document["settings"].as_array().is_some_and(|settings| settings.len() >= 3));
}

#[test]
fn run_folders_that_cannot_be_used_are_refused() {
    let world = World::new();
    let settings = format!(
        "{TINY} --weights none --arch resnet18 --lr 0.01 --cycles-frozen 1 --cycles 0 --tta 0"
    );
    world.done(&format!("train ROOT/data {settings} --out ROOT/run"));
    let error = world.refused("train --resume ROOT/run", 1);
    assert!(error.contains("finished") && error.contains("--like"), "{error}");
    let error = world.refused(&format!("train ROOT/data {settings} --out ROOT/run"), 1);
    assert!(error.contains("not empty"), "{error}");
    let error = world.refused("train --like ROOT/data", 1);
    assert!(error.contains("no run folder"), "{error}");
    world.refused("train --like ROOT/run --resume ROOT/run", 2);
    world.refused("train", 2);

    let recipe = fs::read_to_string(world.path("run/recipe.toml")).expect("a recipe");
    let written = |folder: &str, text: &str| {
        fs::create_dir_all(world.path(folder)).expect("a folder");
        fs::write(world.path(folder).join("recipe.toml"), text).expect("written");
    };
    // What a recipe of the version before looked like, and one that was cut off.
    written("old", "fastlearn = \"0.0.9\"\nseed = 1\n");
    let error = world.refused("train --like ROOT/old", 1);
    assert!(error.contains("version 1") && error.contains("0.0.9"), "{error}");
    written("cut", &recipe[..recipe.len() / 3]);
    for command in ["train --like ROOT/cut", "compare ROOT/run ROOT/cut"] {
        let error = world.refused(command, 1);
        assert!(error.contains("cut"), "{error}");
    }
    written("newer", &recipe.replacen("version = 2", "version = 99", 1));
    let error = world.refused("train --resume ROOT/newer", 1);
    assert!(error.contains("version 99"), "{error}");

    // A run whose pictures were moved, before it was finished.
    written("moved", &recipe.replacen("finished = true", "finished = false", 1));
    fs::rename(world.path("data"), world.path("elsewhere")).expect("moved");
    let error = world.refused("train --resume ROOT/moved", 1);
    assert!(error.contains("not in") && error.contains("fastlearn train DIR --resume"), "{error}");
    world.done("train ROOT/elsewhere --resume ROOT/moved");
    assert_same(&world.path("run"), &world.path("moved"));
}
