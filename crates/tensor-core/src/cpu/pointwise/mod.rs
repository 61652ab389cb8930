//! Element-by-element functions, and what the other row-wise families share: how their work is cut
//! ([`parts`]) and checked ([`testing`]).

mod functions;
pub(super) mod parts;
#[cfg(test)]
pub(super) mod testing;

use super::Cpu;
use crate::Result;
use crate::backend::PointwiseKernels;
use crate::backend::pointwise::{Binary, Unary};
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use parts::PART;

impl PointwiseKernels for Cpu {
    fn unary(&self, function: Unary, input: Slice, output: SliceMut) -> Result<()> {
        let set = self.instruction_set;
        let parts = input.host::<f32>().chunks(PART).zip(output.host::<f32>().chunks_mut(PART));
        self.for_each_part(input.len(), parts, |(input, output)| {
            functions::unary(set, function, input, output);
        });
        Ok(())
    }

    fn unary_gradient(
        &self,
        function: Unary,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        let (set, mode) = (self.instruction_set, input_gradient.mode);
        let sources = input.host::<f32>().chunks(PART).zip(output_gradient.host().chunks(PART));
        let parts = sources.zip(input_gradient.slice.host::<f32>().chunks_mut(PART));
        self.for_each_part(input.len(), parts, |((input, gradient), to)| match mode {
            WriteMode::Write => {
                functions::unary_gradient::<false>(set, function, input, gradient, to);
            }
            WriteMode::Accumulate => {
                functions::unary_gradient::<true>(set, function, input, gradient, to);
            }
        });
        Ok(())
    }

    fn binary(
        &self,
        function: Binary,
        left: Slice,
        right: Slice,
        output: Destination,
    ) -> Result<()> {
        let (set, mode) = (self.instruction_set, output.mode);
        let right = right.host::<f32>();
        let parts =
            left.host::<f32>().chunks(PART).zip(output.slice.host::<f32>().chunks_mut(PART));
        self.for_each_part(left.len(), parts.enumerate(), |(index, (left, to))| {
            let first = index * PART % right.len();
            match mode {
                WriteMode::Write => {
                    functions::binary::<false>(set, function, left, right, first, to);
                }
                WriteMode::Accumulate => {
                    functions::binary::<true>(set, function, left, right, first, to);
                }
            }
        });
        Ok(())
    }

    fn cast(&self, _input: Slice, _output: SliceMut) -> Result<()> {
        unreachable!("floats and activations are of one type here")
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{
        MODES, assert_close, before, destination, normal, on_all_sets, read, write,
    };
    use super::*;

    const UNARY: [Unary; 8] = [
        Unary::Relu,
        Unary::Exp,
        Unary::Log,
        Unary::Sigmoid,
        Unary::Square,
        Unary::Sqrt,
        Unary::Abs,
        Unary::Affine { scale: -2.5, shift: 0.75 },
    ];

    /// The function and its derivative in f64.
    fn exact(function: Unary, x: f64) -> (f64, f64) {
        let sigmoid = 1.0 / (1.0 + (-x).exp());
        match function {
            Unary::Relu => (x.max(0.0), f64::from(x > 0.0)),
            Unary::Exp => (x.exp(), x.exp()),
            Unary::Log => (x.ln(), 1.0 / x),
            Unary::Sigmoid => (sigmoid, sigmoid * (1.0 - sigmoid)),
            Unary::Square => (x * x, 2.0 * x),
            Unary::Sqrt => (x.sqrt(), 0.5 / x.sqrt()),
            Unary::Abs => (x.abs(), if x == 0.0 { 0.0 } else { x.signum() }),
            Unary::Affine { scale, shift } => (scale * x + shift, scale),
        }
    }

    fn input(function: Unary, len: usize) -> Vec<f32> {
        let positive = matches!(function, Unary::Log | Unary::Sqrt);
        let shape = |x: &f32| if positive { x.abs() + 0.05 } else { *x };
        let mut input: Vec<f32> = normal(len, 1).iter().map(shape).collect();
        if !positive {
            input[0] = 0.0;
        }
        input
    }

    #[test]
    fn unary_functions_and_gradients_are_right() {
        for len in [1, 37, 3 * PART + 5] {
            for function in UNARY {
                let (input, gradient) = (input(function, len), normal(len, 2));
                let values: Vec<f64> =
                    input.iter().map(|&x| exact(function, f64::from(x)).0).collect();
                let compute = |cpu: &Cpu| {
                    let mut output = vec![f32::NAN; len];
                    cpu.unary(function, read(&input), write(&mut output)).unwrap();
                    output
                };
                on_all_sets(compute, |set, found| {
                    assert_close(found, &values, 1e-6, &format!("{set} {function:?}"));
                });
                for mode in MODES {
                    let old = before(mode, len);
                    let expected: Vec<f64> = (0..len)
                        .map(|i| {
                            let slope = exact(function, f64::from(input[i])).1;
                            let old = if old[i].is_nan() { 0.0 } else { f64::from(old[i]) };
                            old + slope * f64::from(gradient[i])
                        })
                        .collect();
                    let compute = |cpu: &Cpu| {
                        let mut to = before(mode, len);
                        let from = (read(&input), read(&gradient));
                        let destination = destination(&mut to, mode);
                        cpu.unary_gradient(function, from.0, from.1, destination).unwrap();
                        to
                    };
                    on_all_sets(compute, |set, found| {
                        let what = format!("{set} {function:?} {mode:?}");
                        assert_close(found, &expected, 3e-6, &what);
                    });
                }
            }
        }
    }

    #[test]
    fn the_right_side_is_repeated() {
        let functions = [Binary::Add, Binary::Subtract, Binary::Multiply, Binary::Divide];
        for (rows, period) in
            [(1, 1), (7, 3), (5 * PART + 3, 1), (2000, 33), (3, PART + 7), (1, 50_001)]
        {
            let len = rows * period;
            let (left, right) = (normal(len, 1), normal(period, 2));
            let right: Vec<f32> = right.iter().map(|x| x + 0.1f32.copysign(*x)).collect();
            for (function, mode) in functions.into_iter().flat_map(|f| MODES.map(|m| (f, m))) {
                let old = before(mode, len);
                let expected: Vec<f64> = (0..len)
                    .map(|i| {
                        let (a, b) = (f64::from(left[i]), f64::from(right[i % period]));
                        let value = match function {
                            Binary::Add => a + b,
                            Binary::Subtract => a - b,
                            Binary::Multiply => a * b,
                            Binary::Divide => a / b,
                        };
                        value + if old[i].is_nan() { 0.0 } else { f64::from(old[i]) }
                    })
                    .collect();
                let compute = |cpu: &Cpu| {
                    let mut to = before(mode, len);
                    let destination = destination(&mut to, mode);
                    cpu.binary(function, read(&left), read(&right), destination).unwrap();
                    to
                };
                on_all_sets(compute, |set, found| {
                    let what = format!("{set} {function:?} {mode:?} {rows} {period}");
                    assert_close(found, &expected, 2e-6, &what);
                });
            }
        }
    }

    #[test]
    fn a_relu_lets_a_not_a_number_through() {
        let mut output = [0.0f32; 2];
        functions::unary(
            crate::cpu::InstructionSet::best(),
            Unary::Relu,
            &[f32::NAN, -3.0],
            &mut output,
        );
        assert!(output[0].is_nan() && output[1] == 0.0);
    }
}
