//! `fastlearn compare`: two runs side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::error::{CommandError, Result};
use super::output::{Console, counted};
use super::train::read_recipe;

/// Pictures that differ are listed up to this many unless told otherwise.
const DEFAULT_PICTURES: usize = 20;
/// Settings that say when and by whom, and the command that the others came from.
const NO_SETTINGS: [&str; 5] = ["command", "fastlearn", "finished", "version", "arguments"];

/// Compares two runs of `train`: the settings that differ, both tables, and the validation pictures that
/// only one of them gets right.
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// A run folder
    #[arg(value_name = "RUN")]
    first: PathBuf,
    /// Another one
    #[arg(value_name = "RUN")]
    second: PathBuf,
    /// How many pictures are listed
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PICTURES)]
    pictures: usize,
    /// Print one JSON document to standard output
    #[arg(long)]
    json: bool,
}

/// What is read of a run folder.
struct Run {
    path: PathBuf,
    settings: BTreeMap<String, String>,
    /// The lines of `history.csv`, by stage and epoch.
    history: Table,
    /// `None` of a run that is not finished.
    predictions: Option<BTreeMap<String, Prediction>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Prediction {
    truth: Option<String>,
    prediction: String,
}

impl Prediction {
    fn is_right(&self) -> bool {
        self.truth.as_ref() == Some(&self.prediction)
    }
}

/// A CSV file as it stands.
struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A setting with its value in both runs.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    setting: String,
    values: [Option<String>; 2],
}

/// A picture that the runs take for different things.
#[derive(Debug, PartialEq, Serialize)]
struct Changed {
    id: String,
    truth: Option<String>,
    predictions: [String; 2],
}

pub fn run(arguments: &CompareArguments) -> Result<()> {
    let console = Console::new(arguments.json);
    let runs = [Run::read(&arguments.first)?, Run::read(&arguments.second)?];
    let settings = differences(&runs[0].settings, &runs[1].settings);
    let changed = match [&runs[0].predictions, &runs[1].predictions] {
        [Some(one), Some(other)] => Some(changed(one, other)),
        _ => None,
    };
    if !console.is_json() {
        console.line(report(&runs, &settings, changed.as_deref(), arguments.pictures));
    }
    console.document(&json!({
        "runs": runs.each_ref().map(|run| json!({
            "folder": run.path,
            "history": run.history.rows,
            "right": run.right(),
            "pictures": run.predictions.as_ref().map(BTreeMap::len),
        })),
        "history_titles": runs[0].history.titles,
        "settings": settings,
        "pictures_that_differ": changed,
    }))
}

impl Run {
    fn read(path: &Path) -> Result<Run> {
        let mut settings = BTreeMap::new();
        for (key, value) in read_recipe(path)? {
            if !NO_SETTINGS.contains(&key.as_str()) {
                flatten(key, value, &mut settings);
            }
        }
        Ok(Run {
            path: path.to_owned(),
            settings,
            history: Table::read(&path.join("history.csv"))?.unwrap_or_else(Table::empty),
            predictions: predictions(&path.join("predictions.csv"))?,
        })
    }

    /// Pictures that are taken for what they are.
    fn right(&self) -> Option<usize> {
        let predictions = self.predictions.as_ref()?;
        Some(predictions.values().filter(|prediction| prediction.is_right()).count())
    }
}

impl Table {
    fn empty() -> Table {
        Table { titles: Vec::new(), rows: Vec::new() }
    }

    /// `None` if there is no such file.
    fn read(path: &Path) -> Result<Option<Table>> {
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read(path).map_err(|error| CommandError::reading(path, error))?;
        let fault =
            |error: csv::Error| CommandError::run_folder(path, format!("is no table: {error}"));
        let mut reader = csv::Reader::from_reader(text.as_slice());
        let titles = reader.headers().map_err(fault)?.iter().map(str::to_owned).collect();
        let row = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
        let rows: Result<Vec<Vec<String>>, csv::Error> =
            reader.records().map(|record| record.map(row)).collect();
        Ok(Some(Table { titles, rows: rows.map_err(fault)? }))
    }

    /// The place of a column.
    fn column(&self, title: &str) -> Option<usize> {
        self.titles.iter().position(|other| other == title)
    }

    /// Aligned columns; numbers with six digits behind the point at most.
    fn aligned(&self) -> String {
        let cell = |text: &String| match text.parse::<f64>() {
            Ok(number) if text.contains('.') => format!("{number:.6}"),
            _ => text.clone(),
        };
        let rows: Vec<Vec<String>> = std::iter::once(self.titles.clone())
            .chain(self.rows.iter().map(|row| row.iter().map(cell).collect()))
            .collect();
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..self.titles.len()).filter_map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
            format!("  {}", cells.collect::<Vec<_>>().join("  "))
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn predictions(path: &Path) -> Result<Option<BTreeMap<String, Prediction>>> {
    let Some(table) = Table::read(path)? else { return Ok(None) };
    let [id, truth, prediction] = ["id", "truth", "prediction"].map(|title| table.column(title));
    let (Some(id), Some(prediction)) = (id, prediction) else {
        let reason = "has no columns `id` and `prediction`";
        return Err(CommandError::run_folder(path, reason));
    };
    let row = |row: &Vec<String>| {
        let truth = truth.map(|column| row[column].clone());
        (row[id].clone(), Prediction { truth, prediction: row[prediction].clone() })
    };
    Ok(Some(table.rows.iter().map(row).collect()))
}

/// Settings of nested tables, by their path.
fn flatten(key: String, value: toml::Value, settings: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (inner, value) in table {
                flatten(format!("{key}.{inner}"), value, settings);
            }
        }
        // The rates that were used, by stage.
        toml::Value::Array(entries) if entries.iter().all(is_stage_rate) && !entries.is_empty() => {
            for entry in entries {
                let [stage, rate] = ["stage", "rate"].map(|key| entry.get(key).cloned());
                if let (Some(toml::Value::String(stage)), Some(rate)) = (stage, rate) {
                    settings.insert(format!("{key}.{stage}"), rate.to_string());
                }
            }
        }
        toml::Value::String(text) => drop(settings.insert(key, text)),
        other => drop(settings.insert(key, other.to_string())),
    }
}

fn is_stage_rate(entry: &toml::Value) -> bool {
    entry.get("stage").is_some() && entry.get("rate").is_some()
}

fn differences(
    one: &BTreeMap<String, String>,
    other: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let both = keys.into_iter().map(|key| (key, [one.get(key), other.get(key)]));
    both.filter(|(_, [one, other])| one != other)
        .map(|(key, values)| Difference {
            setting: key.clone(),
            values: values.map(Option::<&String>::cloned),
        })
        .collect()
}

/// Pictures of both runs with different predictions, by id.
fn changed(
    one: &BTreeMap<String, Prediction>,
    other: &BTreeMap<String, Prediction>,
) -> Vec<Changed> {
    let both = one.iter().filter_map(|(id, first)| Some((id, first, other.get(id)?)));
    both.filter(|(_, first, second)| first.prediction != second.prediction)
        .map(|(id, first, second)| Changed {
            id: id.clone(),
            truth: first.truth.clone(),
            predictions: [first.prediction.clone(), second.prediction.clone()],
        })
        .collect()
}

fn report(
    runs: &[Run; 2],
    settings: &[Difference],
    changed: Option<&[Changed]>,
    most: usize,
) -> String {
    let mut text = String::from("settings that differ:");
    if settings.is_empty() {
        text.push_str(" none");
    }
    // Writing to a string does not fail.
    for Difference { setting, values } in settings {
        let [one, other] = values.each_ref().map(|value| value.as_deref().unwrap_or("-"));
        let _ = write!(text, "\n  {setting}: {one} | {other}");
    }
    for (number, run) in runs.iter().enumerate() {
        let _ = write!(
            text,
            "\n\nrun {}: {}\n{}",
            number + 1,
            run.path.display(),
            run.history.aligned()
        );
        if let (Some(right), Some(predictions)) = (run.right(), &run.predictions) {
            let _ = write!(
                text,
                "\n  final: {right} of {} right",
                counted(predictions.len(), "picture")
            );
        } else {
            text.push_str("\n  not finished: no final predictions");
        }
    }
    if let Some(changed) = changed {
        text.push_str(&pictures(changed, most));
    }
    text
}

fn pictures(changed: &[Changed], most: usize) -> String {
    let gets_right = |run: usize| {
        let right = |picture: &&Changed| picture.truth.as_ref() == Some(&picture.predictions[run]);
        changed.iter().filter(right).count()
    };
    let mut text = format!(
        "\n\n{} with different predictions: {} right in the first run only, {} in the second only",
        counted(changed.len(), "picture"),
        gets_right(0),
        gets_right(1),
    );
    for Changed { id, truth, predictions: [one, other] } in changed.iter().take(most) {
        let truth = truth.as_deref().unwrap_or("unknown");
        let _ = write!(text, "\n  {id}: {one} | {other} (is {truth})");
    }
    if changed.len() > most {
        let _ = write!(text, "\n  and {} more (--pictures N)", changed.len() - most);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_compared_by_their_path() {
        let settings = |text: &str| {
            let mut settings = BTreeMap::new();
            let table: toml::Table = toml::from_str(text).unwrap();
            table.into_iter().for_each(|(key, value)| flatten(key, value, &mut settings));
            settings
        };
        let one = settings("seed = 1\n[training]\nlr = \"auto\"\ntta = 4");
        let other = settings("seed = 2\n[training]\nlr = \"auto\"\nsizes = [64, 128]");
        let found: Vec<_> = differences(&one, &other)
            .into_iter()
            .map(|d| format!("{} {:?}", d.setting, d.values))
            .collect();
        assert_eq!(
            found,
            [
                "seed [Some(\"1\"), Some(\"2\")]",
                "training.sizes [None, Some(\"[64, 128]\")]",
                "training.tta [Some(\"4\"), None]",
            ]
        );
    }

    #[test]
    fn pictures_that_only_one_run_gets_right_are_counted() {
        let prediction = |prediction: &str| Prediction {
            truth: Some("cat".to_owned()),
            prediction: prediction.to_owned(),
        };
        let run = |predictions: [&str; 3]| -> BTreeMap<String, Prediction> {
            let ids = ["a", "b", "c"].map(str::to_owned);
            ids.into_iter().zip(predictions.map(prediction)).collect()
        };
        let changed = changed(&run(["cat", "dog", "cat"]), &run(["cat", "cat", "dog"]));
        assert_eq!(changed.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        let text = pictures(&changed, 1);
        assert!(text.contains("1 right in the first run only, 1 in the second only"), "{text}");
        assert!(text.contains("b: dog | cat (is cat)") && text.contains("and 1 more"), "{text}");
    }
}
