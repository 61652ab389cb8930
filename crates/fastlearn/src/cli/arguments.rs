//! The arguments that several commands share, and what they make: data and a learner. Where it is
//! computed is in `machine.rs`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use fastlearn::data::{HoldOut, LabelKind, Validation};
use fastlearn::train::LearnerBuilder;
use fastlearn::{Arch, Device, ImageData, Learner, Transforms};
use models::weights::Silent;
use models::{Architecture, StateDict, WeightsRequest};
use serde::Serialize;

use super::error::{CommandError, Result};
use super::label_arguments::LabelArguments;
use super::output::Console;

/// Whole numbers from 1.
pub fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// Which pictures, at which size, and how they are augmented.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pictures")]
pub struct DataArguments {
    /// The folder of pictures: DIR/CLASS/*, or DIR/train/CLASS/* and DIR/valid/CLASS/*; or the folder
    /// that --csv or --names are about
    #[arg(value_name = "DIR", help_heading = None)]
    pub folder: PathBuf,
    /// Side of the square that the network sees, in pixels; several as in 64,128,256 train at each in turn
    #[arg(long, value_name = "PIXELS", default_value = "224", value_delimiter = ',',
          value_parser = RangedU64ValueParser::<usize>::new().range(16..=8192))]
    pub size: Vec<usize>,
    /// Pictures in a batch
    #[arg(long, value_name = "N", default_value = "64", value_parser = at_least_one())]
    pub batch_size: usize,
    /// How training pictures vary: side-on for things photographed from the side, top-down for
    /// things photographed from above
    #[arg(long, value_name = "NAME", default_value = "side-on")]
    pub transforms: TransformsName,
    /// Largest random zoom; 1 for none [default: 1.1, none with --transforms none]
    #[arg(long, value_name = "FACTOR")]
    pub max_zoom: Option<f64>,
    /// What is held out for validation where DIR has no folder `valid`: a fraction such as 0.2, a
    /// fold such as 3 (of the five fifths 0 to 4), both as 3:0.2, or one of N parts that are everything
    /// together as 3/5. The same for every seed
    #[arg(long, value_name = "FRACTION|FOLD", default_value = "0.2", value_parser = parse_valid)]
    pub valid: Validation,
    /// Hold out the pictures whose ids are in the first column of this file
    #[arg(long, value_name = "FILE", conflicts_with = "valid")]
    pub valid_ids: Option<PathBuf>,
    /// Learn from every labelled picture and judge by none
    #[arg(long, conflicts_with_all = ["valid", "valid_ids"])]
    pub all: bool,
    /// Let rare classes come more often in training, as copies that are augmented differently, at most N
    /// of a picture
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10",
          value_parser = at_least_one())]
    pub oversample: Option<usize>,
    /// The pictures of this folder to predict when all is done, labelled or not: see --test-csv
    #[arg(long, value_name = "FOLDER")]
    pub test: Option<PathBuf>,
    /// Labels of the test pictures, a table like that of --csv
    #[arg(long, value_name = "FILE", requires = "csv")]
    pub test_csv: Option<PathBuf>,
    #[command(flatten)]
    pub labels: LabelArguments,
    /// Use at most N training pictures, evenly by class: for a quick look
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub limit: Option<usize>,
    /// Seed of everything random; the same seed gives the same bits for any number of threads
    #[arg(long, value_name = "N", default_value = "42")]
    pub seed: u64,
    /// Threads that decode pictures [default: one a core, at most 8]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
}

/// The ready-made lists of transforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransformsName {
    /// No augmentation but the random crop
    None,
    /// Small turns and changes of light
    Basic,
    /// Basic and mirroring
    SideOn,
    /// Basic and the eight symmetries of the square
    TopDown,
}

impl DataArguments {
    /// Reads the folder, the table or the names; decodes nothing. What was found out that nobody said goes
    /// to standard error.
    pub fn open(&self) -> Result<ImageData> {
        self.open_on(self.validation(), true)
    }

    /// As [`open`](Self::open) with others held out; `tells` is false where all has been said before.
    pub fn open_on(&self, validation: Validation, tells: bool) -> Result<ImageData> {
        let data = self.labelled(validation)?.batch_size(self.batch_size).seed(self.seed);
        let data = self.workers.map_or(data.clone(), |workers| data.workers(workers));
        let data = self.limit.map_or(data.clone(), |limit| data.limit(limit));
        let data = match self.oversample {
            Some(most) => data.oversample(most)?,
            None => data,
        };
        let data = self.with_test(data)?;
        let console = Console::new(true);
        let notices = data.notices().iter().filter(|_| tells);
        notices.for_each(|notice| console.note(notice));
        if data.classes().len() < 2 && data.label_kind() == LabelKind::One {
            return Err(CommandError::Request(format!(
                "{}: there is one class, `{}`; a classifier needs at least two",
                self.folder.display(),
                data.classes().join(", ")
            )));
        }
        Ok(data)
    }

    fn labelled(&self, validation: Validation) -> Result<ImageData> {
        let (folder, transforms) = (&self.folder, self.transforms());
        Ok(match (self.labels.table(folder), &self.labels.names) {
            (Some(csv), _) => ImageData::from_csv(csv.validation(validation), transforms)?,
            (None, Some(pattern)) => {
                ImageData::from_names_holding_out(folder, pattern, transforms, validation)?
            }
            (None, None) => ImageData::holding_out(folder, transforms, validation)?,
        })
    }

    /// What is held out.
    pub fn validation(&self) -> Validation {
        match (&self.valid_ids, self.all) {
            (Some(file), _) => Validation::IdFile(file.clone()),
            (None, true) => Validation::Nothing,
            (None, false) => self.valid.clone(),
        }
    }

    fn with_test(&self, data: ImageData) -> Result<ImageData> {
        Ok(match (&self.test, &self.test_csv) {
            (images, Some(file)) => {
                let csv = self.labels.table_of(&self.folder, file, images.as_deref());
                data.with_test_csv(csv)?
            }
            (Some(folder), None) => data.with_test(folder)?,
            (None, None) => data,
        })
    }

    /// Whether the test pictures are to be predicted: they were named.
    pub fn predicts_test(&self) -> bool {
        self.test.is_some() || self.test_csv.is_some()
    }

    fn transforms(&self) -> Transforms {
        // There always is one: the argument has a default.
        let size = self.size.first().copied().unwrap_or(224);
        let transforms = match self.transforms {
            TransformsName::None => Transforms::none(size),
            TransformsName::Basic => Transforms::basic(size),
            TransformsName::SideOn => Transforms::side_on(size),
            TransformsName::TopDown => Transforms::top_down(size),
        };
        match (self.max_zoom, self.transforms) {
            (Some(zoom), _) => transforms.max_zoom(zoom),
            (None, TransformsName::None) => transforms,
            (None, _) => transforms.max_zoom(1.1),
        }
    }
}

fn parse_valid(text: &str) -> Result<Validation, String> {
    let Some((fold, folds)) = text.split_once('/') else {
        return parse_hold_out(text).map(Validation::Part);
    };
    match (fold.parse(), folds.parse()) {
        (Ok(fold), Ok(folds)) if folds >= 2 && fold < folds => Ok(Validation::Fold { fold, folds }),
        _ => Err("expected a part from 0 and the number of parts, such as 3/5".to_owned()),
    }
}

fn parse_hold_out(text: &str) -> Result<HoldOut, String> {
    let (fold, fraction) = match text.split_once(':') {
        Some((fold, fraction)) => (Some(fold), Some(fraction)),
        None if text.contains('.') => (None, Some(text)),
        None => (Some(text), None),
    };
    let mut hold_out = HoldOut::default();
    if let Some(text) = fraction {
        hold_out.fraction = text
            .parse()
            .ok()
            .filter(|fraction| *fraction > 0.0 && *fraction < 1.0)
            .ok_or("the fraction must lie between 0 and 1")?;
    }
    if let Some(text) = fold {
        hold_out.fold = text.parse().map_err(|_| "the fold must be a whole number from 0")?;
    }
    let folds = (1.0 / hold_out.fraction + 1e-9) as usize;
    match hold_out.fold < folds {
        true => Ok(hold_out),
        false => Err(format!(
            "there are {folds} folds of that size, 0 to {}; a fraction is written with a point",
            folds - 1
        )),
    }
}

/// Which network, with which first weights.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub struct ModelArguments {
    /// The architecture, by torchvision's name [default: that of the weights file if it names one,
    /// else resnet34]
    #[arg(long, value_name = "NAME", value_parser = Arch::from_str)]
    pub arch: Option<Arch>,
    /// Pre-trained weights: a .safetensors or .pth file, a name in the cache folder, or `none` for
    /// random ones [default: the published weights, downloaded once]
    #[arg(long, value_name = "PATH|NAME|none")]
    pub weights: Option<String>,
    /// Folder for weights and activations [default: FASTLEARN_CACHE, else the user's cache folder]
    #[arg(long, value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,
}

/// Keys under which a weights file or a model file names its architecture.
const ARCHITECTURE_KEYS: [&str; 2] = ["architecture", "fastlearn.architecture"];

impl ModelArguments {
    /// Whether training begins from random weights.
    pub fn is_random(&self) -> bool {
        self.weights.as_deref() == Some("none")
    }

    /// The architecture asked for, else the one that the weights file names, else ResNet-34.
    pub fn architecture(&self) -> Result<Architecture> {
        if let Some(arch) = self.arch {
            return Ok(arch.into());
        }
        let choice = self.weights.as_deref().filter(|_| !self.is_random());
        let Some(choice) = choice else { return Ok(Arch::ResNet34.into()) };
        let mut request = WeightsRequest::new(Arch::ResNet34).choosing(choice);
        request.cache_dir = self.cache_dir.clone();
        let metadata = StateDict::read_metadata(request.resolve(&mut Silent)?.path)?;
        match ARCHITECTURE_KEYS.iter().find_map(|&key| metadata.get(key)) {
            Some(description) => Ok(Architecture::from_json(description)?),
            None => Ok(Arch::ResNet34.into()),
        }
    }

    /// A learner in the making.
    pub fn learner(&self, data: ImageData, device: &Device, seed: u64) -> Result<LearnerBuilder> {
        let builder = Learner::builder(self.architecture()?, data).device(device).seed(seed);
        let builder = match self.weights.as_deref() {
            None => builder,
            Some(_) if self.is_random() => builder.random_weights(),
            Some(choice) => builder.weights(choice),
        };
        Ok(match &self.cache_dir {
            Some(folder) => builder.cache_folder(folder),
            None => builder,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_makes_a_fraction_and_a_whole_number_a_fold() {
        let parsed = |text| parse_hold_out(text).map(|hold_out| (hold_out.fold, hold_out.fraction));
        assert_eq!(parsed("0.25"), Ok((0, 0.25)));
        assert_eq!(parsed("4"), Ok((4, 0.2)));
        assert_eq!(parsed("9:0.1"), Ok((9, 0.1)));
        for wrong in ["5", "10:0.1", "1.0", "0.0", "-1", "x", "1:", "nan:.2", "0:NaN"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_valid("2/5"), Ok(Validation::Fold { fold: 2, folds: 5 }));
        assert_eq!(parse_valid("0.2"), Ok(Validation::default()));
        for wrong in ["5/5", "0/1", "/", "1/x", "0.2/5"] {
            assert!(parse_valid(wrong).is_err(), "{wrong}");
        }
    }
}
