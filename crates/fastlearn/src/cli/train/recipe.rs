//! The complete settings of a run, as they are written into its folder, and what is read of them again.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fastlearn::ImageData;
use fastlearn::data::Validation;
use fastlearn::schedule::Cycles;
use fastlearn::transforms::TransformsDescription;
use models::Architecture;
use serde::{Deserialize, Serialize};

use super::arguments::{Stages, TrainArguments};
use crate::cli::error::{CommandError, Result};

/// The recipe's file in the run folder.
pub const RECIPE: &str = "recipe.toml";
/// Raised when what is read again changes its form.
const VERSION: u32 = 2;

/// What was said on the command line, by the names of the arguments.
pub type GivenArguments = BTreeMap<String, Vec<String>>;

/// Everything that decides a run's result, and what was found in it.
#[derive(Debug, Clone, Serialize)]
pub struct Recipe {
    /// Of this form of recipe.
    version: u32,
    /// Whether the run came to its end.
    finished: bool,
    /// The program that ran.
    fastlearn: &'static str,
    /// The command as it was given.
    command: String,
    seed: u64,
    batch_size: usize,
    /// The arguments as they can be given again; all others have their defaults.
    arguments: BTreeMap<String, Words>,
    data: DataRecipe,
    network: NetworkRecipe,
    training: TrainingRecipe,
    machine: MachineRecipe,
    transforms: TransformsDescription,
}

#[derive(Debug, Clone, Serialize)]
struct DataRecipe {
    folder: PathBuf,
    training_pictures: usize,
    validation_pictures: usize,
    limit: Option<usize>,
    held_out: Validation,
    classes: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct NetworkRecipe {
    architecture: String,
    /// `published`, `none`, a file or a name.
    weights: String,
}

#[derive(Debug, Clone, Serialize)]
struct TrainingRecipe {
    lr: String,
    /// Rates of the head that were used, by stage, as far as the run has come.
    rates: Vec<StageRate>,
    lr_ratio: f32,
    sizes: Vec<usize>,
    epochs_precomputed: usize,
    frozen: Option<Cycles>,
    unfrozen: Option<Cycles>,
    finds_again: bool,
    tta: String,
    weight_decay: f32,
    freeze_norms: bool,
}

/// The head's base rate in one stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageRate {
    pub stage: String,
    pub rate: f32,
}

#[derive(Debug, Clone, Serialize)]
struct MachineRecipe {
    device: String,
    threads: Option<usize>,
    workers: Option<usize>,
}

/// The values of one argument: mostly one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
}

impl From<Vec<String>> for Words {
    fn from(mut values: Vec<String>) -> Words {
        match values.len() {
            1 => Words::One(values.remove(0)),
            _ => Words::Several(values),
        }
    }
}

impl From<Words> for Vec<String> {
    fn from(words: Words) -> Vec<String> {
        match words {
            Words::One(value) => vec![value],
            Words::Several(values) => values,
        }
    }
}

impl Recipe {
    pub fn new(
        arguments: &TrainArguments,
        given: GivenArguments,
        stages: &Stages,
        data: &ImageData,
        architecture: &Architecture,
        device: String,
    ) -> Recipe {
        let TrainArguments { data: chosen, model, machine, recipe, .. } = arguments;
        Recipe {
            version: VERSION,
            finished: false,
            fastlearn: env!("CARGO_PKG_VERSION"),
            command: command_line(),
            seed: chosen.seed,
            batch_size: chosen.batch_size,
            arguments: given.into_iter().map(|(id, values)| (id, values.into())).collect(),
            data: DataRecipe {
                folder: chosen.folder.clone(),
                training_pictures: data.train().len(),
                validation_pictures: data.valid().len(),
                limit: chosen.limit,
                held_out: chosen.validation(),
                classes: data.classes().to_vec(),
            },
            network: NetworkRecipe {
                architecture: architecture.name.to_string(),
                weights: model.weights.clone().unwrap_or_else(|| "published".to_owned()),
            },
            training: TrainingRecipe {
                lr: stages.lr.to_string(),
                rates: Vec::new(),
                lr_ratio: stages.ratio,
                sizes: stages.sizes.clone(),
                epochs_precomputed: stages.precomputed,
                frozen: stages.frozen,
                unfrozen: stages.unfrozen,
                finds_again: stages.finds_again,
                tta: stages.tta.to_string(),
                weight_decay: recipe.weight_decay,
                freeze_norms: stages.freeze_norms,
            },
            machine: MachineRecipe { device, threads: machine.threads, workers: chosen.workers },
            transforms: data.transforms().describe(),
        }
    }

    /// The same with the rates that were used.
    pub fn with_rates(mut self, rates: &[StageRate]) -> Recipe {
        self.training.rates = rates.to_vec();
        self
    }

    /// The same of a run that came to its end.
    pub fn finished(self) -> Recipe {
        Recipe { finished: true, ..self }
    }

    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| CommandError::Text { what: "the recipe", reason: error.to_string() })
    }
}

/// What of a run's recipe is read again.
pub struct RecordedRun {
    pub arguments: GivenArguments,
    pub finished: bool,
}

#[derive(Deserialize)]
struct RecordedRecipe {
    finished: bool,
    arguments: BTreeMap<String, Words>,
}

impl RecordedRun {
    /// Reads the recipe in a run folder.
    pub fn read(run: &Path) -> Result<RecordedRun> {
        let table = read_recipe(run)?;
        let recipe: RecordedRecipe =
            table.try_into().map_err(|error| unreadable(&run.join(RECIPE), &error))?;
        let arguments = recipe.arguments.into_iter();
        let arguments = arguments.map(|(id, words)| (id, words.into())).collect();
        Ok(RecordedRun { arguments, finished: recipe.finished })
    }
}

/// All of the recipe in a run folder, if it is of the form that this program writes.
pub fn read_recipe(run: &Path) -> Result<toml::Table> {
    let path = run.join(RECIPE);
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => CommandError::run_folder(
            run,
            format!("there is no {RECIPE} in it, so it is no run folder of `fastlearn train`"),
        ),
        _ => CommandError::reading(&path, error),
    })?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| unreadable(&path, &error))?;
    let version = table.get("version").and_then(toml::Value::as_integer).unwrap_or(1);
    if version != i64::from(VERSION) {
        return Err(CommandError::run_folder(
            run,
            format!(
                "its {RECIPE} is of version {version}, this program reads version {VERSION}; use the \
                 fastlearn that wrote it{}",
                match table.get("fastlearn").and_then(toml::Value::as_str) {
                    Some(written_by) => format!(" ({written_by})"),
                    None => String::new(),
                }
            ),
        ));
    }
    Ok(table)
}

fn unreadable(path: &Path, error: &toml::de::Error) -> CommandError {
    let message = error.message();
    CommandError::run_folder(path, format!("is no complete recipe: {message}; train anew"))
}

fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| {
        let word = word.to_string_lossy().into_owned();
        match word.contains(char::is_whitespace) {
            true => format!("\"{word}\""),
            false => word,
        }
    });
    ["fastlearn".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}
