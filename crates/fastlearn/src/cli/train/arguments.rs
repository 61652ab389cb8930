//! The arguments of `fastlearn train`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use fastlearn::predict::Tta;
use fastlearn::schedule::Cycles;
use fastlearn::train::Every;

use super::beyond::BeyondArguments;
use crate::cli::arguments::{DataArguments, ModelArguments, TransformsName, at_least_one};
use crate::cli::machine::MachineArguments;

/// Trains a classifier by the lesson's recipe and leaves a model file.
///
/// A: the rate finder, then the new head alone on activations computed once. B: the head on augmented
/// pictures, in cycles of cosine annealing. C: every layer group, earlier ones at lower rates, after
/// the finder has run again; each cycle is longer than the one before. Then predictions by test-time
/// augmentation. With `--weights none` there is nothing to keep frozen: A is left out and every group
/// trains from the beginning.
///
/// The run folder holds recipe.toml (the complete settings), model.safetensors (all that `predict`
/// needs), history.csv, history.json, predictions.csv of the validation pictures, and plots.
#[derive(Debug, Args)]
pub struct TrainArguments {
    /// The run folder; new or empty [default: runs/NAME-OF-DIR/NUMBER]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Repeat a run: its recipe, but for what is given here
    #[arg(long, value_name = "RUN")]
    pub like: Option<PathBuf>,
    /// Go on with a run that was interrupted, in its folder, at the exact step: it ends with the same
    /// bits. Everything is as it was; DIR is needed only if the pictures were moved
    #[arg(long, value_name = "RUN", conflicts_with_all = ["like", "out"])]
    pub resume: Option<PathBuf>,
    /// How often a checkpoint is written within an epoch (at its end there always is one): a number of
    /// batches, or seconds as in 300s
    #[arg(long, value_name = "N|SECONDSs", default_value = "300s", value_parser = parse_every)]
    pub checkpoint: Every,
    /// Train N times, each time with another of N parts of the pictures held out, into folders fold-0 on;
    /// tells mean and spread
    #[arg(long, value_name = "N", conflicts_with_all = ["valid", "valid_ids", "all", "resume"],
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..=100))]
    pub folds: Option<usize>,
    /// Print one JSON document to standard output, everything else to standard error
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub data: DataArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub machine: MachineArguments,
    #[command(flatten)]
    pub recipe: RecipeArguments,
    #[command(flatten)]
    pub beyond: BeyondArguments,
}

/// How it is trained.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recipe")]
pub struct RecipeArguments {
    /// The short version: finder; frozen; unfrozen at the same rate. Nothing is precomputed and the
    /// finder runs once
    #[arg(long)]
    pub minimal: bool,
    /// Learning rate of the head, or two as in 1e-4..1e-2: that of the first layers and that of the head,
    /// those between them spread geometrically; or `auto` for what the rate finder suggests
    #[arg(long, value_name = "RATE|LOW..HIGH|auto", default_value = "auto")]
    pub lr: LearningRate,
    /// How many times smaller each earlier layer group's rate is [default: 10, 3 with --transforms
    /// top-down, 1 with --weights none]
    #[arg(long, value_name = "RATIO", value_parser = parse_ratio)]
    pub lr_ratio: Option<f32>,
    /// Epochs of stage A; 0 leaves it out [default: 2, 0 with --minimal]
    #[arg(long, value_name = "N")]
    pub epochs_precomputed: Option<usize>,
    /// Cycles of stage B, of one epoch each; 0 leaves it out
    #[arg(long, value_name = "N", default_value = "3")]
    pub cycles_frozen: usize,
    /// Cycles of stage C; 0 leaves it out
    #[arg(long, value_name = "N", default_value = "3")]
    pub cycles: usize,
    /// Epochs in the first cycle of stage C
    #[arg(long, value_name = "EPOCHS", default_value = "1", value_parser = at_least_one())]
    pub cycle_length: usize,
    /// How many times as long as the one before each cycle of stage C is
    #[arg(long, value_name = "N", default_value = "2", value_parser = at_least_one())]
    pub cycle_mult: usize,
    /// Views of each picture in the final predictions: a number of random ones besides the plain one, or
    /// crops3 (both ends and the middle of the long side) or crops5 (corners and middle); +flip,
    /// +lighting, +rotation on top; 0 for the plain picture alone
    #[arg(long, value_name = "VIEWS", default_value = "4")]
    pub tta: Tta,
    /// Weight decay, added to the gradient
    #[arg(long, value_name = "NUMBER", default_value = "0", value_parser = parse_decay)]
    pub weight_decay: f32,
    /// Keep the batch norms of stage C at the statistics of pre-training: for small batches and deep
    /// networks
    #[arg(long)]
    pub freeze_norms: bool,
}

/// A number, or the finder's suggestion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LearningRate {
    Auto,
    Fixed(f32),
    /// Of the first layer group and of the head.
    Between(f32, f32),
}

impl LearningRate {
    /// The head's, if it is not to be found.
    pub fn fixed(self) -> Option<f32> {
        match self {
            LearningRate::Auto => None,
            LearningRate::Fixed(rate) | LearningRate::Between(_, rate) => Some(rate),
        }
    }
}

impl fmt::Display for LearningRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LearningRate::Auto => f.write_str("auto"),
            LearningRate::Fixed(rate) => write!(f, "{rate}"),
            LearningRate::Between(low, high) => write!(f, "{low}..{high}"),
        }
    }
}

impl FromStr for LearningRate {
    type Err = String;

    fn from_str(text: &str) -> Result<LearningRate, String> {
        if text == "auto" {
            return Ok(LearningRate::Auto);
        }
        let rate =
            |text: &str| text.parse().ok().filter(|rate: &f32| rate.is_finite() && *rate > 0.0);
        let parsed = match text.split_once("..") {
            Some((low, high)) => {
                rate(low).zip(rate(high)).map(|(l, h)| LearningRate::Between(l, h))
            }
            None => rate(text).map(LearningRate::Fixed),
        };
        parsed.ok_or_else(|| {
            "expected a number above 0, two of them as in 1e-4..1e-2, or auto".to_owned()
        })
    }
}

fn parse_every(text: &str) -> Result<Every, String> {
    let (digits, every): (&str, fn(u64) -> Every) = match text.strip_suffix('s') {
        Some(seconds) => (seconds, |seconds| Every::Time(Duration::from_secs(seconds))),
        None => (text, |batches| Every::Batches(batches as usize)),
    };
    let count = digits.parse().ok().filter(|count| *count > 0);
    count.map(every).ok_or_else(|| "expected batches as in 100, or seconds as in 300s".to_owned())
}

pub fn parse_ratio(text: &str) -> Result<f32, String> {
    let ratio = text.parse().ok().filter(|ratio: &f32| ratio.is_finite() && *ratio >= 1.0);
    ratio.ok_or_else(|| "expected a number from 1".to_owned())
}

fn parse_decay(text: &str) -> Result<f32, String> {
    let decay = text.parse().ok().filter(|decay: &f32| decay.is_finite() && *decay >= 0.0);
    decay.ok_or_else(|| "expected a number from 0".to_owned())
}

/// Ratio between the rates of neighbouring layer groups, unless told otherwise: 10 where the pictures
/// are like those of pre-training, 3 where they are seen from above, 1 where nothing is pre-trained.
pub fn default_ratio(transforms: TransformsName, is_random: bool) -> f32 {
    match (is_random, transforms) {
        (true, _) => 1.0,
        (false, TransformsName::TopDown) => 3.0,
        (false, _) => 10.0,
    }
}

/// What the arguments come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Stages {
    /// Sizes of the pictures: after the first, B and C come again at each.
    pub sizes: Vec<usize>,
    /// Epochs of stage A.
    pub precomputed: usize,
    /// Stage B.
    pub frozen: Option<Cycles>,
    /// Stage C.
    pub unfrozen: Option<Cycles>,
    /// Whether the body keeps to its first weights until stage C.
    pub is_pretrained: bool,
    /// Whether the finder runs again before stage C.
    pub finds_again: bool,
    /// The rate, if it is not to be found.
    pub lr: LearningRate,
    /// Ratio between neighbouring groups in stage C.
    pub ratio: f32,
    /// Views of the final predictions.
    pub tta: Tta,
    /// Batch norms of stage C keep their statistics.
    pub freeze_norms: bool,
    /// What the lesson does without.
    pub beyond: BeyondArguments,
}

impl Stages {
    /// Epochs of the last of stages B and C; 0 if both are left out.
    pub fn last_epochs(&self) -> usize {
        self.unfrozen.or(self.frozen).map_or(0, |cycles| cycles.epochs())
    }
}

impl TrainArguments {
    pub fn stages(&self) -> Stages {
        let recipe = &self.recipe;
        let is_pretrained = !self.model.is_random();
        let default_epochs = if recipe.minimal { 0 } else { 2 };
        let epochs = recipe.epochs_precomputed.unwrap_or(default_epochs);
        let unfrozen = || {
            let cycles = Cycles::new(recipe.cycles).length(recipe.cycle_length);
            cycles.multiplier(recipe.cycle_mult)
        };
        Stages {
            sizes: self.data.size.clone(),
            precomputed: if is_pretrained { epochs } else { 0 },
            frozen: (recipe.cycles_frozen > 0).then(|| Cycles::new(recipe.cycles_frozen)),
            unfrozen: (recipe.cycles > 0).then(unfrozen),
            is_pretrained,
            finds_again: !recipe.minimal,
            lr: recipe.lr,
            ratio: match recipe.lr {
                // Two steps from the first of three groups to the last.
                LearningRate::Between(low, high) => (high / low).sqrt(),
                _ => recipe
                    .lr_ratio
                    .unwrap_or_else(|| default_ratio(self.data.transforms, self.model.is_random())),
            },
            tta: recipe.tta,
            freeze_norms: recipe.freeze_norms,
            beyond: self.beyond.clone(),
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
        train: TrainArguments,
    }

    fn stages(arguments: &str) -> Stages {
        let words = ["train", "data"].into_iter().chain(arguments.split_whitespace());
        Line::try_parse_from(words).expect("valid arguments").train.stages()
    }

    #[test]
    fn the_lesson_is_the_default() {
        let lesson = stages("");
        assert_eq!(lesson.precomputed, 2);
        assert_eq!(lesson.frozen, Some(Cycles::new(3)));
        assert_eq!(lesson.unfrozen.expect("unfrozen").epochs(), 7);
        assert_eq!(
            (lesson.lr, lesson.ratio, lesson.tta),
            (LearningRate::Auto, 10.0, Tta::random(4))
        );
        assert!(lesson.is_pretrained && lesson.finds_again);
    }

    #[test]
    fn ratios_follow_the_kind_of_picture() {
        assert_eq!(stages("--transforms top-down").ratio, 3.0);
        assert_eq!(stages("--lr-ratio 3").ratio, 3.0);
        assert_eq!(stages("--transforms top-down --lr-ratio 7").ratio, 7.0);
        assert_eq!(stages("--weights none").ratio, 1.0);
    }

    #[test]
    fn stages_can_be_left_out() {
        let minimal = stages("--minimal");
        assert_eq!((minimal.precomputed, minimal.finds_again), (0, false));
        assert_eq!(minimal.frozen, Some(Cycles::new(3)));
        let random = stages("--weights none");
        assert_eq!((random.precomputed, random.is_pretrained), (0, false));
        let fixed = stages("--lr 1e-2 --cycles-frozen 1 --cycles 2 --cycle-mult 2 --lr-ratio 10");
        assert_eq!(fixed.lr, LearningRate::Fixed(0.01));
        assert_eq!(fixed.frozen, Some(Cycles::new(1)));
        assert_eq!(fixed.unfrozen.expect("unfrozen").epochs(), 3);
        assert_eq!(stages("--cycles 0").unfrozen, None);
        assert_eq!(stages("--size 64,128").sizes, [64, 128]);
    }

    #[test]
    fn two_rates_are_those_of_the_first_layers_and_of_the_head() {
        let spread = stages("--lr 1e-4..1e-2");
        assert_eq!(
            (spread.lr.fixed(), spread.lr.to_string().as_str()),
            (Some(0.01), "0.0001..0.01")
        );
        assert!((spread.ratio - 10.0).abs() < 1e-5);
    }

    #[test]
    fn checkpoints_come_by_batches_or_seconds() {
        assert_eq!(parse_every("20"), Ok(Every::Batches(20)));
        assert_eq!(parse_every("5s"), Ok(Every::Time(Duration::from_secs(5))));
        assert!(["0", "s", "-1", "1m", ""].iter().all(|text| parse_every(text).is_err()));
    }

    #[test]
    fn rates_that_mean_nothing_are_refused() {
        for wrong in [
            "--lr 0",
            "--lr 1e-4..",
            "--lr 0..1",
            "--lr nan",
            "--lr=-1",
            "--lr-ratio 0.5",
            "--weight-decay=-1",
        ] {
            let words = ["train", "data"].into_iter().chain(wrong.split_whitespace());
            assert!(Line::try_parse_from(words).is_err(), "{wrong}");
        }
    }
}
