//! `fastlearn predict`: pictures to probabilities.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fastlearn::Predictions;
use fastlearn::data::{Loading, Split, pictures_in};
use fastlearn::metrics::LESSON_THRESHOLD;
use fastlearn::predict::{Ensemble, Tta};
use models::weights::write_atomically;

use super::arguments::at_least_one;
use super::error::{CommandError, Result};
use super::machine::MachineArguments;
use super::output::write_out;
use super::predictions_file::{write_csv, write_tags};
use super::progress::Busy;

/// Predicts pictures with a trained model, as CSV: id, prediction, the probability of every class.
///
/// Several models, such as a run's snapshots, are averaged: every .safetensors file before the pictures is
/// one. Ids are the paths as they are given or found; folders are searched at any depth.
#[derive(Debug, Args)]
pub struct PredictArguments {
    /// The file that `train` left
    model: PathBuf,
    /// Pictures, or folders of pictures; more models may stand before them
    #[arg(required = true, value_name = "FILES|FOLDERS")]
    pictures: Vec<PathBuf>,
    /// The CSV file; standard output unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where a picture may have several labels: the probability above which one is predicted [default:
    /// 0.2, the lesson's]
    #[arg(long, value_name = "PROBABILITY", value_parser = parse_threshold)]
    threshold: Option<f32>,
    /// Write image_name,tags: each file's name without folder and suffix, and its labels separated by
    /// spaces, as competitions want them
    #[arg(long)]
    tags: bool,
    #[command(flatten)]
    way: PredictionArguments,
    #[command(flatten)]
    machine: MachineArguments,
}

/// How predictions are made.
#[derive(Debug, Args)]
pub struct PredictionArguments {
    /// Views of each picture that are averaged: a number of random ones besides the plain one, or crops3
    /// (both ends and the middle of the long side) or crops5 (corners and middle); +flip, +lighting,
    /// +rotation on top
    #[arg(long, value_name = "VIEWS", default_value = "0")]
    pub tta: Tta,
    /// Pictures in a batch
    #[arg(long, value_name = "N", default_value = "64", value_parser = at_least_one())]
    batch_size: usize,
    /// Seed of the augmented views
    #[arg(long, value_name = "N", default_value = "42")]
    seed: u64,
    /// Threads that decode pictures [default: one a core, at most 8]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

impl PredictionArguments {
    /// The models, ready to predict in this way.
    pub fn open(&self, models: &[PathBuf], machine: &MachineArguments) -> Result<Ensemble> {
        let loading = Loading::default().batch_size(self.batch_size).seed(self.seed);
        let loading = match self.workers {
            Some(workers) => loading.workers(workers),
            None => loading,
        };
        Ok(Ensemble::open(models, &machine.device()?)?.loading(loading))
    }

    pub fn predict_split(&self, models: &Ensemble, split: &Split) -> Result<Predictions> {
        let _busy = Busy::new("predicting");
        Ok(models.tta(split, self.tta)?)
    }
}

/// A probability that is a threshold.
pub fn parse_threshold(text: &str) -> Result<f32, String> {
    let threshold = text.parse().ok().filter(|threshold| (0.0..1.0).contains(threshold));
    threshold.ok_or_else(|| "expected a number from 0 and below 1".to_owned())
}

/// The threshold that was given, else the lesson's.
pub fn threshold_or_default(threshold: Option<f32>) -> f32 {
    threshold.unwrap_or(LESSON_THRESHOLD)
}

/// The models that are named first, and what follows them.
fn models_and_pictures(arguments: &PredictArguments) -> Result<(Vec<PathBuf>, &[PathBuf])> {
    let PredictArguments { model, pictures, .. } = arguments;
    let is_model = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "safetensors");
    let more = pictures.iter().take_while(is_model).count();
    let (others, pictures) = pictures.split_at(more);
    if pictures.is_empty() {
        return Err(CommandError::Request(format!(
            "{} models and no pictures; name files or folders of pictures after the models",
            1 + more
        )));
    }
    Ok((std::iter::once(model).chain(others).cloned().collect(), pictures))
}

pub fn run(arguments: &PredictArguments) -> Result<()> {
    let (models, pictures) = models_and_pictures(arguments)?;
    let mut files = Vec::new();
    for path in pictures {
        files.extend(pictures_in(path)?);
    }
    let models = arguments.way.open(&models, &arguments.machine)?;
    let predictions = arguments.way.predict_split(&models, &Split::unlabelled(files))?;
    let classes = &models.description().classes;
    let threshold = threshold_or_default(arguments.threshold);
    let write = |writer: &mut dyn Write| match arguments.tags {
        true => write_tags(writer, &predictions, classes, threshold),
        false => write_csv(writer, &predictions, classes, threshold),
    };
    match &arguments.out {
        Some(path) => Ok(write_atomically(path, |writer| write(writer))?),
        None => write_out(write),
    }
}
