//! The quickstart at a small size: its pictures, its last lines, its repeatability, and the command
//! that it hands to the reader.

#[path = "../examples/quickstart/main.rs"]
#[allow(dead_code)]
mod quickstart;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use quickstart::{Amount, Options, Outcome, world};
use tempfile::TempDir;
use tensor_core::cpu::CpuOptions;
use world::shapes::{KNOWN, Kind, UNSEEN};

fn quick_run(folder: &Path, threads: usize) -> Outcome {
    let options = Options {
        out: folder.join("out"),
        cache: Some(folder.join("cache")),
        cpu: CpuOptions { threads: Some(threads), ..CpuOptions::default() },
        amount: Amount::QUICK,
        ..Options::default()
    };
    quickstart::run(&options).unwrap()
}

#[test]
fn a_picture_depends_on_seed_kind_and_number_alone() {
    let bytes = |kind: &Kind, number, seed| world::picture(kind, number, 32, seed).unwrap();
    for kind in KNOWN.iter().chain(&UNSEEN) {
        let picture = bytes(kind, 3, 42);
        assert_eq!(picture, bytes(kind, 3, 42), "{}", kind.name);
        assert_ne!(picture, bytes(kind, 4, 42), "{}", kind.name);
        assert_ne!(picture, bytes(kind, 3, 43), "{}", kind.name);
    }
    assert_ne!(bytes(&KNOWN[0], 3, 42), bytes(&KNOWN[1], 3, 42));
}

#[test]
fn kinds_have_names_of_their_own() {
    let mut names: Vec<&str> = KNOWN.iter().chain(&UNSEEN).map(|kind| kind.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KNOWN.len() + UNSEEN.len());
}

/// The nearest mean colour, learnt from half of the pictures, recognises hardly more than chance of
/// the other half: colour does not give the kind away.
#[test]
fn colour_does_not_tell_the_kinds_apart() {
    const PICTURES: usize = 60;
    let colour = |kind: &Kind, number| {
        let file = world::picture(kind, number, 16, 42).unwrap();
        let picture = image::load_from_memory(&file).unwrap().to_rgb8();
        let pixels = picture.pixels().len() as f64;
        let sum = |channel| picture.pixels().map(move |p| f64::from(p[channel])).sum::<f64>();
        [sum(0) / pixels, sum(1) / pixels, sum(2) / pixels]
    };
    let colours: Vec<Vec<[f64; 3]>> =
        UNSEEN.iter().map(|kind| (0..PICTURES).map(|n| colour(kind, n)).collect()).collect();
    let half = PICTURES / 2;
    let mean = |colours: &Vec<[f64; 3]>, channel: usize| {
        colours[..half].iter().map(|colour| colour[channel]).sum::<f64>() / half as f64
    };
    let means: Vec<[f64; 3]> =
        colours.iter().map(|c| [mean(c, 0), mean(c, 1), mean(c, 2)]).collect();
    let distance = |one: &[f64; 3], other: &[f64; 3]| {
        one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    };
    let nearest = |colour: &[f64; 3]| {
        let order = |a: &usize, b: &usize| {
            distance(colour, &means[*a]).total_cmp(&distance(colour, &means[*b]))
        };
        (0..means.len()).min_by(order)
    };
    let mut hits = 0;
    for (class, colours) in colours.iter().enumerate() {
        hits += colours[half..].iter().filter(|colour| nearest(colour) == Some(class)).count();
    }
    let accuracy = hits as f64 / (half * UNSEEN.len()) as f64;
    // Chance is 1/6; four standard errors of 180 draws are 0.11.
    assert!(accuracy < 1.0 / 6.0 + 0.11, "{accuracy}");
}

#[test]
fn the_whole_way_gives_the_same_bits_for_any_number_of_threads() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (first, second) = (quick_run(one.path(), 1), quick_run(two.path(), 2));
    let backbones = [&first, &second].map(|outcome| fs::read(&outcome.backbone).unwrap());
    assert!(backbones[0] == backbones[1], "the backbones differ");
    let accuracies = |run: &Outcome| [run.linear, run.random, run.transfer].map(|s| s.accuracy);
    assert_eq!(accuracies(&first), accuracies(&second));
    for name in ["confusion.png", "mistakes.png", "finder-loss.png"] {
        let plots = [one.path(), two.path()].map(|f| fs::read(f.join("out").join(name)).unwrap());
        assert!(plots[0] == plots[1], "{name} differs");
    }
    assert_last_lines(&first);
    assert_command_trains(&first, one.path());
}

/// `final accuracy: NN.N %`, then the command.
fn assert_last_lines(outcome: &Outcome) {
    let text = outcome.to_string();
    let (accuracy, command) = text.split_once('\n').unwrap();
    let percent =
        accuracy.strip_prefix("final accuracy: ").and_then(|rest| rest.strip_suffix(" %"));
    let (whole, tenth) = percent.unwrap().split_once('.').unwrap();
    assert!(tenth.len() == 1 && tenth.parse::<u8>().is_ok(), "{accuracy}");
    assert!(whole.parse::<u8>().unwrap() <= 100, "{accuracy}");
    let start = "cargo run --release -- train PATH/TO/FOLDER --weights quickstart";
    assert!(command.starts_with(start), "{command}");
}

/// Runs the command that the reader is handed, on a folder, with the network closed.
fn assert_command_trains(outcome: &Outcome, folder: &Path) {
    let (_, arguments) = outcome.command.split_once("-- ").unwrap();
    let pictures = folder.join("out/world/unseen");
    let arguments = arguments.split(' ').map(|argument| match argument {
        "PATH/TO/FOLDER" => pictures.clone().into_os_string(),
        other => other.trim_matches('\'').into(),
    });
    let run = folder.join("run");
    let output = closed_network(Command::new(fastlearn_binary()).args(arguments))
        .args(["--limit", "12", "--batch-size", "6", "--out"])
        .arg(&run)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text_of(&output));
    assert!(run.join("recipe.toml").is_file(), "{}", text_of(&output));
}

/// Every way out leads to a port of this machine at which nobody listens.
fn closed_network(command: &mut Command) -> &mut Command {
    let names =
        ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"];
    command.envs(names.map(|name| (name, "http://127.0.0.1:9"))).env_remove("NO_PROXY")
}

/// The `fastlearn` command of the same profile as this test; built if it is not there yet.
fn fastlearn_binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let binary = folder.join(format!("fastlearn{}", std::env::consts::EXE_SUFFIX));
    if !binary.is_file() {
        let profile = if folder.ends_with("release") { "release" } else { "test" };
        let build =
            ["build", "--offline", "-p", "fastlearn", "--bin", "fastlearn", "--profile", profile];
        let output = Command::new(env!("CARGO")).args(build).output().unwrap();
        assert!(output.status.success(), "{}", text_of(&output));
    }
    binary
}

fn text_of(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}
