//! Optimiser steps against the formulas in f64 over several steps, and what lies between the segments
//! stays untouched.

use super::*;
use crate::backend::optimizer::Decay;
use crate::cpu::pointwise::testing::{assert_close, normal, on_all_sets, read, write};

const LEN: usize = 3 * PART + 100;
const STEPS: u64 = 3;

/// Unordered, odd, with gaps, one longer than a part.
fn segments() -> Vec<Segment> {
    let segment = |range, rate, weight_decay| Segment { range, rate, weight_decay };
    vec![
        segment(PART..3 * PART + 7, 0.1, 0.01),
        segment(5..42, 0.01, 0.0),
        segment(64..1000, 0.5, 0.2),
    ]
}

/// Each element's segment, if it has one.
fn segment_of(segments: &[Segment], i: usize) -> Option<&Segment> {
    segments.iter().find(|segment| segment.range.contains(&i))
}

fn gradients(step: u64) -> Vec<f32> {
    normal(LEN, 10 + step)
}

fn in_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

#[test]
fn sgd_follows_the_formula_and_leaves_the_rest_alone() {
    let segments = segments();
    for decay in [Decay::L2, Decay::Decoupled] {
        let step = SgdStep { momentum: 0.9, decay, gradient_scale: 0.7 };
        let compute = |cpu: &Cpu| {
            let (mut values, mut velocity) = (normal(LEN, 1), vec![0.0; LEN]);
            for i in 0..STEPS {
                let gradients = gradients(i);
                let (w, v) = (write(&mut values), write(&mut velocity));
                cpu.sgd_step(&step, &segments, read(&gradients), w, None, v).unwrap();
            }
            [values, velocity].concat()
        };
        let (mut values, mut velocity) = (in_f64(&normal(LEN, 1)), vec![0.0; LEN]);
        for step_index in 0..STEPS {
            for (i, g) in in_f64(&gradients(step_index)).into_iter().enumerate() {
                let Some(segment) = segment_of(&segments, i) else { continue };
                let (rate, weight_decay) =
                    (f64::from(segment.rate), f64::from(segment.weight_decay));
                let mut g = g * f64::from(step.gradient_scale);
                match decay {
                    Decay::L2 => g += weight_decay * values[i],
                    Decay::Decoupled => values[i] -= rate * weight_decay * values[i],
                }
                velocity[i] = f64::from(step.momentum) * velocity[i] + g;
                values[i] -= rate * velocity[i];
            }
        }
        let expected = [values, velocity].concat();
        on_all_sets(compute, |set, found| {
            assert_close(found, &expected, 2e-6, &format!("{set} {decay:?}"));
            assert_eq!(found[1000..PART], normal(LEN, 1)[1000..PART], "a gap was written");
        });
    }
}

#[test]
fn adam_follows_the_formula_and_leaves_the_rest_alone() {
    let segments = segments();
    for decay in [Decay::L2, Decay::Decoupled] {
        let step = |step| AdamStep {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            step,
            decay,
            gradient_scale: 0.7,
        };
        let compute = |cpu: &Cpu| {
            let (mut values, mut mean, mut square) =
                (normal(LEN, 1), vec![0.0; LEN], vec![0.0; LEN]);
            for i in 0..STEPS {
                let gradients = gradients(i);
                let (w, m, s) = (write(&mut values), write(&mut mean), write(&mut square));
                cpu.adam_step(&step(i + 1), &segments, read(&gradients), w, None, m, s).unwrap();
            }
            [values, mean, square].concat()
        };
        let (mut values, mut mean) = (in_f64(&normal(LEN, 1)), vec![0.0; LEN]);
        let mut square = vec![0.0; LEN];
        for t in 0..STEPS {
            let step = step(t + 1);
            let (beta1, beta2) = (f64::from(step.beta1), f64::from(step.beta2));
            for (i, g) in in_f64(&gradients(t)).into_iter().enumerate() {
                let Some(segment) = segment_of(&segments, i) else { continue };
                let (rate, weight_decay) =
                    (f64::from(segment.rate), f64::from(segment.weight_decay));
                let mut g = g * f64::from(step.gradient_scale);
                match decay {
                    Decay::L2 => g += weight_decay * values[i],
                    Decay::Decoupled => values[i] -= rate * weight_decay * values[i],
                }
                mean[i] = beta1 * mean[i] + (1.0 - beta1) * g;
                square[i] = beta2 * square[i] + (1.0 - beta2) * g * g;
                let corrected = mean[i] / (1.0 - beta1.powi(t as i32 + 1));
                let root = (square[i] / (1.0 - beta2.powi(t as i32 + 1))).sqrt();
                values[i] -= rate * corrected / (root + f64::from(step.epsilon));
            }
        }
        let expected = [values, mean, square].concat();
        on_all_sets(compute, |set, found| {
            assert_close(found, &expected, 5e-6, &format!("{set} {decay:?}"));
            assert_eq!(found[1000..PART], normal(LEN, 1)[1000..PART], "a gap was written");
        });
    }
}

#[test]
fn the_sum_of_squares_is_that_of_the_ranges() {
    let values = normal(LEN, 1);
    let ranges = [2 * PART..LEN - 3, 0..0, 7..PART + 20];
    let squares =
        |range: &Range<usize>| values[range.clone()].iter().map(|&x| f64::from(x).powi(2));
    let expected: f64 = ranges.iter().flat_map(squares).sum();
    let compute = |cpu: &Cpu| {
        let sum = cpu.sum_of_squares(&ranges, read(&values)).unwrap();
        assert!((sum - expected).abs() <= 1e-12 * expected, "{sum} {expected}");
        vec![sum as f32]
    };
    on_all_sets(compute, |_, _| {});
}

#[test]
fn a_sum_of_squares_over_anything_not_finite_is_not_finite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 17, 99] {
            let mut values = vec![1.0f32; 100];
            values[place] = bad;
            let compute = |cpu: &Cpu| {
                assert!(!cpu.sum_of_squares(&[0..40, 40..100], read(&values)).unwrap().is_finite());
                Vec::new()
            };
            on_all_sets(compute, |_, _| {});
        }
    }
    let largest = vec![f32::MAX; 100];
    let finite = |cpu: &Cpu| {
        assert!(cpu.sum_of_squares(&[0..40, 40..100], read(&largest)).unwrap().is_finite());
        Vec::new()
    };
    on_all_sets(finite, |_, _| {});
}
