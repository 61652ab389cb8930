//! Which pictures are held out to judge by.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ImageData;
use super::labels::LabelKind;
use super::pool::Pool;
use super::splits::{HoldOut, Split, cross_validation_indexes};
use super::table::{fault, read_text};
use crate::{Error, Result};

/// Which pictures are held out for validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Validation {
    /// A part of a random permutation, as fastai draws it.
    Part(HoldOut),
    /// Part `fold` of `folds`, which together are all pictures: a part is `floor(n / folds)` of fastai's
    /// permutation, and the last takes what is left over.
    Fold {
        /// Which part, from 0.
        fold: usize,
        /// How many parts, at least 2.
        folds: usize,
    },
    /// The pictures at these positions, from 0, in the order of the table or the folders: what
    /// [`cross_validation_indexes`] gives, for example.
    Indexes(Vec<usize>),
    /// The pictures of these ids, with or without the suffix of the file.
    Ids(Vec<String>),
    /// The pictures whose ids stand in the first column of this file.
    IdFile(PathBuf),
    /// None: every picture is to learn from, and nothing is judged.
    Nothing,
}

impl Default for Validation {
    /// fastai's: the first fifth of the permutation of seed 42.
    fn default() -> Validation {
        Validation::Part(HoldOut::default())
    }
}

impl From<HoldOut> for Validation {
    fn from(hold_out: HoldOut) -> Validation {
        Validation::Part(hold_out)
    }
}

impl From<Vec<usize>> for Validation {
    fn from(indexes: Vec<usize>) -> Validation {
        Validation::Indexes(indexes)
    }
}

/// Seed of the permutation that folds are cut from: that of [`HoldOut::default`].
const FOLD_SEED: u32 = 42;

impl Validation {
    /// Positions of the pictures held out, in any order.
    fn indexes(&self, pool: &Pool) -> Result<Vec<usize>> {
        let n = pool.split.len();
        let held = match self {
            Validation::Nothing => return Ok(Vec::new()),
            Validation::Part(HoldOut { fold, fraction, seed }) => {
                if !(*fraction > 0.0 && *fraction < 1.0) {
                    let rule = "it must lie between 0 and 1";
                    return Err(Error::setting("hold-out fraction", fraction, rule));
                }
                cross_validation_indexes(n, *fold, *fraction, *seed)
            }
            Validation::Fold { fold, folds } => fold_indexes(n, *fold, *folds)?,
            Validation::Indexes(indexes) => {
                if let Some(index) = indexes.iter().find(|&&index| index >= n) {
                    let rule = "there are fewer pictures";
                    return Err(Error::setting("a validation index", index, rule));
                }
                indexes.clone()
            }
            Validation::Ids(ids) => {
                let find = pool.finder();
                let index = |id: &String| find(id.trim()).ok_or_else(|| unknown(id));
                ids.iter().map(index).collect::<Result<_>>()?
            }
            Validation::IdFile(path) => listed(path, pool)?,
        };
        match held.is_empty() {
            true => Err(Error::Split(format!(
                "there are {n} pictures, of which none is held out for validation; add pictures, hold \
                 out more or train on all of them"
            ))),
            false => Ok(held),
        }
    }
}

fn unknown(id: &str) -> Error {
    Error::Split(format!(
        "`{}` is to be held out for validation, but there is no such picture",
        id.trim()
    ))
}

fn fold_indexes(n: usize, fold: usize, folds: usize) -> Result<Vec<usize>> {
    if folds < 2 || folds > n {
        let rule = "it must be at least 2 and at most the number of pictures";
        return Err(Error::setting("the number of folds", folds, rule));
    }
    if fold >= folds {
        return Err(Error::setting("the fold", fold, "it must be below the number of folds"));
    }
    // The whole permutation: its only part of everything.
    let order = cross_validation_indexes(n, 0, 1.0, FOLD_SEED);
    let part = n / folds;
    let end = if fold + 1 == folds { n } else { (fold + 1) * part };
    Ok(order[fold * part..end].to_vec())
}

/// The positions of the ids in a file.
fn listed(path: &Path, pool: &Pool) -> Result<Vec<usize>> {
    let (text, find) = (read_text(path)?, pool.finder());
    let mut held = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let cell = line.split([',', ';', '\t']).next().unwrap_or_default();
        let id = cell.trim().trim_matches('"');
        if id.is_empty() {
            continue;
        }
        match find(id) {
            Some(index) => held.push(index),
            None => return Err(fault(path, number + 1, format!("there is no picture `{id}`"))),
        }
    }
    match held.is_empty() {
        true => Err(fault(path, None, "there is no id in it")),
        false => Ok(held),
    }
}

/// Divides pictures into those to learn from and those to judge by, both in the order of the pool.
fn divide(pool: &Pool, held: &[usize]) -> (Split, Split) {
    let mut is_held = vec![false; pool.split.len()];
    held.iter().for_each(|&index| is_held[index] = true);
    let (valid, train): (Vec<usize>, Vec<usize>) =
        (0..pool.split.len()).partition(|&index| is_held[index]);
    (pool.split.select(&train), pool.split.select(&valid))
}

impl ImageData {
    /// The same pictures with others held out for validation. What a training set of before was limited
    /// or oversampled to is forgotten.
    ///
    /// # Errors
    /// [`Error::Split`] if nothing is held out or nothing left, an id is unknown, or a class is left
    /// without a training picture (where pictures have several classes, that is a
    /// [notice](ImageData::notices)); as for reading the file of ids.
    pub fn validate_on(mut self, validation: impl Into<Validation>) -> Result<ImageData> {
        let validation = validation.into();
        (self.train, self.valid) = divide(&self.pool, &validation.indexes(&self.pool)?);
        if self.train.is_empty() {
            let reason = "every picture is held out for validation; hold out fewer";
            return Err(Error::Split(reason.to_owned()));
        }
        let counts = self.train.labels().counts(self.classes.len());
        let without: Vec<&str> = self
            .classes
            .iter()
            .zip(counts)
            .filter_map(|(class, count)| (count == 0).then_some(class.as_str()))
            .collect();
        match (without.first(), self.kind) {
            (None, _) => Ok(self),
            (Some(class), LabelKind::One) => Err(Error::Split(format!(
                "class `{class}` has all its pictures held out for validation; add pictures or choose \
                 another fold or seed"
            ))),
            (Some(_), LabelKind::Several) => {
                let classes = without.join(", ");
                let notice = format!("no training picture has {classes}: it cannot be learned");
                Ok(self.noticing(vec![notice]))
            }
        }
    }

    /// Part `fold` (from 0) of `folds` held out: training on each in turn judges every picture once.
    ///
    /// # Errors
    /// As [`validate_on`](ImageData::validate_on), and for a class of one picture, which in one of the
    /// folds would have none to be learned from.
    pub fn fold(self, fold: usize, folds: usize) -> Result<ImageData> {
        let counts = self.pool.split.labels().counts(self.classes.len());
        if self.kind == LabelKind::One
            && let Some(class) = counts.iter().position(|&count| count < 2)
        {
            return Err(Error::Split(format!(
                "class `{}` has one picture: in one of the {folds} folds it would have none to be \
                 learned from; add pictures or leave it out",
                self.classes[class]
            )));
        }
        self.validate_on(Validation::Fold { fold, folds })
    }

    /// Every labelled picture to learn from and none to judge by: epochs have no validation.
    ///
    /// # Errors
    /// None in practice: there are pictures.
    pub fn train_on_all(self) -> Result<ImageData> {
        self.validate_on(Validation::Nothing)
    }
}
