//! Which classes are taken for which.

use serde::{Deserialize, Serialize};

/// Counts by true class (row) and predicted class (column).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

/// How well one class is recognised. A value is `None` where nothing was counted that it could be a part of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Part of the rows predicted as this class that belong to it.
    pub precision: Option<f64>,
    /// Part of this class's rows that are predicted as it.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Rows of this class.
    pub support: u64,
}

/// A pair of classes that is confused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// True class.
    pub truth: usize,
    /// Predicted class.
    pub predicted: usize,
    /// Rows.
    pub count: u64,
}

impl ConfusionMatrix {
    /// Zeros for `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one row more.
    ///
    /// # Panics
    /// When a class is not below the number of classes; [`Scored`](super::Scored) has checked its labels.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        assert!(
            truth < self.classes && predicted < self.classes,
            "classes {truth}, {predicted} of {}",
            self.classes
        );
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Rows of class `truth` predicted as `predicted`.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// All rows.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Rows of class `truth`.
    pub fn support(&self, truth: usize) -> u64 {
        self.counts[truth * self.classes..(truth + 1) * self.classes].iter().sum()
    }

    /// Rows predicted as `predicted`.
    pub fn predictions(&self, predicted: usize) -> u64 {
        (0..self.classes).map(|truth| self.count(truth, predicted)).sum()
    }

    /// Part of all rows that are on the diagonal; `None` without rows.
    pub fn accuracy(&self) -> Option<f64> {
        part((0..self.classes).map(|class| self.count(class, class)).sum(), self.total())
    }

    /// Precision, recall and F1 of every class.
    pub fn class_scores(&self) -> Vec<ClassScore> {
        (0..self.classes).map(|class| self.class_score(class)).collect()
    }

    fn class_score(&self, class: usize) -> ClassScore {
        let (hits, support, predictions) =
            (self.count(class, class), self.support(class), self.predictions(class));
        ClassScore {
            precision: part(hits, predictions),
            recall: part(hits, support),
            f1: part(2 * hits, support + predictions),
            support,
        }
    }

    /// The confused pairs, most frequent first; of equals, in class order.
    pub fn most_confused(&self) -> Vec<Mistake> {
        let cells = (0..self.classes)
            .flat_map(|truth| (0..self.classes).map(move |predicted| (truth, predicted)));
        let mut mistakes: Vec<_> = cells
            .filter(|(truth, predicted)| truth != predicted)
            .map(|(truth, predicted)| Mistake {
                truth,
                predicted,
                count: self.count(truth, predicted),
            })
            .filter(|mistake| mistake.count > 0)
            .collect();
        mistakes.sort_by_key(|mistake| std::cmp::Reverse(mistake.count));
        mistakes
    }
}

fn part(some: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| some as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_from_the_counts() {
        let mut matrix = ConfusionMatrix::new(4);
        for (truth, predicted, count) in [(0, 0, 8), (0, 1, 2), (1, 0, 1), (1, 1, 4), (1, 2, 5)] {
            (0..count).for_each(|_| matrix.add(truth, predicted));
        }
        let scores = matrix.class_scores();
        let expected = [
            (Some(8.0 / 9.0), Some(0.8), Some(16.0 / 19.0), 10),
            (Some(4.0 / 6.0), Some(0.4), Some(0.5), 10),
            (Some(0.0), None, Some(0.0), 0),
            (None, None, None, 0),
        ];
        for (score, (precision, recall, f1, support)) in scores.iter().zip(expected) {
            assert_eq!(*score, ClassScore { precision, recall, f1, support });
        }
        assert_eq!((matrix.total(), matrix.accuracy()), (20, Some(0.6)));
        let pairs: Vec<_> =
            matrix.most_confused().iter().map(|m| (m.truth, m.predicted, m.count)).collect();
        assert_eq!(pairs, [(1, 2, 5), (0, 1, 2), (1, 0, 1)]);
        assert_eq!(ConfusionMatrix::new(2).accuracy(), None);
    }
}
