//! `fastlearn predict`: pictures to probabilities.

use std::path::PathBuf;

use clap::Args;
use fastlearn::data::{Loading, Split, pictures_in};
use fastlearn::predict::Tta;
use fastlearn::{Predictions, Predictor};
use models::weights::write_atomically;

use super::arguments::at_least_one;
use super::error::Result;
use super::machine::MachineArguments;
use super::output::write_out;
use super::predictions_file::write_csv;
use super::progress::Busy;

/// Predicts pictures with a trained model, as CSV: id, prediction, the probability of every class.
///
/// Ids are the paths as they are given or found; folders are searched at any depth.
#[derive(Debug, Args)]
pub struct PredictArguments {
    /// The file that `train` left
    model: PathBuf,
    /// Pictures, or folders of pictures
    #[arg(required = true, value_name = "FILES|FOLDERS")]
    pictures: Vec<PathBuf>,
    /// The CSV file; standard output unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
    /// The model, ready to predict in this way.
    pub fn open(&self, model: &PathBuf, machine: &MachineArguments) -> Result<Predictor> {
        let loading = Loading::default().batch_size(self.batch_size).seed(self.seed);
        let loading = match self.workers {
            Some(workers) => loading.workers(workers),
            None => loading,
        };
        Ok(Predictor::open(model, &machine.device()?)?.loading(loading))
    }

    pub fn predict(&self, predictor: &Predictor, files: Vec<PathBuf>) -> Result<Predictions> {
        let _busy = Busy::new("predicting");
        let split = Split::unlabelled(files);
        Ok(predictor.tta(&split, self.tta)?)
    }
}

pub fn run(arguments: &PredictArguments) -> Result<()> {
    let mut files = Vec::new();
    for path in &arguments.pictures {
        files.extend(pictures_in(path)?);
    }
    let predictor = arguments.way.open(&arguments.model, &arguments.machine)?;
    let predictions = arguments.way.predict(&predictor, files)?;
    let classes = &predictor.description().classes;
    match &arguments.out {
        Some(path) => {
            Ok(write_atomically(path, |writer| write_csv(writer, &predictions, classes))?)
        }
        None => write_out(|writer| write_csv(writer, &predictions, classes)),
    }
}
