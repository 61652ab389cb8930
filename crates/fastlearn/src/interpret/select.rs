//! Which pictures to look at: the surest hits, the surest mistakes, the least sure.

use std::cmp::Ordering;

use crate::metrics::Scored;

/// Rows predicted rightly, highest probability first; only those of `class` if one is given. At most `count` rows.
///
/// ```
/// use fastlearn::interpret::{most_correct, most_incorrect, most_uncertain};
/// use fastlearn::metrics::Scored;
///
/// let probabilities = [0.7, 0.3, 0.95, 0.05, 0.8, 0.2, 0.45, 0.55];
/// let scored = Scored::new(&probabilities, 2, &[0, 0, 1, 0])?;
/// assert_eq!(most_correct(&scored, None, 4), [1, 0]);
/// assert_eq!(most_incorrect(&scored, None, 4), [2, 3]);
/// assert_eq!(most_uncertain(&scored, Some(0), 1), [3]);
/// # Ok::<(), fastlearn::metrics::MetricsError>(())
/// ```
pub fn most_correct(scored: &Scored, class: Option<usize>, count: usize) -> Vec<usize> {
    first(scored, class, count, |row| is_hit(scored, row), |row| -scored.probability_of_truth(row))
}

/// Rows predicted wrongly, lowest probability of their true class first; only those truly of `class` if one is given.
pub fn most_incorrect(scored: &Scored, class: Option<usize>, count: usize) -> Vec<usize> {
    first(scored, class, count, |row| !is_hit(scored, row), |row| scored.probability_of_truth(row))
}

/// Rows whose true class has the probability nearest to chance, `1 / classes`; only those of `class` if one is given.
pub fn most_uncertain(scored: &Scored, class: Option<usize>, count: usize) -> Vec<usize> {
    let chance = 1.0 / scored.classes() as f32;
    first(scored, class, count, |_| true, |row| (scored.probability_of_truth(row) - chance).abs())
}

fn is_hit(scored: &Scored, row: usize) -> bool {
    scored.predicted(row) == scored.labels()[row] as usize
}

/// The `count` rows of lowest `key`; of equals, the earlier row.
fn first(
    scored: &Scored,
    class: Option<usize>,
    count: usize,
    wanted: impl Fn(usize) -> bool,
    key: impl Fn(usize) -> f32,
) -> Vec<usize> {
    let of_class = |row: &usize| class.is_none_or(|class| scored.labels()[*row] as usize == class);
    let mut rows: Vec<_> = (0..scored.len()).filter(of_class).filter(|&row| wanted(row)).collect();
    rows.sort_by(|&one, &other| key(one).partial_cmp(&key(other)).unwrap_or(Ordering::Equal));
    rows.truncate(count);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_the_order_of_the_lesson() {
        #[rustfmt::skip]
        let probabilities = [
            0.50, 0.30, 0.20, // 0: right
            0.90, 0.05, 0.05, // 0: right
            0.10, 0.60, 0.30, // 0: wrong
            0.35, 0.25, 0.40, // 0: wrong, near chance
            0.05, 0.05, 0.90, // 1: wrong
            0.90, 0.05, 0.05, // 0: right, as sure as row 1
        ];
        let labels = [0, 0, 0, 0, 1, 0];
        let scored = Scored::new(&probabilities, 3, &labels).expect("valid");
        assert_eq!(most_correct(&scored, Some(0), 9), [1, 5, 0]);
        assert_eq!(most_correct(&scored, Some(1), 9), [] as [usize; 0]);
        assert_eq!(most_incorrect(&scored, None, 9), [4, 2, 3]);
        assert_eq!(most_incorrect(&scored, Some(0), 1), [2]);
        assert_eq!(most_uncertain(&scored, Some(0), 2), [3, 0]);
        assert_eq!(most_uncertain(&scored, Some(7), 2), [] as [usize; 0]);
    }
}
