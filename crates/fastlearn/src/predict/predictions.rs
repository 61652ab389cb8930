//! Probabilities of a set of pictures, with their ids and, where known, their labels.

use tensor_core::Tensor;
use tensor_core::ops::loss::{Loss, probabilities};

use crate::data::{LabelKind, Labels};
use crate::metrics::{Scored, ScoredTags};
use crate::{Error, Result};

/// One row of probabilities a picture, in the order of the split or the list they came from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// What each row is about: a path within the data folder, or a file as it was given.
    pub ids: Vec<String>,
    /// `[rows, classes]`, row-major. Where a picture has one class, each row sums to 1; where it may
    /// have several, each number stands for itself.
    pub probabilities: Vec<f32>,
    /// Number of classes.
    pub classes: usize,
    /// Whether a picture has one class or several.
    pub kind: LabelKind,
    /// The true class or classes of each row, if known.
    pub labels: Labels,
}

impl Predictions {
    /// No rows yet, of a model whose labels are of this kind.
    pub(crate) fn none_of(kind: LabelKind, classes: usize) -> Predictions {
        Predictions { classes, kind, labels: Labels::none_of(kind), ..Predictions::default() }
    }

    /// Adds a batch of `[n, classes]` logits and their labels.
    pub(crate) fn push(&mut self, logits: &Tensor, labels: &Labels) -> Result<()> {
        let activation = match self.kind {
            LabelKind::One => Loss::CrossEntropy,
            LabelKind::Several => Loss::BinaryCrossEntropy,
        };
        self.probabilities.extend(probabilities(activation, logits)?.to_f32()?);
        self.labels.extend(labels);
        Ok(())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.probabilities.len() / self.classes.max(1)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.probabilities.is_empty()
    }

    /// The probabilities of one picture.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn row(&self, row: usize) -> &[f32] {
        &self.probabilities[row * self.classes..(row + 1) * self.classes]
    }

    /// The most probable class of one picture; of equals, the first.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn predicted(&self, row: usize) -> usize {
        let row = self.row(row);
        (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
    }

    /// The classes of one picture whose probability is above a threshold: its tags, where it may have
    /// several.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn above(&self, row: usize, threshold: f32) -> Vec<usize> {
        let row = self.row(row);
        (0..row.len()).filter(|&class| row[class] > threshold).collect()
    }

    /// The probabilities held against the labels, one a picture: accuracy, log loss, confusion matrix.
    ///
    /// # Errors
    /// If labels are missing, or a picture may have several.
    pub fn scored(&self) -> Result<Scored<'_>> {
        match &self.labels {
            Labels::Several(_) => Err(Error::setting(
                "the labels",
                LabelKind::Several,
                "this needs one a picture; ask for `several()`",
            )),
            labels => {
                Ok(Scored::new(&self.probabilities, self.classes, labels.one().unwrap_or(&[]))?)
            }
        }
    }

    /// The probabilities held against the labels, any number a picture: F-beta at thresholds, the best
    /// of them, precision and recall of each class.
    ///
    /// # Errors
    /// If labels are missing, or a picture has exactly one by nature.
    pub fn several(&self) -> Result<ScoredTags<'_>> {
        match &self.labels {
            Labels::One(_) => Err(Error::setting(
                "the labels",
                LabelKind::One,
                "this needs several a picture; ask for `scored()`",
            )),
            Labels::Several(rows) => Ok(ScoredTags::new(&self.probabilities, self.classes, rows)?),
            Labels::Unknown => Ok(ScoredTags::new(&self.probabilities, self.classes, &[])?),
        }
    }
}
