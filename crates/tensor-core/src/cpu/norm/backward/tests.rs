//! Both backward parts against plain loops in f64, on every instruction set.

use crate::backend::NormKernels;
use crate::backend::norm::{NormBackward, NormShape};
use crate::cpu::Cpu;
use crate::cpu::pointwise::testing::{
    MODES, assert_close, before, destination, normal, on_all_sets, read, write,
};

/// Random numbers of one case; the mean is far from zero.
struct Case {
    shape: NormShape,
    gradient: Vec<f32>,
    output: Vec<f32>,
    input: Vec<f32>,
    mean: Vec<f32>,
    inv_std: Vec<f32>,
    gamma: Vec<f32>,
}

impl Case {
    fn new(rows: usize, channels: usize) -> Case {
        let shape = NormShape { rows, channels };
        Case {
            shape,
            gradient: normal(shape.len(), 1),
            output: normal(shape.len(), 2).iter().map(|x| x.max(0.0)).collect(),
            input: normal(shape.len(), 3).iter().map(|x| x + 100.0).collect(),
            mean: normal(channels, 4).iter().map(|x| 0.1 * x + 100.0).collect(),
            inv_std: normal(channels, 5).iter().map(|x| 1.0 + 0.1 * x).collect(),
            gamma: normal(channels, 6),
        }
    }

    fn backward(&self, relu: bool) -> NormBackward<'_> {
        NormBackward {
            output_gradient: read(&self.gradient),
            relu_output: relu.then(|| read(&self.output)),
            relu_factors: None,
            input: read(&self.input),
            mean: read(&self.mean),
            inv_std: read(&self.inv_std),
        }
    }

    fn gated(&self, relu: bool, i: usize) -> f64 {
        if relu && self.output[i] <= 0.0 { 0.0 } else { f64::from(self.gradient[i]) }
    }

    fn normalised(&self, i: usize) -> f64 {
        let channel = i % self.shape.channels;
        (f64::from(self.input[i]) - f64::from(self.mean[channel]))
            * f64::from(self.inv_std[channel])
    }

    /// Sums of g and g * xhat, and of their magnitudes.
    fn sums(&self, relu: bool) -> (Vec<f64>, Vec<f64>) {
        let channels = self.shape.channels;
        let (mut sums, mut magnitudes) = (vec![0.0; 2 * channels], vec![0.0; 2 * channels]);
        for i in 0..self.shape.len() {
            let g = self.gated(relu, i);
            for (offset, value) in [(0, g), (channels, g * self.normalised(i))] {
                sums[offset + i % channels] += value;
                magnitudes[offset + i % channels] += value.abs();
            }
        }
        (sums, magnitudes)
    }
}

const SHAPES: [(usize, usize); 6] = [(1, 1), (5, 3), (85, 16), (170, 67), (1500, 33), (3000, 64)];

#[test]
fn sums_are_those_of_plain_loops() {
    for (rows, channels) in SHAPES {
        let case = Case::new(rows, channels);
        for relu in [false, true] {
            let compute = |cpu: &Cpu| {
                let mut workspace = vec![f32::NAN; 2 * case.shape.parts() * channels];
                let mut sums = vec![f32::NAN; 2 * channels];
                let (space, to) = (write(&mut workspace), write(&mut sums));
                cpu.norm_backward_reduce(&case.shape, case.backward(relu), space, to).unwrap();
                sums
            };
            let (expected, magnitudes) = case.sums(relu);
            on_all_sets(compute, |set, found| {
                for i in 0..expected.len() {
                    let distance = (f64::from(found[i]) - expected[i]).abs();
                    assert!(distance <= 2e-6 * magnitudes[i], "{set} {} {}", found[i], expected[i]);
                }
            });
        }
    }
}

#[test]
fn gradients_are_those_of_the_formula_in_every_mode() {
    for (rows, channels) in SHAPES {
        let case = Case::new(rows, channels);
        let len = case.shape.len();
        for (relu, batch) in [(false, false), (false, true), (true, false), (true, true)] {
            let (exact, _) = case.sums(relu);
            let sums: Vec<f32> = exact.iter().map(|&sum| sum as f32).collect();
            let gradient = |i: usize| {
                let channel = i % channels;
                let scale = f64::from(case.gamma[channel]) * f64::from(case.inv_std[channel]);
                let share = |sum: f64| if batch { sum / rows as f64 } else { 0.0 };
                let through =
                    share(exact[channel]) + case.normalised(i) * share(exact[channels + channel]);
                scale * (case.gated(relu, i) - through)
            };
            for input_mode in MODES.map(Some).into_iter().chain([None]) {
                for addend_mode in MODES.map(Some).into_iter().chain([None]) {
                    let compute = |cpu: &Cpu| {
                        let start = |mode: Option<_>| mode.map_or(vec![], |mode| before(mode, len));
                        let (mut input, mut addend) = (start(input_mode), start(addend_mode));
                        cpu.norm_backward_apply(
                            &case.shape,
                            case.backward(relu),
                            read(&case.gamma),
                            batch.then(|| read(&sums)),
                            input_mode.map(|mode| destination(&mut input, mode)),
                            addend_mode.map(|mode| destination(&mut addend, mode)),
                        )
                        .unwrap();
                        [input, addend].concat()
                    };
                    let expected = |mode: Option<_>, value: &dyn Fn(usize) -> f64| -> Vec<f64> {
                        let Some(mode) = mode else { return Vec::new() };
                        let old = before(mode, len);
                        let old = |i: usize| if old[i].is_nan() { 0.0 } else { f64::from(old[i]) };
                        (0..len).map(|i| old(i) + value(i)).collect()
                    };
                    let expected = [
                        expected(input_mode, &gradient),
                        expected(addend_mode, &|i| case.gated(relu, i)),
                    ]
                    .concat();
                    on_all_sets(compute, |set, found| {
                        let what = format!("{set} {:?} {relu} {batch}", case.shape);
                        assert_close(found, &expected, 4e-6, &what);
                    });
                }
            }
        }
    }
}

#[test]
fn the_relu_is_as_open_by_the_factors_as_by_the_output() {
    for (rows, channels) in [(5, 3), (170, 67), (1500, 64)] {
        let case = Case::new(rows, channels);
        let (len, shift) = (case.shape.len(), normal(channels, 7));
        let shift: Vec<f32> = shift.iter().zip(&case.mean).map(|(x, mean)| x - mean).collect();
        let (scale, sums) = (vec![1.0f32; channels], normal(2 * channels, 8));
        let both = |cpu: &Cpu| {
            let mut output = vec![f32::NAN; len];
            let (scale, shift) = (read(&scale), read(&shift));
            let (input, to) = (read(&case.input), write(&mut output));
            cpu.norm_apply(&case.shape, input, scale, shift, None, true, to).unwrap();
            [None, Some([scale, shift])].map(|relu_factors| {
                let relu_output = Some(read(&output));
                let backward = NormBackward { relu_output, relu_factors, ..case.backward(false) };
                let mut workspace = vec![f32::NAN; 2 * case.shape.parts() * channels];
                let mut results = vec![f32::NAN; 2 * len + 2 * channels];
                let (to, reduced) = results.split_at_mut(2 * len);
                let (space, reduced) = (write(&mut workspace), write(reduced));
                cpu.norm_backward_reduce(&case.shape, backward, space, reduced).unwrap();
                let (input, addend) = to.split_at_mut(len);
                let targets = [input, addend].map(|to| Some(destination(to, MODES[0])));
                let [input, addend] = targets;
                let (gamma, sums) = (read(&case.gamma), Some(read(&sums)));
                cpu.norm_backward_apply(&case.shape, backward, gamma, sums, input, addend).unwrap();
                results
            })
        };
        let compute = |cpu: &Cpu| both(cpu).concat();
        on_all_sets(compute, |set, found| {
            let (by_output, by_factors) = found.split_at(found.len() / 2);
            assert!(by_output == by_factors, "{set} {:?}", case.shape);
        });
    }
}
