//! The complete settings of a run, as they are written into its folder.

use std::path::PathBuf;

use fastlearn::ImageData;
use fastlearn::data::HoldOut;
use fastlearn::schedule::Cycles;
use fastlearn::transforms::TransformsDescription;
use models::Architecture;
use serde::Serialize;

use super::arguments::{LearningRate, Stages, TrainArguments};
use crate::cli::error::{CommandError, Result};

/// Everything that decides a run's result, and what was found in it.
#[derive(Debug, Clone, Serialize)]
pub struct Recipe {
    /// The program that ran.
    fastlearn: &'static str,
    /// The command as it was given.
    command: String,
    seed: u64,
    batch_size: usize,
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
    held_out: HoldOut,
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
    pub stage: &'static str,
    pub rate: f32,
}

#[derive(Debug, Clone, Serialize)]
struct MachineRecipe {
    device: String,
    threads: Option<usize>,
    workers: Option<usize>,
}

impl Recipe {
    pub fn new(
        arguments: &TrainArguments,
        stages: &Stages,
        data: &ImageData,
        architecture: &Architecture,
        device: String,
    ) -> Recipe {
        let TrainArguments { data: chosen, model, machine, recipe, .. } = arguments;
        Recipe {
            fastlearn: env!("CARGO_PKG_VERSION"),
            command: command_line(),
            seed: chosen.seed,
            batch_size: chosen.batch_size,
            data: DataRecipe {
                folder: chosen.folder.clone(),
                training_pictures: data.train().len(),
                validation_pictures: data.valid().len(),
                limit: chosen.limit,
                held_out: chosen.valid,
                classes: data.classes().to_vec(),
            },
            network: NetworkRecipe {
                architecture: architecture.name.to_string(),
                weights: model.weights.clone().unwrap_or_else(|| "published".to_owned()),
            },
            training: TrainingRecipe {
                lr: match stages.lr {
                    LearningRate::Auto => "auto".to_owned(),
                    LearningRate::Fixed(rate) => rate.to_string(),
                },
                rates: Vec::new(),
                lr_ratio: stages.ratio,
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

    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| CommandError::Text { what: "the recipe", reason: error.to_string() })
    }
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
