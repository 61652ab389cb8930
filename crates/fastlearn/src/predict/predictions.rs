//! Probabilities of a set of pictures, with their ids and, where known, their labels.

use tensor_core::Tensor;
use tensor_core::ops::loss::{Loss, probabilities};

use crate::Result;
use crate::metrics::Scored;

/// One row of probabilities a picture, in the order of the split or the list they came from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// What each row is about: a path within the data folder, or a file as it was given.
    pub ids: Vec<String>,
    /// `[rows, classes]`, row-major; each row sums to 1.
    pub probabilities: Vec<f32>,
    /// Number of classes.
    pub classes: usize,
    /// The true class of each row; empty if not known.
    pub labels: Vec<u32>,
}

impl Predictions {
    /// Adds a batch of `[n, classes]` logits and their labels (none, if not known).
    pub(crate) fn push(&mut self, logits: &Tensor, labels: &[usize]) -> Result<()> {
        self.classes = logits.shape().channels();
        self.probabilities.extend(probabilities(Loss::CrossEntropy, logits)?.to_f32()?);
        self.labels.extend(labels.iter().map(|&label| label as u32));
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

    /// The probabilities held against the labels: accuracy, log loss, confusion matrix.
    ///
    /// # Errors
    /// If labels are missing.
    pub fn scored(&self) -> Result<Scored<'_>> {
        Ok(Scored::new(&self.probabilities, self.classes, &self.labels)?)
    }
}
