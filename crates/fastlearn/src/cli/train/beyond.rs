//! What can be added to the lesson's recipe: softer targets, sizes and views of pictures, kept weights,
//! calibration.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use fastlearn::data::LabelKind;
use fastlearn::predict::Tta;
use fastlearn::train::{BestBy, advise};
use fastlearn::{ImageData, Learner, Predictions};

use crate::cli::arguments::at_least_one;
use crate::cli::error::{CommandError, Result};
use crate::cli::output::{Console, counted};
use crate::cli::progress::Busy;
use crate::cli::run_folder::RunFolder;

/// The value of `--keep` that keeps nothing.
const LAST: &str = "last";

/// What the lesson does without.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Beyond the lesson")]
pub struct BeyondArguments {
    /// Spread this part of each training target over all classes; 0.1 is usual
    #[arg(long, value_name = "PART", default_value = "0", value_parser = parse_part)]
    pub label_smoothing: f32,
    /// Mix each training picture with another of its batch, by shares from a beta distribution with this
    /// parameter; 0.4 is usual. It wants more epochs
    #[arg(long, value_name = "ALPHA", default_value = "0", value_parser = parse_alpha)]
    pub mixup: f32,
    /// Sizes of training pictures, one drawn for each batch, such as 192,224,256; validation and prediction
    /// keep --size
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    pub random_sizes: Vec<usize>,
    /// Augmented views of each training picture in stage A, one an epoch in turn [default: the plain view]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub views: Option<usize>,
    /// Judge each epoch by test-time augmentation as well, over these views
    #[arg(long, value_name = "VIEWS")]
    pub tta_each_epoch: Option<Tta>,
    /// Keep the model of each cycle's end of the last stage, and judge their ensemble
    #[arg(long)]
    pub snapshots: bool,
    /// Average the weights of the last stage's epochs from this one on (from 1)
    #[arg(long, value_name = "EPOCH", value_parser = at_least_one())]
    pub average: Option<usize>,
    /// Which epoch's weights of the last stage the model has: last; loss for the lowest validation loss; or a
    /// metric such as accuracy for its highest value
    #[arg(long, value_name = "last|loss|METRIC", default_value = LAST, conflicts_with = "average")]
    pub keep: String,
    /// Divide logits by a number fitted on the validation pictures, so that probabilities mean what they say
    #[arg(long)]
    pub temperature: bool,
    /// Give no advice after a stage
    #[arg(long)]
    pub quiet: bool,
}

fn parse_part(text: &str) -> Result<f32, String> {
    let part = text.parse().ok().filter(|part: &f32| (0.0..1.0).contains(part));
    part.ok_or_else(|| "expected a number from 0, below 1".to_owned())
}

fn parse_alpha(text: &str) -> Result<f32, String> {
    let alpha = text.parse().ok().filter(|alpha: &f32| alpha.is_finite() && *alpha >= 0.0);
    alpha.ok_or_else(|| "expected a number from 0".to_owned())
}

/// What the snapshots of a run say together.
pub struct EnsembleResult {
    pub files: Vec<PathBuf>,
    pub predictions: Predictions,
}

impl BeyondArguments {
    /// Refuses what would only be found impossible when training is over. `last` is the number of epochs of
    /// the last of stages B and C, 0 if both are left out.
    pub fn check(&self, last: usize, data: &ImageData) -> Result<()> {
        let refuse = |reason: String| Err(CommandError::Request(reason));
        if let Some(from) = self.average
            && from > last
        {
            return refuse(format!("--average {from}, but the last stage has {last} epochs"));
        }
        let needs_validation = self.temperature || self.best_by().is_some();
        if needs_validation && data.valid().is_empty() {
            return refuse(
                "--temperature and --keep need validation pictures, and there are none".to_owned(),
            );
        }
        if (self.snapshots || self.best_by().is_some()) && last == 0 {
            return refuse(
                "--snapshots and --keep are of stage B or C, and both are left out".to_owned(),
            );
        }
        let mut known = match data.label_kind() {
            LabelKind::One => vec!["accuracy"],
            LabelKind::Several => vec!["f2", "f2 at 0.2"],
        };
        known.extend(self.tta_each_epoch.map(|_| "tta"));
        match self.best_by() {
            Some(BestBy::Metric(name)) if !known.contains(&name.as_str()) => refuse(format!(
                "--keep {name}: there is no such metric here; there are loss, {}",
                known.join(", ")
            )),
            _ => Ok(()),
        }
    }

    /// The data as it trains.
    pub fn data(&self, data: ImageData) -> ImageData {
        data.random_sizes(&self.random_sizes)
    }

    /// Sets a learner up, for all stages.
    pub fn set_up(&self, learner: &mut Learner, folder: &RunFolder) -> Result<()> {
        learner.keep_in(folder.path());
        learner.label_smoothing(self.label_smoothing)?;
        learner.mixup(self.mixup)?;
        learner.tta_each_epoch(self.tta_each_epoch);
        Ok(())
    }

    /// Begins to keep weights, before the last stage.
    pub fn keep_weights(&self, learner: &mut Learner) {
        if self.snapshots {
            learner.keep_snapshots();
        }
        if let Some(epoch) = self.average {
            learner.average_from(epoch - 1);
        }
        if let Some(by) = self.best_by() {
            learner.keep_best(by);
        }
    }

    /// After the last stage: the weights and the calibration that the model is to have.
    pub fn finish(&self, learner: &mut Learner, console: Console) -> Result<()> {
        if self.average.is_some() {
            let busy = Busy::new("averaging weights");
            let epochs = learner.use_average()?;
            drop(busy);
            console.line(format!("the model is the average of {}", counted(epochs, "epoch")));
        }
        if self.best_by().is_some() {
            let row = learner.use_best()?;
            console.line(format!(
                "the model is that of epoch {}, the best by {}",
                row.epoch, self.keep
            ));
        }
        if self.temperature {
            let busy = Busy::new("fitting the temperature");
            let temperature = learner.calibrate()?;
            drop(busy);
            console.line(format!("temperature {:.3}", temperature.value()));
        }
        Ok(())
    }

    /// What the kept snapshots say together.
    pub fn ensemble(
        &self,
        learner: &mut Learner,
        folder: &RunFolder,
        tta: Tta,
    ) -> Result<Option<EnsembleResult>> {
        if !self.snapshots {
            return Ok(None);
        }
        let _busy = Busy::new("predicting with every snapshot");
        let mut snapshots = learner.snapshots();
        let predictions = snapshots.tta(tta)?;
        let names = snapshots.names().iter();
        let files = names.map(|name| folder.file(&format!("{name}.safetensors"))).collect();
        Ok(Some(EnsembleResult { files, predictions }))
    }

    /// Removes weights that were kept to be averaged: the model is their average.
    pub fn clean_up(&self, folder: &RunFolder) {
        let entries = fs::read_dir(folder.path()).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("average-") && name.ends_with(".safetensors") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// One line on what to try next, unless nobody wants it.
    pub fn advise(&self, learner: &Learner, console: Console) {
        if !self.quiet
            && let Some(advice) = advise(learner.history())
        {
            console.line(format!("advice: {advice}"));
        }
    }

    fn best_by(&self) -> Option<BestBy> {
        match self.keep.as_str() {
            LAST | "" => None,
            "loss" => Some(BestBy::Loss),
            metric => Some(BestBy::Metric(metric.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        beyond: BeyondArguments,
    }

    fn parsed(arguments: &str) -> Option<BeyondArguments> {
        let words = ["train"].into_iter().chain(arguments.split_whitespace());
        Line::try_parse_from(words).ok().map(|line| line.beyond)
    }

    #[test]
    fn nothing_is_added_unless_it_is_asked_for() {
        let plain = parsed("").expect("valid");
        assert_eq!(plain, BeyondArguments { keep: LAST.to_owned(), ..BeyondArguments::default() });
        assert_eq!(plain.best_by(), None);
    }

    #[test]
    fn words_become_settings() {
        let all = "--label-smoothing 0.1 --mixup 0.4 --random-sizes 32,48 --views 4 --tta-each-epoch crops3 \
                   --snapshots --average 2 --temperature --quiet";
        let all = parsed(all).expect("valid");
        assert_eq!((all.label_smoothing, all.mixup, all.average), (0.1, 0.4, Some(2)));
        assert_eq!((all.random_sizes, all.views), (vec![32, 48], Some(4)));
        assert_eq!(all.tta_each_epoch, Some(Tta::crops(3)));
        let best = |words: &str| parsed(words).expect("valid").best_by();
        assert_eq!(best("--keep loss"), Some(BestBy::Loss));
        assert_eq!(best("--keep f2"), Some(BestBy::Metric("f2".to_owned())));
        for wrong in [
            "--label-smoothing 1",
            "--mixup=-1",
            "--average 0",
            "--views 0",
            "--keep loss --average 1",
        ] {
            assert!(parsed(wrong).is_none(), "{wrong}");
        }
    }
}
