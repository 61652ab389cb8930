//! Optimiser steps against the formulas in f64 over several steps, and what lies between the segments
//! stays untouched.

use super::*;
use crate::backend::optimizer::{AdamStep, Decay, Segment, SgdStep};
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

fn ranges(segments: &[Segment]) -> Vec<Range<usize>> {
    segments.iter().map(|segment| segment.range.clone()).collect()
}

/// The factor 0.7 on every gradient.
const SCALE: [f32; 2] = [0.7, 1.0];

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
        let step = SgdStep { momentum: 0.9, decay, clip_norm: None };
        let (ranges, numbers) = (ranges(&segments), step.numbers(&segments));
        let compute = |cpu: &Cpu| {
            let (mut values, mut velocity) = (normal(LEN, 1), vec![0.0; LEN]);
            for i in 0..STEPS {
                let gradients = gradients(i);
                let (w, v) = (write(&mut values), write(&mut velocity));
                let (numbers, scale) = (read(&numbers), read(&SCALE));
                cpu.sgd_step(&ranges, numbers, scale, read(&gradients), w, None, v).unwrap();
            }
            [values, velocity].concat()
        };
        let (mut values, mut velocity) = (in_f64(&normal(LEN, 1)), vec![0.0; LEN]);
        for step_index in 0..STEPS {
            for (i, g) in in_f64(&gradients(step_index)).into_iter().enumerate() {
                let Some(segment) = segment_of(&segments, i) else { continue };
                let (rate, weight_decay) =
                    (f64::from(segment.rate), f64::from(segment.weight_decay));
                let mut g = g * f64::from(SCALE[0]);
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
            clip_norm: None,
        };
        let ranges = ranges(&segments);
        let compute = |cpu: &Cpu| {
            let (mut values, mut mean, mut square) =
                (normal(LEN, 1), vec![0.0; LEN], vec![0.0; LEN]);
            for i in 0..STEPS {
                let gradients = gradients(i);
                let (w, m, s) = (write(&mut values), write(&mut mean), write(&mut square));
                let numbers = step(i + 1).numbers(&segments);
                let (numbers, scale) = (read(&numbers), read(&SCALE));
                let gradients = read(&gradients);
                cpu.adam_step(&ranges, numbers, scale, gradients, w, None, m, s).unwrap();
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
                let mut g = g * f64::from(SCALE[0]);
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

/// Factor and norm of these gradients with this limit.
fn scale(cpu: &Cpu, ranges: &[Range<usize>], limit: f32, gradients: &[f32]) -> [f32; 2] {
    let mut scale = [0.0; 2];
    cpu.gradient_scale(ranges, read(&[limit]), read(gradients), write(&mut scale)).unwrap();
    scale
}

#[test]
fn gradients_are_scaled_down_to_the_limit_of_their_norm() {
    let values = normal(LEN, 1);
    let ranges = [2 * PART..LEN - 3, 0..0, 7..PART + 20];
    let squares =
        |range: &Range<usize>| values[range.clone()].iter().map(|&x| f64::from(x).powi(2));
    let norm = ranges.iter().flat_map(squares).sum::<f64>().sqrt();
    let compute = |cpu: &Cpu| {
        let [free, found] = scale(cpu, &ranges, f32::INFINITY, &values);
        assert!((f64::from(found) - norm).abs() <= 1e-7 * norm, "{found} {norm}");
        let [clipped, _] = scale(cpu, &ranges, 2.0, &values);
        assert!((f64::from(clipped) - 2.0 / norm).abs() <= 1e-7, "{clipped} {norm}");
        assert_eq!([free, scale(cpu, &ranges, 2.0 * found, &values)[0]], [1.0; 2]);
        vec![found, clipped]
    };
    on_all_sets(compute, |_, _| {});
}

#[test]
fn a_step_with_a_gradient_that_is_not_finite_changes_nothing() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 17, 99] {
            let mut gradients = vec![1.0f32; 100];
            gradients[place] = bad;
            let compute = |cpu: &Cpu| {
                let scale = scale(cpu, &[0..40, 40..100], f32::INFINITY, &gradients);
                assert!(scale[0].is_nan());
                let (mut values, mut state) = (vec![1.0; 100], vec![2.0; 200]);
                let segment = |range| Segment { range, rate: 0.1, weight_decay: 0.1 };
                let step = SgdStep { momentum: 0.9, decay: Decay::L2, clip_norm: None };
                let numbers = step.numbers(&[segment(0..40), segment(40..100)]);
                let (ranges, gradients) = ([0..40, 40..100], read(&gradients));
                let (numbers, scale) = (read(&numbers), read(&scale));
                let (w, (m, s)) = (&mut values, state.split_at_mut(100));
                cpu.sgd_step(&ranges, numbers, scale, gradients, write(w), None, write(m)).unwrap();
                let (m, s) = (write(m), write(s));
                cpu.adam_step(&ranges, numbers, scale, gradients, write(w), None, m, s).unwrap();
                cpu.commit(scale, gradients, write(w)).unwrap();
                [values, state].concat()
            };
            on_all_sets(compute, |_, found| {
                assert_eq!(found, [vec![1.0; 100], vec![2.0; 200]].concat());
            });
        }
    }
    let largest = vec![f32::MAX; 100];
    let finite = |cpu: &Cpu| {
        let [factor, _] = scale(cpu, &[0..40, 40..100], 1.0, &largest);
        assert!(factor > 0.0 && factor < 1e-38, "{factor}");
        Vec::new()
    };
    on_all_sets(finite, |_, _| {});
}
