//! Random sets against the plainest way to reckon the same in f64: a loop a definition, as scikit-learn
//! documents them.

use tensor_core::random::Philox;

use super::*;
use crate::metrics::{ThresholdGrid, ThresholdScore};

/// Rows, classes, probabilities and tags; some rows and some classes without any.
fn random_set(seed: u64, rows: usize, classes: usize) -> (Vec<f32>, Vec<Vec<u32>>) {
    let mut stream = Philox::new(seed).stream([0, 0, 0]);
    let mut unit = || stream.next_u32() as f32 / u32::MAX as f32;
    let (mut probabilities, mut tags) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let mut row = Vec::new();
        for class in 0..classes as u32 {
            let is_there = class + 1 < classes as u32 && unit() < 0.3;
            if is_there {
                row.push(class);
            }
            // Hundredths, so that values meet thresholds.
            let value = 0.6 * unit() + if is_there { 0.3 } else { 0.0 };
            probabilities.push((value * 100.0).round() / 100.0);
        }
        tags.push(row);
    }
    (probabilities, tags)
}

/// Mean over rows of F-beta from precision and recall, 0 where either has nothing to be a part of.
fn brute_f_beta(
    probabilities: &[f32],
    tags: &[Vec<u32>],
    classes: usize,
    beta: f64,
    thresholds: &[f32],
) -> f64 {
    let mut sum = 0.0;
    for (row, truth) in probabilities.chunks(classes).zip(tags) {
        let predicted: Vec<u32> =
            (0..classes as u32).filter(|&c| row[c as usize] > thresholds[c as usize]).collect();
        let hits = predicted.iter().filter(|class| truth.contains(class)).count() as f64;
        if hits > 0.0 {
            let (precision, recall) = (hits / predicted.len() as f64, hits / truth.len() as f64);
            sum += (1.0 + beta * beta) * precision * recall / (beta * beta * precision + recall);
        }
    }
    sum / tags.len() as f64
}

#[test]
fn f_beta_agrees_with_precision_and_recall_row_by_row() {
    for (seed, rows, classes) in [(1, 50, 5), (2, 211, 17), (3, 1, 2), (4, 33, 1)] {
        let (probabilities, tags) = random_set(seed, rows, classes);
        let scored = ScoredTags::new(&probabilities, classes, &tags).unwrap();
        for beta in [0.5, 1.0, 2.0] {
            for threshold in [0.0, 0.2, 0.5, 0.99] {
                let brute =
                    brute_f_beta(&probabilities, &tags, classes, beta, &vec![threshold; classes]);
                let got = scored.f_beta(beta, threshold);
                assert!((got - brute).abs() < 1e-12, "{got} {brute}");
            }
        }
    }
}

#[test]
fn classes_and_cells_are_counted_over_all_rows() {
    let (probabilities, tags) = random_set(5, 97, 6);
    let scored = ScoredTags::new(&probabilities, 6, &tags).unwrap();
    let thresholds = [0.2, 0.3, 0.4, 0.5, 0.1, 0.95];
    let scores = scored.class_scores(&thresholds);
    let f_beta = scored.class_f_beta(2.0, &thresholds);
    for class in 0..6 {
        let (mut hits, mut predicted, mut there) = (0.0, 0.0, 0.0);
        for (row, truth) in probabilities.chunks(6).zip(&tags) {
            let (p, t) = (row[class] > thresholds[class], truth.contains(&(class as u32)));
            hits += f64::from(u8::from(p && t));
            predicted += f64::from(u8::from(p));
            there += f64::from(u8::from(t));
        }
        let part = |some: f64, all: f64| (all > 0.0).then(|| some / all);
        assert_eq!(scores[class].precision, part(hits, predicted));
        assert_eq!(scores[class].recall, part(hits, there));
        assert_eq!(scores[class].support as f64, there);
        let want = part(5.0 * hits, 4.0 * there + predicted);
        assert_eq!(f_beta[class].is_some(), want.is_some());
        assert!((f_beta[class].unwrap_or(0.0) - want.unwrap_or(0.0)).abs() < 1e-12);
    }
    // The last class is nowhere and, above its threshold, predicted nowhere.
    assert_eq!((f_beta[5], scores[5].precision, scores[5].recall), (None, None, None));
    let right = probabilities.chunks(6).zip(&tags).flat_map(|(row, truth)| {
        (0..6).filter(move |&c| (row[c] > 0.2) == truth.contains(&(c as u32)))
    });
    let brute = right.count() as f64 / probabilities.len() as f64;
    assert!((scored.accuracy(0.2) - brute).abs() < 1e-12);
}

#[test]
fn log_loss_is_the_mean_over_all_cells() {
    let scored = [vec![0, 1], vec![]];
    let scored = ScoredTags::new(&[0.7, 0.4, 0.2, 1.0], 2, &scored).unwrap();
    // -(ln .7 + ln .4 + ln .8 + ln 2^-23) / 4
    let want = -(0.7f64.ln() + 0.4f64.ln() + 0.8f64.ln() + 2f64.powi(-23).ln()) / 4.0;
    assert!((scored.log_loss() - want).abs() < 1e-6, "{} {want}", scored.log_loss());
}

#[test]
fn the_best_threshold_is_the_best_of_all_tried() {
    let (probabilities, tags) = random_set(6, 120, 7);
    let scored = ScoredTags::new(&probabilities, 7, &tags).unwrap();
    for (grid, lowest, points) in [(ThresholdGrid::Lesson, 17, 7), (ThresholdGrid::Full, 1, 99)] {
        let curve = scored.threshold_curve(2.0, grid);
        assert_eq!(curve.points.len(), points);
        let mut best = ThresholdScore { threshold: 0.0, score: -1.0 };
        for (index, point) in curve.points.iter().enumerate() {
            let threshold = (lowest + index) as f32 / 100.0;
            let score = brute_f_beta(&probabilities, &tags, 7, 2.0, &[threshold; 7]);
            assert_eq!(point.threshold, threshold);
            assert!((point.score - score).abs() < 1e-12);
            if point.score > best.score {
                best = *point;
            }
        }
        assert_eq!(curve.best(), best);
    }
    assert_eq!(scored.best_threshold(2.0), scored.threshold_curve(2.0, ThresholdGrid::Full).best());
}

#[test]
fn thresholds_a_class_cannot_be_bettered_one_by_one() {
    let (probabilities, tags) = random_set(7, 60, 4);
    let scored = ScoredTags::new(&probabilities, 4, &tags).unwrap();
    let found = scored.best_thresholds(2.0);
    let score = |thresholds: &[f32]| brute_f_beta(&probabilities, &tags, 4, 2.0, thresholds);
    let best = score(&found);
    assert!((scored.f_beta_with(2.0, &found) - best).abs() < 1e-12);
    assert!(best > scored.best_threshold(2.0).score, "classes of their own must gain something");
    for class in 0..4 {
        for threshold in ThresholdGrid::Full.thresholds() {
            let mut other = found.clone();
            other[class] = threshold;
            assert!(score(&other) <= best + 1e-12, "class {class} at {threshold}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |probabilities: &[f32], classes, tags: &[Vec<u32>]| {
        ScoredTags::new(probabilities, classes, tags).map(|_| ()).unwrap_err()
    };
    assert_eq!(refused(&[], 2, &[]), MetricsError::Empty);
    let shape = MetricsError::Shape { values: 3, rows: 1, classes: 2 };
    assert_eq!(refused(&[0.5; 3], 2, &[vec![]]), shape);
    let label = MetricsError::Label { row: 1, label: 2, classes: 2 };
    assert_eq!(refused(&[0.5; 4], 2, &[vec![0], vec![1, 2]]), label);
    assert!(matches!(refused(&[0.5, 1.5], 2, &[vec![]]), MetricsError::Probability { .. }));
}
