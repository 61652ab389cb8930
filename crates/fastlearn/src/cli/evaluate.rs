//! `fastlearn evaluate`: how good a model is on labelled pictures.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use fastlearn::data::{HoldOut, Labels, pictures_in, read_folders};
use fastlearn::interpret::{class_table, confusion_table, mistake_table};
use fastlearn::metrics::{ConfusionMatrix, Scored};
use fastlearn::predict::Tta;
use serde_json::{Value, json};

use super::error::{CommandError, Result};
use super::machine::MachineArguments;
use super::output::Console;
use super::predict::PredictionArguments;

/// Folders of validation pictures within a data folder, by the names that `train` knows.
const VALID: [&str; 3] = ["valid", "val", "validation"];
/// A confusion matrix of more classes is printed with numbers for names.
const MOST_NAMED: usize = 12;
/// Mistakes listed.
const MISTAKES: usize = 10;

/// Judges a model by labelled pictures: accuracy with its 95 % interval, log loss, confusion matrix.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// The file that `train` left
    model: PathBuf,
    /// Pictures in class folders: DIR/CLASS/*, or a data folder with DIR/valid/CLASS/*
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Which pictures of DIR [default: its folder `valid`, else all]
    #[arg(long, value_name = "NAME")]
    split: Option<SplitName>,
    /// Print one JSON document to standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    way: PredictionArguments,
    #[command(flatten)]
    machine: MachineArguments,
}

/// Parts of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SplitName {
    /// Every picture in DIR/CLASS
    All,
    /// DIR/valid, or the fifth of DIR/CLASS that `train` holds out by default
    Valid,
    /// DIR/train
    Train,
    /// DIR/test
    Test,
}

pub fn run(arguments: &EvaluateArguments) -> Result<()> {
    let console = Console::new(arguments.json);
    let predictor = arguments.way.open(&arguments.model, &arguments.machine)?;
    let classes = &predictor.description().classes;
    let (files, labels) = labelled_files(&arguments.folder, arguments.split, classes)?;
    let mut predictions = arguments.way.predict(&predictor, files)?;
    predictions.labels = Labels::One(labels);
    let scored = predictions.scored()?;
    if !console.is_json() {
        console.line(report(&scored, classes));
    }
    console.document(&document(&scored, classes, arguments.way.tta))
}

/// The pictures and their labels in the model's order of classes.
fn labelled_files(
    folder: &Path,
    split: Option<SplitName>,
    classes: &[String],
) -> Result<(Vec<PathBuf>, Vec<u32>)> {
    let valid = VALID.iter().map(|name| folder.join(name)).find(|path| path.is_dir());
    match (split, valid) {
        (None | Some(SplitName::Valid), Some(valid)) => class_folders(&valid, classes),
        (Some(SplitName::Valid), None) => held_out(folder, classes),
        (Some(SplitName::Train), _) => class_folders(&folder.join("train"), classes),
        (Some(SplitName::Test), _) => class_folders(&folder.join("test"), classes),
        (None | Some(SplitName::All), _) => class_folders(folder, classes),
    }
}

fn held_out(folder: &Path, classes: &[String]) -> Result<(Vec<PathBuf>, Vec<u32>)> {
    let folders = read_folders(folder, HoldOut::default())?;
    let valid = folders.valid;
    let of_model: Result<Vec<u32>> =
        folders.classes.iter().map(|name| label_of(folder, name, classes)).collect();
    let of_model = of_model?;
    let labels = valid.labels().one().unwrap_or_default();
    let labels = labels.iter().map(|&label| of_model[label as usize]).collect();
    Ok((valid.files().to_vec(), labels))
}

fn class_folders(folder: &Path, classes: &[String]) -> Result<(Vec<PathBuf>, Vec<u32>)> {
    let reading = |error| CommandError::reading(folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(reading)? {
        let entry = entry.map_err(reading)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') {
            names.push((name, entry.path()));
        }
    }
    names.sort();
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    for (name, path) in names {
        let label = label_of(folder, &name, classes)?;
        let pictures = pictures_in(&path)?;
        labels.extend(std::iter::repeat_n(label, pictures.len()));
        files.extend(pictures);
    }
    match files.is_empty() {
        false => Ok((files, labels)),
        true => Err(CommandError::Request(format!(
            "{}: has no class folders; expected CLASS/picture files, one folder for each class",
            folder.display()
        ))),
    }
}

fn label_of(folder: &Path, name: &str, classes: &[String]) -> Result<u32> {
    let label = classes.iter().position(|class| class == name);
    label.map(|label| label as u32).ok_or_else(|| {
        CommandError::Request(format!(
            "{}: the model knows no class `{name}`; it knows {}",
            folder.display(),
            classes.join(", ")
        ))
    })
}

fn report(scored: &Scored, classes: &[String]) -> String {
    let (matrix, interval) = (scored.confusion(), scored.accuracy_interval());
    let mut text = format!(
        "accuracy: {:.2} % (95 % interval {:.2} to {:.2} %), {} of {} pictures\nlog loss: {:.5}\n\n{}",
        100.0 * scored.accuracy(),
        100.0 * interval.low,
        100.0 * interval.high,
        scored.correct(),
        scored.len(),
        scored.log_loss(),
        matrix_text(&matrix, classes),
    );
    if scored.correct() < scored.len() {
        text.push_str(&format!("\n{}", mistake_table(&matrix, classes, MISTAKES)));
    }
    text
}

/// Scores of every class and the confusion matrix; many classes go by their numbers in the matrix.
fn matrix_text(matrix: &ConfusionMatrix, classes: &[String]) -> String {
    if classes.len() <= MOST_NAMED {
        return format!("{}\n{}", class_table(matrix, classes), confusion_table(matrix, classes));
    }
    let numbers: Vec<String> = (1..=classes.len()).map(|number| number.to_string()).collect();
    let width = classes.len().to_string().len();
    let numbered: Vec<String> =
        numbers.iter().zip(classes).map(|(n, class)| format!("{n:>width$} {class}")).collect();
    format!("{}\n{}", class_table(matrix, &numbered), confusion_table(matrix, &numbers))
}

fn document(scored: &Scored, classes: &[String], tta: Tta) -> Value {
    let (matrix, interval) = (scored.confusion(), scored.accuracy_interval());
    let row = |truth: usize| -> Vec<u64> {
        (0..classes.len()).map(|predicted| matrix.count(truth, predicted)).collect()
    };
    json!({
        "accuracy": scored.accuracy(),
        "accuracy_interval_95": [interval.low, interval.high],
        "log_loss": scored.log_loss(),
        "correct": scored.correct(),
        "pictures": scored.len(),
        "tta": tta.to_string(),
        "classes": classes,
        "confusion_matrix": (0..classes.len()).map(row).collect::<Vec<_>>(),
    })
}
