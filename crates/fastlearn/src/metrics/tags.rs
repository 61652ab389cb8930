//! Probabilities beside the true tags, where a picture may have several, and what is measured on them.

use super::confusion::ClassScore;
use super::error::MetricsError;
use super::scored::{check_probabilities, clamped};

/// The threshold that the lesson sets for its submission.
pub const LESSON_THRESHOLD: f32 = 0.2;

/// The predictions of a whole set, checked once: `n` rows of `c` probabilities, row-major, and the true
/// classes of each row. A class is predicted where its probability is above a threshold.
///
/// ```
/// use fastlearn::metrics::ScoredTags;
///
/// let probabilities = [0.9, 0.3, 0.1, 0.2, 0.8, 0.6];
/// let tags = [vec![0], vec![1, 2]];
/// let scored = ScoredTags::new(&probabilities, 3, &tags)?;
/// assert_eq!(scored.f_beta(2.0, 0.5), 1.0);
/// assert!(scored.f_beta(2.0, 0.2) < 1.0); // row 0 is given class 1 too
/// let best = scored.best_threshold(2.0);
/// assert_eq!((best.threshold, best.score), (0.3, 1.0));
/// # Ok::<(), fastlearn::metrics::MetricsError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ScoredTags<'a> {
    probabilities: &'a [f32],
    classes: usize,
    tags: &'a [Vec<u32>],
}

/// Hits and misses of some predictions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagCounts {
    /// Classes that are there and predicted.
    pub hits: u64,
    /// Classes that are predicted and not there.
    pub extra: u64,
    /// Classes that are there and not predicted.
    pub missed: u64,
}

impl TagCounts {
    /// F-beta; `None` where nothing is there and nothing predicted.
    pub fn f_beta(self, beta: f64) -> Option<f64> {
        let square = beta * beta;
        let hits = (1.0 + square) * self.hits as f64;
        let all = hits + square * self.missed as f64 + self.extra as f64;
        (all > 0.0).then(|| hits / all)
    }

    /// Adds a class that is there or not, and is predicted or not.
    pub(super) fn add(&mut self, is_there: bool, is_predicted: bool) {
        match (is_there, is_predicted) {
            (true, true) => self.hits += 1,
            (false, true) => self.extra += 1,
            (true, false) => self.missed += 1,
            (false, false) => {}
        }
    }

    fn class_score(self) -> ClassScore {
        let part = |some: u64, all: u64| (all > 0).then(|| some as f64 / all as f64);
        ClassScore {
            precision: part(self.hits, self.hits + self.extra),
            recall: part(self.hits, self.hits + self.missed),
            f1: self.f_beta(1.0),
            support: self.hits + self.missed,
        }
    }
}

impl<'a> ScoredTags<'a> {
    /// Puts predictions beside the true classes of each row (sorted, each once).
    ///
    /// # Errors
    /// [`MetricsError`] when there are none, the shapes disagree, a label is no class, or a value is no
    /// probability.
    pub fn new(
        probabilities: &'a [f32],
        classes: usize,
        tags: &'a [Vec<u32>],
    ) -> Result<Self, MetricsError> {
        if tags.is_empty() || classes == 0 {
            return Err(MetricsError::Empty);
        }
        if tags.len().checked_mul(classes) != Some(probabilities.len()) {
            let (values, rows) = (probabilities.len(), tags.len());
            return Err(MetricsError::Shape { values, rows, classes });
        }
        for (row, tags) in tags.iter().enumerate() {
            if let Some(&label) = tags.iter().find(|&&label| label as usize >= classes) {
                return Err(MetricsError::Label { row, label, classes });
            }
        }
        check_probabilities(probabilities, classes)?;
        Ok(Self { probabilities, classes, tags })
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Always false: no rows are refused by [`ScoredTags::new`].
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The true classes of one row (from 0).
    pub fn tags(&self, row: usize) -> &'a [u32] {
        &self.tags[row]
    }

    /// The probabilities of one row (from 0).
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.probabilities[row * self.classes..(row + 1) * self.classes]
    }

    /// Whether a row has a class.
    pub fn has(&self, row: usize, class: usize) -> bool {
        self.tags[row].binary_search(&(class as u32)).is_ok()
    }

    /// Hits and misses of one row, each class by its own threshold.
    pub fn counts(&self, row: usize, thresholds: &[f32]) -> TagCounts {
        let mut counts = TagCounts::default();
        for (class, (&value, &threshold)) in self.row(row).iter().zip(thresholds).enumerate() {
            counts.add(self.has(row, class), value > threshold);
        }
        counts
    }

    /// F-beta of each row, then their mean (scikit-learn's `average="samples"`). A row without a class
    /// that is rightly given none counts 0, as there.
    pub fn f_beta(&self, beta: f64, threshold: f32) -> f64 {
        self.f_beta_with(beta, &vec![threshold; self.classes])
    }

    /// As [`f_beta`](Self::f_beta), with a threshold for each class.
    ///
    /// # Panics
    /// If there is not one threshold a class.
    pub fn f_beta_with(&self, beta: f64, thresholds: &[f32]) -> f64 {
        assert_eq!(thresholds.len(), self.classes, "one threshold a class");
        let score = |row| self.counts(row, thresholds).f_beta(beta).unwrap_or(0.0);
        (0..self.len()).map(score).sum::<f64>() / self.len() as f64
    }

    /// F-beta of each class over all rows; `None` where it is neither there nor predicted.
    ///
    /// # Panics
    /// If there is not one threshold a class.
    pub fn class_f_beta(&self, beta: f64, thresholds: &[f32]) -> Vec<Option<f64>> {
        self.class_counts(thresholds).into_iter().map(|counts| counts.f_beta(beta)).collect()
    }

    /// Precision, recall and F1 of each class over all rows.
    ///
    /// # Panics
    /// If there is not one threshold a class.
    pub fn class_scores(&self, thresholds: &[f32]) -> Vec<ClassScore> {
        self.class_counts(thresholds).into_iter().map(TagCounts::class_score).collect()
    }

    fn class_counts(&self, thresholds: &[f32]) -> Vec<TagCounts> {
        assert_eq!(thresholds.len(), self.classes, "one threshold a class");
        let mut counts = vec![TagCounts::default(); self.classes];
        for row in 0..self.len() {
            for (class, (&value, counts)) in self.row(row).iter().zip(&mut counts).enumerate() {
                counts.add(self.has(row, class), value > thresholds[class]);
            }
        }
        counts
    }

    /// Part of all cells, every class of every row, that are predicted rightly.
    pub fn accuracy(&self, threshold: f32) -> f64 {
        let wrong: u64 = self
            .class_counts(&vec![threshold; self.classes])
            .iter()
            .map(|counts| counts.extra + counts.missed)
            .sum();
        1.0 - wrong as f64 / self.probabilities.len() as f64
    }

    /// Mean over all cells of the negative natural logarithm of the probability given to what is true,
    /// clamped by [`PROBABILITY_FLOOR`](super::PROBABILITY_FLOOR): the loss of training.
    pub fn log_loss(&self) -> f64 {
        let mut sum = 0.0;
        for row in 0..self.len() {
            for (class, &value) in self.row(row).iter().enumerate() {
                let probability = clamped(value);
                sum -= if self.has(row, class) { probability } else { 1.0 - probability }.ln();
            }
        }
        sum / self.probabilities.len() as f64
    }
}

#[cfg(test)]
#[path = "tags_tests.rs"]
mod tests;
