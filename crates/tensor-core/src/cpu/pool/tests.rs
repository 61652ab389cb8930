//! Pooling and its gradients against plain loops, on every instruction set, with ties and
//! not-a-numbers.

use super::*;
use crate::cpu::pointwise::testing::{
    MODES, assert_close, before, destination, normal, on_all_sets, read, write,
};

fn shape(
    n: usize,
    hw: [usize; 2],
    c: usize,
    window: [usize; 2],
    padding: [usize; 2],
) -> MaxPoolShape {
    MaxPoolShape { n, h: hw[0], w: hw[1], c, window, stride: [2, 2], padding }
}

fn shapes() -> Vec<MaxPoolShape> {
    vec![
        shape(2, [13, 10], 64, [3, 3], [1, 1]),
        shape(3, [29, 31], 7, [3, 3], [1, 1]),
        shape(1, [1, 1], 1, [1, 1], [0, 0]),
        MaxPoolShape { stride: [1, 3], ..shape(2, [9, 17], 33, [2, 6], [1, 3]) },
        MaxPoolShape { stride: [3, 1], ..shape(2, [12, 11], 16, [5, 4], [0, 2]) },
    ]
}

/// For every output element its value and the place of its first maximum in row order.
fn naive(shape: &MaxPoolShape, input: &[f32]) -> Vec<(f32, usize)> {
    let mut result = Vec::new();
    for i in 0..shape.output_len() {
        let (channel, pixel) = (i % shape.c, i / shape.c);
        let (q, rest) = (pixel % shape.q(), pixel / shape.q());
        let (p, picture) = (rest % shape.p(), rest / shape.p());
        let mut best: Option<(f32, usize)> = None;
        for r in 0..shape.window[0] {
            for s in 0..shape.window[1] {
                let row = (p * shape.stride[0] + r).wrapping_sub(shape.padding[0]);
                let column = (q * shape.stride[1] + s).wrapping_sub(shape.padding[1]);
                if row < shape.h && column < shape.w {
                    let place = ((picture * shape.h + row) * shape.w + column) * shape.c + channel;
                    if best.is_none_or(|(value, _)| input[place] > value) {
                        best = Some((input[place], place));
                    }
                }
            }
        }
        result.push(best.expect("a window covers a pixel"));
    }
    result
}

/// Numbers with many ties.
fn tied(len: usize) -> Vec<f32> {
    normal(len, 1).iter().map(|x| (2.0 * x).round()).collect()
}

#[test]
fn window_maxima_are_exact() {
    for shape in shapes() {
        let input = normal(shape.input_len(), 1);
        let expected: Vec<f32> = naive(&shape, &input).iter().map(|(value, _)| *value).collect();
        let compute = |cpu: &Cpu| {
            let mut output = vec![f32::NAN; shape.output_len()];
            cpu.max_pool(&shape, read(&input), write(&mut output)).unwrap();
            output
        };
        on_all_sets(compute, |set, found| assert_eq!(found, expected, "{set} {shape:?}"));
    }
}

#[test]
fn window_gradients_go_to_the_first_maximum() {
    for shape in shapes() {
        let (input, gradient) = (tied(shape.input_len()), normal(shape.output_len(), 2));
        for mode in MODES {
            let start = before(mode, shape.input_len()).into_iter();
            let mut expected: Vec<f64> =
                start.map(|x| if x.is_nan() { 0.0 } else { f64::from(x) }).collect();
            for ((_, place), gradient) in naive(&shape, &input).iter().zip(&gradient) {
                expected[*place] += f64::from(*gradient);
            }
            let compute = |cpu: &Cpu| {
                let mut to = before(mode, shape.input_len());
                let destination = destination(&mut to, mode);
                cpu.max_pool_gradient(&shape, read(&input), read(&gradient), destination).unwrap();
                to
            };
            on_all_sets(compute, |set, found| {
                assert_close(found, &expected, 1e-6, &format!("{set} {shape:?} {mode:?}"));
            });
        }
    }
}

#[test]
fn a_not_a_number_in_a_window_wins() {
    let shape = shape(1, [5, 5], 3, [3, 3], [1, 1]);
    for place in 0..25 {
        let mut input = normal(shape.input_len(), 1);
        input[place * 3] = f32::NAN;
        let compute = |cpu: &Cpu| {
            let mut output = vec![0.0f32; shape.output_len()];
            cpu.max_pool(&shape, read(&input), write(&mut output)).unwrap();
            output
        };
        on_all_sets(compute, |_, found| {
            let covers = |p: usize, at: usize| (2 * p).saturating_sub(1) <= at && at <= 2 * p + 1;
            for (pixel, channels) in found.chunks(3).enumerate() {
                let covered = covers(pixel / 3, place / 5) && covers(pixel % 3, place % 5);
                assert_eq!(channels[0].is_nan(), covered, "{place} {pixel}");
                assert!(!channels[1].is_nan() && !channels[2].is_nan());
            }
        });
    }
}

const KINDS: [GlobalPool; 3] =
    [GlobalPool::Average, GlobalPool::Maximum, GlobalPool::MaximumAverage];

fn global_shapes() -> [GlobalPoolShape; 3] {
    [
        GlobalPoolShape { n: 1, pixels: 1, c: 1 },
        GlobalPoolShape { n: 5, pixels: 49, c: 67 },
        GlobalPoolShape { n: 3, pixels: 130, c: 64 },
    ]
}

#[test]
fn pictures_become_their_means_and_maxima() {
    for (shape, kind) in global_shapes().into_iter().flat_map(|s| KINDS.map(|k| (s, k))) {
        let input = normal(shape.n * shape.pixels * shape.c, 1);
        let mut expected = Vec::new();
        for picture in input.chunks(shape.pixels * shape.c) {
            let column = |i: usize| picture[i..].iter().step_by(shape.c).map(|&x| f64::from(x));
            let maxima = (0..shape.c).map(|i| column(i).fold(f64::NEG_INFINITY, f64::max));
            let means = (0..shape.c).map(|i| column(i).sum::<f64>() / shape.pixels as f64);
            match kind {
                GlobalPool::Average => expected.extend(means),
                GlobalPool::Maximum => expected.extend(maxima),
                GlobalPool::MaximumAverage => expected.extend(maxima.chain(means)),
            }
        }
        let compute = |cpu: &Cpu| {
            let mut output = vec![f32::NAN; shape.n * kind.columns(shape.c)];
            cpu.global_pool(kind, &shape, read(&input), write(&mut output)).unwrap();
            output
        };
        on_all_sets(compute, |set, found| {
            assert_close(found, &expected, 1e-6, &format!("{set} {shape:?} {kind:?}"));
        });
    }
}

#[test]
fn global_gradients_are_spread_or_go_to_the_first_maximum() {
    for (shape, kind) in global_shapes().into_iter().flat_map(|s| KINDS.map(|k| (s, k))) {
        let len = shape.n * shape.pixels * shape.c;
        let (input, gradient) = (tied(len), normal(shape.n * kind.columns(shape.c), 2));
        for mode in MODES {
            let start = before(mode, len).into_iter();
            let mut expected: Vec<f64> =
                start.map(|x| if x.is_nan() { 0.0 } else { f64::from(x) }).collect();
            for (picture, channel) in (0..shape.n).flat_map(|n| (0..shape.c).map(move |c| (n, c))) {
                let places =
                    || (0..shape.pixels).map(|p| (picture * shape.pixels + p) * shape.c + channel);
                let first = places().fold(places().next().expect("a pixel"), |best, place| {
                    if input[place] > input[best] { place } else { best }
                });
                let columns = kind.columns(shape.c);
                let own = f64::from(gradient[picture * columns + channel]);
                let last = f64::from(gradient[picture * columns + columns - shape.c + channel]);
                if kind != GlobalPool::Average {
                    expected[first] += own;
                }
                if kind != GlobalPool::Maximum {
                    places().for_each(|place| expected[place] += last / shape.pixels as f64);
                }
            }
            let compute = |cpu: &Cpu| {
                let mut to = before(mode, len);
                let destination = destination(&mut to, mode);
                let (input, gradient) = (read(&input), read(&gradient));
                cpu.global_pool_gradient(kind, &shape, input, gradient, destination).unwrap();
                to
            };
            on_all_sets(compute, |set, found| {
                assert_close(found, &expected, 1e-6, &format!("{set} {shape:?} {kind:?} {mode:?}"));
            });
        }
    }
}
