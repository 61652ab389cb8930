//! The `fastlearn` command from outside: what it prints, writes and refuses.
#![cfg(feature = "cli")]

mod slim;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use autograd::optimizer::Decay;
use fastlearn::{ImageData, Learner, Transforms};
use image::{Rgb, RgbImage};
use models::{Arch, StateDict};
use serde_json::Value;
use tempfile::TempDir;

/// A world of its own: a data folder, an empty cache and a working folder.
struct World {
    root: TempDir,
}

impl World {
    /// Three kinds of shapes, `per_class` pictures of 32 pixels each, as plain class folders.
    fn new(per_class: u32) -> World {
        let world = World { root: tempfile::tempdir().expect("a folder") };
        for (class, name) in ["bars", "discs", "squares"].into_iter().enumerate() {
            let folder = world.data().join(name);
            fs::create_dir_all(&folder).expect("a folder");
            for number in 0..per_class {
                let picture = shape(class, number);
                picture.save(folder.join(format!("{number:02}.png"))).expect("a picture");
            }
        }
        fs::create_dir_all(world.path("work")).expect("a folder");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastlearn"));
        let root = self.root.path().to_str().expect("a path");
        let words = arguments.split_whitespace().map(|word| word.replace("ROOT", root));
        command
            .args(words)
            .current_dir(self.path("work"))
            .env("FASTLEARN_CACHE", self.path("cache"));
        // A proxy that is not there: the network is closed.
        for variable in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(variable, "http://127.0.0.1:9");
        }
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().expect("the command starts")
    }

    fn done(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments}\n{out}\n{err}");
        out
    }

    /// Runs what must fail with this exit code; returns standard error.
    fn refused(&self, arguments: &str, code: i32) -> String {
        let output = self.run(arguments);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}\n{err}");
        assert!(err.contains("error: "), "{err}");
        assert!(!err.contains("panicked"), "{err}");
        err
    }

    /// Weights of a slim network that say which architecture they are of, named `slim` in the cache.
    fn store_slim_weights(&self) {
        let slim = slim::slim();
        let data = ImageData::from_folders(self.data(), Transforms::none(32)).expect("data");
        let mut learner = Learner::builder(slim.clone(), data.batch_size(16))
            .random_weights()
            .build()
            .expect("built");
        learner.weight_decay(0.0, Decay::L2);
        learner.fit(0.05, 2).expect("trained");
        let whole = self.path("whole.safetensors");
        learner.save(&whole).expect("saved");
        let mut state = StateDict::read(&whole).expect("read");
        state.metadata_mut().clear();
        state.metadata_mut().insert("architecture".to_owned(), slim.to_json());
        let heads: Vec<String> = state
            .iter()
            .map(|(name, _)| name.to_owned())
            .filter(|n| n.starts_with("head."))
            .collect();
        heads.iter().for_each(|name| drop(state.remove(name)));
        state.write(self.path("cache/weights/slim.safetensors")).expect("written");
    }
}

fn shape(class: usize, number: u32) -> RgbImage {
    let (left, top) = (6 + number * 5 % 9, 6 + number * 7 % 9);
    let side = 9 + number % 4;
    RgbImage::from_fn(32, 32, |x, y| {
        let (x, y) = (x as i32 - left as i32, y as i32 - top as i32);
        let (side, half) = (side as i32, side as i32 / 2);
        let inside = match class {
            0 => (0..side / 3).contains(&x) && (0..16).contains(&y),
            1 => (x - half).pow(2) + (y - half).pow(2) <= half * half,
            _ => (0..side).contains(&x) && (0..side).contains(&y),
        };
        let ground = (40 + (number * 29) % 60) as u8;
        match (inside, class) {
            (false, _) => Rgb([ground, ground, ground]),
            (true, 0) => Rgb([230, 60, 40]),
            (true, 1) => Rgb([50, 210, 70]),
            (true, _) => Rgb([60, 90, 240]),
        }
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Every file below a folder with its length.
fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        match entry.path().is_dir() {
            true => found.extend(listing(&entry.path())),
            false => found.push((entry.path(), entry.metadata().expect("metadata").len())),
        }
    }
    found.sort();
    found
}

const TINY: &str = "--size 32 --batch-size 8 --threads 2 --workers 1 --transforms basic";

#[test]
fn the_whole_recipe_from_weights_that_name_their_architecture() {
    let world = World::new(14);
    world.store_slim_weights();
    let before = listing(&world.data());
    let table = world.done(&format!(
        "train ROOT/data --weights slim {TINY} --cycles-frozen 2 --cycles 2 --tta 2 --seed 7"
    ));
    assert!(table.contains("resnet10_slim on "), "{table}");
    assert!(
        table.contains("plan: 34 pictures to learn from and 8 to judge by, 3 classes"),
        "{table}"
    );
    for stage in ["A  precomputed", "B  frozen", "C  unfrozen", "five measured batches"] {
        assert!(table.contains(stage), "{stage} in {table}");
    }
    assert!(table.contains("rate before ") && table.contains("the lower, "), "{table}");
    assert_eq!(table.matches("cycle epoch   trn_loss   val_loss  accuracy").count(), 3, "{table}");
    assert!(table.contains("final accuracy: "), "{table}");
    assert_eq!(listing(&world.data()), before, "the data folder was written to");

    let run = world.path("work/runs/data/001");
    for file in [
        "recipe.toml",
        "model.safetensors",
        "history.csv",
        "history.json",
        "predictions.csv",
        "finder-precomputed-rate.png",
        "finder-precomputed-loss.png",
        "finder-unfrozen-loss.png",
        "history.png",
        "schedule-frozen.png",
        "schedule-unfrozen.png",
        "confusion.png",
    ] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let history = fs::read_to_string(run.join("history.csv")).expect("history");
    assert_eq!(history.lines().count(), 1 + 2 + 2 + 3, "{history}");
    let recipe = fs::read_to_string(run.join("recipe.toml")).expect("recipe");
    for setting in ["seed = 7", "batch_size = 8", "architecture = \"resnet10_slim\"", "tta = \"2\""]
    {
        assert!(recipe.contains(setting), "{setting} in {recipe}");
    }
    let predictions = fs::read_to_string(run.join("predictions.csv")).expect("predictions");
    assert!(predictions.starts_with("id,truth,prediction,bars,discs,squares\n"), "{predictions}");
    assert_eq!(predictions.lines().count(), 1 + 8);
    let leftovers = listing(&run);
    assert!(leftovers.iter().all(|(path, _)| !path.to_string_lossy().contains(".writing-")));
}

#[test]
fn a_trained_model_predicts_and_is_judged() {
    let world = World::new(12);
    let settings = format!(
        "{TINY} --weights none --arch resnet18 --lr 0.01 --cycles-frozen 0 --cycles 1 --cycle-length 14 --tta 1"
    );
    let document = json(&world.done(&format!("train ROOT/data {settings} --json --out ROOT/run")));
    let accuracy = document["accuracy"].as_f64().expect("a number");
    assert!(accuracy > 0.6, "{document:#}");
    let interval = &document["accuracy_interval_95"];
    assert!(interval[0].as_f64() < Some(accuracy) && interval[1].as_f64() >= Some(accuracy));
    assert_eq!(document["epochs"].as_array().map(Vec::len), Some(14));
    assert_eq!(document["settings"]["seed"], 42);
    assert_eq!(
        document["settings"]["training"]["rates"][0]["rate"].as_f64(),
        Some(f64::from(0.01_f32))
    );

    // Its own validation pictures get the probabilities that the run had without augmented views.
    let judged =
        json(&world.done("evaluate ROOT/run/model.safetensors ROOT/data --split valid --json"));
    assert_eq!(judged["pictures"], document["pictures"]);
    let last = &document["epochs"][13];
    let log_loss = judged["log_loss"].as_f64().expect("a number");
    assert!((log_loss - last["valid_loss"].as_f64().expect("a number")).abs() < 1e-5, "{judged:#}");
    let counted: u64 = judged["confusion_matrix"]
        .as_array()
        .expect("rows")
        .iter()
        .flat_map(|row| row.as_array().expect("counts"))
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(Some(counted), judged["pictures"].as_u64());

    let report = world.done("evaluate ROOT/run/model.safetensors ROOT/data --batch-size 7");
    assert!(report.contains("of 36 pictures") && report.contains("true \\ predicted"), "{report}");

    let csv =
        world.done("predict ROOT/run/model.safetensors ROOT/data/discs ROOT/data/bars/03.png");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (1 + 13, "id,prediction,bars,discs,squares"));
    for line in &lines[1..] {
        let sum: f64 =
            line.split(',').skip(2).map(|cell| cell.parse::<f64>().expect("a number")).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{line}");
    }
    assert!(lines[13].contains("data/bars/03.png,"), "{csv}");
    world.done("predict ROOT/run/model.safetensors ROOT/data/discs ROOT/data/bars/03.png --out ROOT/p/p.csv");
    assert_eq!(fs::read_to_string(world.path("p/p.csv")).expect("written"), csv);

    model_files_that_do_not_fit(&world);
}

fn model_files_that_do_not_fit(world: &World) {
    let model = world.path("run/model.safetensors");
    let mut state = StateDict::read(&model).expect("read");
    state.metadata_mut().insert("fastlearn.version".to_owned(), "99".to_owned());
    state.write(world.path("newer.safetensors")).expect("written");
    let error = world.refused("predict ROOT/newer.safetensors ROOT/data", 1);
    assert!(error.contains("newer.safetensors") && error.contains("version 99"), "{error}");

    let bytes = fs::read(&model).expect("read");
    fs::write(world.path("cut.safetensors"), &bytes[..bytes.len() / 2]).expect("written");
    let error = world.refused("evaluate ROOT/cut.safetensors ROOT/data", 1);
    assert!(error.contains("cut.safetensors"), "{error}");

    fs::create_dir_all(world.path("other/zebras")).expect("a folder");
    fs::copy(world.data().join("bars/00.png"), world.path("other/zebras/0.png")).expect("copied");
    let error = world.refused("evaluate ROOT/run/model.safetensors ROOT/other", 1);
    assert!(error.contains("zebras"), "{error}");

    fs::write(world.path("letter.jpg"), "Dear reader").expect("written");
    let error = world.refused("predict ROOT/run/model.safetensors ROOT/letter.jpg", 1);
    assert!(error.contains("letter.jpg"), "{error}");
}

#[test]
fn a_rate_that_diverges_keeps_the_last_finished_cycle() {
    let world = World::new(10);
    let error = world.refused(
        &format!("train ROOT/data {TINY} --weights none --arch resnet18 --lr 1e30 --out ROOT/run"),
        1,
    );
    assert!(error.contains("not finite") && error.contains("model.safetensors"), "{error}");
    let csv = world.done("predict ROOT/run/model.safetensors ROOT/data/bars");
    assert!(!csv.to_lowercase().contains("nan"), "{csv}");
}

#[test]
fn two_runs_get_two_folders_and_the_same_numbers() {
    let world = World::new(8);
    let settings = format!(
        "train ROOT/data {TINY} --weights none --arch resnet18 --lr 0.01 --cycles-frozen 1 --cycles 0 --tta 0 --json"
    );
    let (one, two) = (
        json(&world.done(&settings)),
        json(&world.done(&settings.replace("--threads 2", "--threads 1"))),
    );
    assert_eq!(one["log_loss"], two["log_loss"]);
    assert!(one["run_folder"].as_str().is_some_and(|path| path.ends_with("001")));
    assert!(two["run_folder"].as_str().is_some_and(|path| path.ends_with("002")));
    let error = world.refused(&format!("{settings} --out runs/data/002"), 1);
    assert!(error.contains("not empty"), "{error}");
}

#[test]
fn the_rate_finder_stands_alone() {
    let world = World::new(8);
    let document = json(&world.done(&format!(
        "lr-find ROOT/data {TINY} --weights none --arch resnet18 --limit 12 --out ROOT/lr --json"
    )));
    assert!(document["rate"].as_f64().is_some_and(|rate| rate > 0.0));
    for file in ["finder-rate.png", "finder-loss.png", "finder.csv"] {
        assert!(world.path("lr").join(file).is_file(), "{file}");
    }
}

#[test]
fn without_weights_and_network_nothing_begins() {
    let world = World::new(6);
    let error = world.refused(&format!("train ROOT/data {TINY} --out ROOT/run"), 1);
    for remedy in ["resnet34", "--weights"] {
        assert!(error.contains(remedy), "{remedy} in {error}");
    }
    assert!(!world.path("run").exists());
    let error = world.refused(&format!("train ROOT/data {TINY} --weights nowhere"), 1);
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn bad_folders_are_refused_by_name() {
    let world = World::new(6);
    let train = |arguments: &str| {
        world.refused(&format!("train {arguments} {TINY} --weights none --arch resnet18"), 1)
    };
    assert!(train("ROOT/missing").contains("missing"));
    fs::create_dir(world.data().join("unicorns")).expect("a folder");
    assert!(train("ROOT/data").contains("unicorns"));
    fs::remove_dir(world.data().join("unicorns")).expect("removed");
    assert!(train("ROOT/data --out ROOT/data/runs").contains("never written to"));
    fs::write(world.path("file"), "").expect("written");
    assert!(train("ROOT/data --out ROOT/file/run").contains("cannot be written"));
    fs::create_dir_all(world.path("single/only")).expect("a folder");
    for number in 0..5 {
        let copy = world.path("single/only").join(format!("{number}.png"));
        fs::copy(world.data().join("bars/00.png"), copy).expect("copied");
    }
    assert!(train("ROOT/single").contains("only"));
    assert_eq!(fs::read_dir(world.path("work")).expect("a folder").count(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_run_folder_is_refused_before_any_work() {
    let world = World::new(6);
    // Not even the superuser can make a folder there.
    let settings = format!("{TINY} --weights none --out /proc/fastlearn-run");
    let error = world.refused(&format!("train ROOT/data {settings}"), 1);
    assert!(error.contains("/proc/fastlearn-run") && error.contains("--out"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_with_the_files_name_and_leaves_nothing_half_written() {
    let world = World::new(8);
    world.store_slim_weights();
    let settings = format!(
        "train ROOT/data --weights slim {TINY} --cycles-frozen 1 --cycles 1 --tta 0 --out ROOT/run"
    );
    let plain = world.command(&settings);
    // No file may grow beyond this many blocks: enough for the tables, for neither activations nor model.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"]).arg(plain.get_program());
    limited.args(plain.get_args()).current_dir(world.path("work"));
    limited.env("FASTLEARN_CACHE", world.path("cache"));
    let output = limited.output().expect("the command starts");
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    let [notice, error] = ["activations", "error: cannot write"].map(|part| err.find(part));
    assert!(notice.is_some() && notice < error, "{err}");
    assert!(err.contains("run/checkpoint.safetensors") && err.contains("room"), "{err}");
    let names = |folder| listing(&world.path(folder)).into_iter().map(|(path, _)| path);
    for path in names("run").chain(names("cache")) {
        let name = path.to_string_lossy().into_owned();
        assert!(!name.contains(".writing-") && !name.ends_with("checkpoint.safetensors"), "{name}");
    }
    assert!(world.path("run/recipe.toml").is_file());
}

#[test]
fn wrong_usage_is_code_two() {
    let world = World::new(1);
    let error = world.refused("train ROOT/data --arch resnet35", 2);
    assert!(error.contains("resnet34"), "{error}");
    for arguments in [
        "train",
        "train ROOT/data --lr fast",
        "train ROOT/data --batch-size 0",
        "train ROOT/data --valid 7",
        "predict model.safetensors",
        "fly",
    ] {
        world.refused(arguments, 2);
    }
}

#[test]
fn debugging_shows_choices_and_then_every_op() {
    let world = World::new(2);
    let data = ImageData::from_folders(world.data(), Transforms::none(32)).expect("data");
    let learner = Learner::builder(Arch::ResNet18, data).random_weights();
    let learner = learner.cache_folder(world.path("cache")).build().expect("a learner");
    learner.save(world.path("model.safetensors")).expect("saved");
    let shown = |level: &str| {
        let mut command = world.command("predict ROOT/model.safetensors ROOT/data --threads 2");
        let output = command.env("FASTLEARN_DEBUG", level).output().expect("the command starts");
        (output.status.code(), text(&output.stderr), text(&output.stdout))
    };
    let (code, plain, _) = shown("0");
    assert!(code == Some(0) && !plain.contains("debug:"), "{plain}");
    let (_, choices, _) = shown("1");
    assert!(choices.contains("debug: device: ") && !choices.contains("GFLOP/s"), "{choices}");
    let (code, ops, out) = shown("2");
    let line = ops.lines().find(|line| line.contains("conv.forward"));
    let line = line.expect("a convolution").to_owned();
    assert!(line.contains(" c=3] by [n=64 h=7 w=7 c=3]") && line.contains("GB/s"), "{line}");
    assert!(code == Some(0) && !out.contains("debug:"));
    let (code, error, _) = shown("all");
    assert!(code == Some(1) && error.contains("FASTLEARN_DEBUG is all"), "{error}");
}

#[test]
fn doctor_tells_what_there_is() {
    let world = World::new(1);
    fs::create_dir_all(world.path("cache/weights")).expect("a folder");
    fs::write(world.path("cache/weights/mine.safetensors"), [0; 1000]).expect("written");
    let report = world.done("doctor");
    for part in
        ["fastlearn ", "device: ", "CUDA: ", "portable", "threads: ", "memory: ", "  mine (0.0 MB)"]
    {
        assert!(report.contains(part), "{part} in {report}");
    }
    let document = json(&world.done("doctor --json --instruction-set portable --threads 1"));
    assert_eq!(document["threads"], 1);
    assert_eq!(document["weights"][0]["bytes"], 1000);
    assert_eq!(document["cuda"]["used"], false, "threads and instruction set are the CPU's");
    assert!(document["cuda"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
}

/// No machine has that many.
const NO_SUCH_GPU: &str = "--device cuda:9999";

#[test]
fn a_gpu_that_cannot_be_used_is_an_error_and_no_run_on_the_cpu() {
    let world = World::new(6);
    let error = world
        .refused(&format!("train ROOT/data --size 32 --workers 1 --weights none {NO_SUCH_GPU}"), 1);
    assert!(error.contains("CUDA"), "{error}");
    let output = world.run(&format!("doctor --json {NO_SUCH_GPU}"));
    assert_eq!(output.status.code(), Some(1), "it says so in its exit code");
    let document = json(&text(&output.stdout));
    assert_eq!(document["device"], Value::Null, "and still reports");
    assert_eq!(document["cuda"]["used"], false);
}

#[test]
fn devices_are_named_by_argument_or_environment() {
    let world = World::new(1);
    assert!(world.refused("doctor --device gpu", 2).contains("`gpu` is no device"));
    assert!(world.refused("doctor --device cuda --threads 1", 1).contains("settings of the CPU"));
    assert!(world.refused("doctor --device cpu --precision bf16", 1).contains("bf16 needs"));
    let named = |name: &str| world.command("doctor --json").env("FASTLEARN_DEVICE", name).output();
    let cpu = json(&text(&named("cpu").expect("starts").stdout));
    assert!(cpu["device"].as_str().is_some_and(|device| device.contains("CPU")), "{cpu}");
    let wrong = named("gpu").expect("starts");
    assert!(text(&wrong.stderr).contains("FASTLEARN_DEVICE"), "{}", text(&wrong.stderr));
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let world = World::new(1);
    let mut child = world
        .command("doctor")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}
