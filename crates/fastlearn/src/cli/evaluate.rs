//! `fastlearn evaluate`: how good a model is on labelled pictures.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use fastlearn::data::{
    HoldOut, LabelKind, Labels, Split, Validation, cross_validation_indexes, pictures_in,
    read_folders,
};
use fastlearn::train::ModelDescription;
use fastlearn::{ImageData, Transforms};
use models::weights::write_atomically;
use serde_json::{Value, json};

use super::error::{CommandError, Result};
use super::judgement::Judgement;
use super::label_arguments::LabelArguments;
use super::machine::MachineArguments;
use super::output::Console;
use super::predict::{PredictionArguments, threshold_or_default};
use super::predictions_file::write_csv;

/// Folders of validation pictures within a data folder, by the names that `train` knows.
const VALID: [&str; 3] = ["valid", "val", "validation"];

/// Judges a model by labelled pictures: accuracy with its 95 % interval, log loss, confusion matrix; F2
/// over all pictures and each class's precision and recall where pictures have several labels.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// The file that `train` left; several are averaged
    #[arg(required = true, value_name = "MODELS")]
    models: Vec<PathBuf>,
    /// Pictures in class folders: DIR/CLASS/*, or a data folder with DIR/valid/CLASS/*; or the folder
    /// that --csv or --names are about
    #[arg(value_name = "DIR", required = true)]
    folder: PathBuf,
    /// Which pictures of DIR [default: its folder `valid`, else all]
    #[arg(long, value_name = "NAME")]
    split: Option<SplitName>,
    /// With several labels a picture: the probability above which one is predicted [default: the best
    /// for these pictures]
    #[arg(long, value_name = "PROBABILITY", value_parser = super::predict::parse_threshold)]
    threshold: Option<f32>,
    /// Write the predictions into this CSV file too
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Print one JSON document to standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    way: PredictionArguments,
    #[command(flatten)]
    labels: LabelArguments,
    #[command(flatten)]
    machine: MachineArguments,
}

/// Parts of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SplitName {
    /// Every picture in DIR/CLASS, or of the table
    All,
    /// DIR/valid, or the fifth of DIR/CLASS or of the table that `train` holds out by default
    Valid,
    /// DIR/train
    Train,
    /// DIR/test
    Test,
}

pub fn run(arguments: &EvaluateArguments) -> Result<()> {
    let console = Console::new(arguments.json);
    let models = arguments.way.open(&arguments.models, &arguments.machine)?;
    let description = models.description();
    let split = labelled_pictures(arguments, description, console)?;
    let predictions = arguments.way.predict_split(&models, &split)?;
    let (judgement, classes) =
        (Judgement::at(&predictions, arguments.threshold)?, &description.classes);
    if let Some(path) = &arguments.predictions {
        let threshold = threshold_or_default(arguments.threshold);
        write_atomically(path, |writer| write_csv(writer, &predictions, classes, threshold))?;
    }
    if !console.is_json() {
        console.line(format!("{}\n\n{}", judgement.line(), judgement.tables(classes)));
    }
    console.document(&document(&judgement, classes, arguments.way.tta.to_string()))
}

/// The pictures with their labels in the model's order of classes.
fn labelled_pictures(
    arguments: &EvaluateArguments,
    model: &ModelDescription,
    console: Console,
) -> Result<Split> {
    let EvaluateArguments { folder, split, labels, .. } = arguments;
    let is_valid = *split == Some(SplitName::Valid);
    if let Some(part @ (SplitName::Train | SplitName::Test)) = *split
        && (labels.csv.is_some() || labels.names.is_some())
    {
        let name = if part == SplitName::Train { "train" } else { "test" };
        return Err(CommandError::Request(format!(
            "--split {name} is a folder of DIR; with --csv or --names there are `all` and `valid`"
        )));
    }
    if let Some(csv) = labels.table(folder) {
        let (all, notices) = csv.pictures(&model.classes, model.label_kind)?;
        notices.iter().for_each(|notice| console.note(notice));
        return Ok(if is_valid { fifth(&all) } else { all });
    }
    if model.label_kind == LabelKind::Several {
        return Err(CommandError::Request(
            "the model gives pictures several labels; judge it by a table of them with --csv"
                .into(),
        ));
    }
    if let Some(pattern) = &labels.names {
        let all = Validation::Nothing;
        let data = ImageData::from_names_holding_out(folder, pattern, Transforms::none(16), all)?;
        let labels = of_model(folder, data.classes(), data.train(), &model.classes)?;
        let all = Split::labelled(data.train().files().to_vec(), labels);
        return Ok(if is_valid { fifth(&all) } else { all });
    }
    let (files, labels) = labelled_files(folder, *split, &model.classes)?;
    Ok(Split::labelled(files, Labels::One(labels)))
}

/// What `train` holds out by default.
fn fifth(all: &Split) -> Split {
    let HoldOut { fold, fraction, seed } = HoldOut::default();
    let mut held = cross_validation_indexes(all.len(), fold, fraction, seed);
    held.sort_unstable();
    all.select(&held)
}

/// A split's labels as the model numbers them.
fn of_model(folder: &Path, names: &[String], split: &Split, classes: &[String]) -> Result<Labels> {
    let of_model: Result<Vec<u32>> =
        names.iter().map(|name| label_of(folder, name, classes)).collect();
    let of_model = of_model?;
    let labels = split.labels().one().unwrap_or_default();
    Ok(Labels::One(labels.iter().map(|&label| of_model[label as usize]).collect()))
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
    let labels = of_model(folder, &folders.classes, &folders.valid, classes)?;
    let labels = labels.one().unwrap_or_default().to_vec();
    Ok((folders.valid.files().to_vec(), labels))
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

fn document(judgement: &Judgement, classes: &[String], tta: String) -> Value {
    let mut fields = judgement.fields();
    fields.insert("tta".to_owned(), json!(tta));
    fields.insert("classes".to_owned(), json!(classes));
    fields.extend(judgement.class_fields(classes));
    Value::Object(fields)
}
