//! Probabilities beside the true labels, and what is measured on them.

use super::confusion::ConfusionMatrix;
use super::error::MetricsError;
use super::interval::{Interval, wilson_interval};

/// Log loss clamps probabilities to [floor, 1 - floor]: f32's epsilon, as scikit-learn does for f32 input.
pub const PROBABILITY_FLOOR: f64 = f32::EPSILON as f64;

/// The predictions of a whole set, checked once: `n` rows of `c` probabilities, row-major, and `n` labels.
///
/// ```
/// use fastlearn::metrics::Scored;
///
/// let probabilities = [0.9, 0.1, 0.2, 0.8, 0.6, 0.4];
/// let scored = Scored::new(&probabilities, 2, &[0, 1, 1])?;
/// assert!((scored.accuracy() - 2.0 / 3.0).abs() < 1e-12);
/// assert_eq!(scored.confusion().count(1, 0), 1); // a 1 taken for a 0
/// # Ok::<(), fastlearn::metrics::MetricsError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    probabilities: &'a [f32],
    classes: usize,
    labels: &'a [u32],
}

impl<'a> Scored<'a> {
    /// Puts predictions beside their labels.
    ///
    /// # Errors
    /// [`MetricsError`] when there are none, the shapes disagree, a label is no class, or a value is no probability
    /// (rows need not add up to 1: means of sigmoids do not).
    pub fn new(
        probabilities: &'a [f32],
        classes: usize,
        labels: &'a [u32],
    ) -> Result<Self, MetricsError> {
        if labels.is_empty() || classes == 0 {
            return Err(MetricsError::Empty);
        }
        if labels.len().checked_mul(classes) != Some(probabilities.len()) {
            return Err(MetricsError::Shape {
                values: probabilities.len(),
                rows: labels.len(),
                classes,
            });
        }
        if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(MetricsError::Label { row, label: labels[row], classes });
        }
        check_probabilities(probabilities, classes)?;
        Ok(Self { probabilities, classes, labels })
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Always false: no rows are refused by [`Scored::new`].
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The labels, one a row.
    pub fn labels(&self) -> &'a [u32] {
        self.labels
    }

    /// The probabilities of one row (from 0).
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.probabilities[row * self.classes..(row + 1) * self.classes]
    }

    /// The most probable class of a row; of equals, the first.
    pub fn predicted(&self, row: usize) -> usize {
        let values = self.row(row);
        (1..values.len()).fold(
            0,
            |best, class| {
                if values[class] > values[best] { class } else { best }
            },
        )
    }

    /// The probability a row gives to its true class.
    pub fn probability_of_truth(&self, row: usize) -> f32 {
        self.row(row)[self.labels[row] as usize]
    }

    /// Rows whose most probable class is the true one.
    pub fn correct(&self) -> usize {
        (0..self.len()).filter(|&row| self.predicted(row) == self.labels[row] as usize).count()
    }

    /// Part of the rows that are correct, in [0, 1].
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.len() as f64
    }

    /// The 95 % interval of the accuracy (Wilson's).
    pub fn accuracy_interval(&self) -> Interval {
        wilson_interval(self.correct() as u64, self.len() as u64)
    }

    /// Part of the rows whose true class is among the `k` most probable; of equals, earlier classes come first.
    pub fn top_k_accuracy(&self, k: usize) -> f64 {
        let hits = (0..self.len()).filter(|&row| self.rank_of_truth(row) < k).count();
        hits as f64 / self.len() as f64
    }

    fn rank_of_truth(&self, row: usize) -> usize {
        let (values, truth) = (self.row(row), self.labels[row] as usize);
        let before = |class: usize| {
            values[class] > values[truth] || (values[class] == values[truth] && class < truth)
        };
        (0..self.classes).filter(|&class| before(class)).count()
    }

    /// Mean of the negative natural logarithm of the true class's probability, clamped by [`PROBABILITY_FLOOR`].
    pub fn log_loss(&self) -> f64 {
        let loss = |row| -clamped(self.probability_of_truth(row)).ln();
        (0..self.len()).map(loss).sum::<f64>() / self.len() as f64
    }

    /// Counts of true against predicted classes.
    pub fn confusion(&self) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(self.classes);
        for row in 0..self.len() {
            matrix.add(self.labels[row] as usize, self.predicted(row));
        }
        matrix
    }
}

/// # Errors
/// [`MetricsError::Probability`] for the first value that is none.
pub(super) fn check_probabilities(values: &[f32], classes: usize) -> Result<(), MetricsError> {
    // Softmax in f32 may round a hair above 1.
    let is_probability = |value: f32| (-1e-6..=1.0 + 1e-5).contains(&value);
    match values.iter().position(|&value| !is_probability(value)) {
        None => Ok(()),
        Some(index) => {
            let (row, class) = (index / classes, index % classes);
            Err(MetricsError::Probability { row, class, value: values[index] })
        }
    }
}

pub(super) fn clamped(probability: f32) -> f64 {
    f64::from(probability).clamp(PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The reference values below were computed with NumPy in f64 from the same f32 numbers.
    const PROBABILITIES: [f32; 15] = [
        0.7, 0.2, 0.1, //
        0.1, 0.5, 0.4, //
        0.3, 0.3, 0.4, //
        0.0, 0.0, 1.0, //
        0.45, 0.45, 0.1,
    ];
    const LABELS: [u32; 5] = [0, 1, 0, 1, 1];

    fn scored() -> Scored<'static> {
        Scored::new(&PROBABILITIES, 3, &LABELS).expect("valid")
    }

    #[test]
    fn accuracy_counts_rows_and_takes_the_first_of_equals() {
        assert_eq!(scored().correct(), 2);
        assert_eq!(scored().accuracy(), 0.4);
        assert_eq!(scored().predicted(4), 0);
        assert_eq!(scored().top_k_accuracy(2), 0.8);
        assert_eq!(scored().top_k_accuracy(3), 1.0);
    }

    #[test]
    fn log_loss_clamps_certainty() {
        // -(ln .7 + ln .5 + ln .3 + ln 2^-23 + ln .45) / 5
        assert!((scored().log_loss() - 3.798_937_556_3).abs() < 1e-7, "{}", scored().log_loss());
        let sure = Scored::new(&[1.0, 0.0], 2, &[0]).expect("valid");
        assert!((sure.log_loss() - PROBABILITY_FLOOR).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |probabilities: &[f32], classes, labels: &[u32]| {
            Scored::new(probabilities, classes, labels).map(|_| ()).expect_err("refused")
        };
        assert_eq!(refused(&[], 2, &[]), MetricsError::Empty);
        assert_eq!(
            refused(&[0.5; 5], 2, &[0, 1]),
            MetricsError::Shape { values: 5, rows: 2, classes: 2 }
        );
        assert_eq!(
            refused(&[0.5; 4], 2, &[0, 2]),
            MetricsError::Label { row: 1, label: 2, classes: 2 }
        );
        assert!(matches!(
            refused(&[0.5, 0.5, 0.5, f32::NAN], 2, &[0, 1]),
            MetricsError::Probability { row: 1, class: 1, .. }
        ));
        // Log-probabilities handed in by mistake.
        assert!(matches!(
            refused(&[-0.1, -2.3], 2, &[0]),
            MetricsError::Probability { row: 0, class: 0, .. }
        ));
    }
}
