//! Functions of one and two elements.

use super::{Reference, store};
use crate::Result;
use crate::backend::pointwise::{Binary, PointwiseKernels, Unary};
use crate::memory::{Destination, Slice, SliceMut};

impl PointwiseKernels for Reference {
    fn unary(&self, function: Unary, input: Slice, output: SliceMut) -> Result<()> {
        for (y, &x) in output.host::<f64>().iter_mut().zip(input.host::<f64>()) {
            *y = value(function, x);
        }
        Ok(())
    }

    fn unary_gradient(
        &self,
        function: Unary,
        input: Slice,
        output_gradient: Slice,
        input_gradient: Destination,
    ) -> Result<()> {
        let pairs = input.host::<f64>().iter().zip(output_gradient.host::<f64>());
        let result: Vec<f64> =
            pairs.map(|(&x, &gradient)| derivative(function, x) * gradient).collect();
        store(input_gradient, &result);
        Ok(())
    }

    fn binary(
        &self,
        function: Binary,
        left: Slice,
        right: Slice,
        output: Destination,
    ) -> Result<()> {
        let (left, right) = (left.host::<f64>(), right.host::<f64>());
        let result: Vec<f64> = (0..left.len())
            .map(|i| {
                let (a, b) = (left[i], right[i % right.len()]);
                match function {
                    Binary::Add => a + b,
                    Binary::Subtract => a - b,
                    Binary::Multiply => a * b,
                    Binary::Divide => a / b,
                }
            })
            .collect();
        store(output, &result);
        Ok(())
    }

    fn cast(&self, _input: Slice, _output: SliceMut) -> Result<()> {
        unreachable!("floats and activations are of one type here")
    }
}

fn value(function: Unary, x: f64) -> f64 {
    match function {
        // Written so that not-a-number passes through.
        Unary::Relu => {
            if x < 0.0 {
                0.0
            } else {
                x
            }
        }
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sigmoid => sigmoid(x),
        Unary::Square => x * x,
        Unary::Sqrt => x.sqrt(),
        Unary::Abs => x.abs(),
        Unary::Affine { scale, shift } => scale * x + shift,
    }
}

fn derivative(function: Unary, x: f64) -> f64 {
    match function {
        Unary::Relu => {
            if x > 0.0 {
                1.0
            } else {
                0.0
            }
        }
        Unary::Exp => x.exp(),
        Unary::Log => 1.0 / x,
        Unary::Sigmoid => sigmoid(x) * sigmoid(-x),
        Unary::Square => 2.0 * x,
        Unary::Sqrt => 0.5 / x.sqrt(),
        Unary::Abs => {
            if x == 0.0 {
                0.0
            } else {
                x.signum()
            }
        }
        Unary::Affine { scale, .. } => scale,
    }
}

/// `1 / (1 + e^-x)`.
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
