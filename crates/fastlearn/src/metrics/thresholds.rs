//! The search for the probability above which a class counts as predicted.

use serde::{Deserialize, Serialize};

use super::tags::{ScoredTags, TagCounts};

/// How often thresholds of all classes are gone through; as a rule nothing changes after the second time.
const ROUNDS: usize = 10;

/// Thresholds to be tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThresholdGrid {
    /// 0.17 to 0.23 in steps of 0.01: fastai's, about the lesson's 0.2.
    Lesson,
    /// 0.01 to 0.99 in steps of 0.01.
    #[default]
    Full,
}

impl ThresholdGrid {
    /// The thresholds, rising.
    pub fn thresholds(self) -> Vec<f32> {
        let hundredths = match self {
            ThresholdGrid::Lesson => 17..=23,
            ThresholdGrid::Full => 1..=99,
        };
        hundredths.map(|hundredth: u8| f32::from(hundredth) / 100.0).collect()
    }
}

/// A threshold and what it scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdScore {
    /// A class is predicted where its probability is above it.
    pub threshold: f32,
    /// The F-beta over the whole set.
    pub score: f64,
}

/// A score at every threshold of a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdCurve {
    /// The weight of recall against precision.
    pub beta: f64,
    /// Rising thresholds, at least one.
    pub points: Vec<ThresholdScore>,
}

impl ThresholdCurve {
    /// The best threshold; of equals, the lowest.
    pub fn best(&self) -> ThresholdScore {
        let first = self.points[0];
        self.points
            .iter()
            .fold(first, |best, point| if point.score > best.score { *point } else { best })
    }
}

impl ScoredTags<'_> {
    /// [`f_beta`](Self::f_beta) at every threshold of a grid.
    pub fn threshold_curve(&self, beta: f64, grid: ThresholdGrid) -> ThresholdCurve {
        let thresholds = grid.thresholds();
        // One pass over the numbers for each threshold costs as much as sorting them, and is plainer.
        let point = |threshold| ThresholdScore { threshold, score: self.f_beta(beta, threshold) };
        ThresholdCurve { beta, points: thresholds.into_iter().map(point).collect() }
    }

    /// The one threshold for all classes, of 0.01 to 0.99, with the highest [`f_beta`](Self::f_beta).
    ///
    /// Chosen on the set that it is judged by, its score is a little too good to be true; with some
    /// thousand rows the difference is in the fourth decimal.
    pub fn best_threshold(&self, beta: f64) -> ThresholdScore {
        self.threshold_curve(beta, ThresholdGrid::Full).best()
    }

    /// A threshold for each class with a higher [`f_beta_with`](Self::f_beta_with) than one for all:
    /// starting from the best common one, each class in turn takes the best of 0.01 to 0.99 while the
    /// others stay, until nothing changes.
    ///
    /// One number a class fits the validation set closely; where classes have few pictures, the common
    /// threshold serves new pictures better.
    pub fn best_thresholds(&self, beta: f64) -> Vec<f32> {
        let common = self.best_threshold(beta);
        let mut thresholds = vec![common.threshold; self.classes()];
        let mut best = common.score;
        for _ in 0..ROUNDS {
            let before = thresholds.clone();
            for class in 0..self.classes() {
                let found = self.best_for_class(beta, &thresholds, class);
                if found.score > best {
                    (thresholds[class], best) = (found.threshold, found.score);
                }
            }
            if thresholds == before {
                break;
            }
        }
        thresholds
    }

    /// The best threshold of one class while those of the others stay.
    fn best_for_class(&self, beta: f64, thresholds: &[f32], class: usize) -> ThresholdScore {
        // What the other classes count is the same for every threshold of this one.
        let mut others = thresholds.to_vec();
        others[class] = f32::INFINITY;
        let rows: Vec<(TagCounts, bool, f32)> = (0..self.len())
            .map(|row| {
                let is_there = self.has(row, class);
                let mut counts = self.counts(row, &others);
                counts.missed -= u64::from(is_there);
                (counts, is_there, self.row(row)[class])
            })
            .collect();
        let score = |threshold: f32| -> f64 {
            let of_row = |&(mut counts, is_there, value): &(TagCounts, bool, f32)| {
                counts.add(is_there, value > threshold);
                counts.f_beta(beta).unwrap_or(0.0)
            };
            rows.iter().map(of_row).sum::<f64>() / rows.len() as f64
        };
        let points = ThresholdGrid::Full.thresholds().into_iter();
        let points = points.map(|threshold| ThresholdScore { threshold, score: score(threshold) });
        ThresholdCurve { beta, points: points.collect() }.best()
    }
}
