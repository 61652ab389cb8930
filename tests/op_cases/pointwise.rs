//! Functions of one and two elements.

use tensor_core::backend::Plan;
use tensor_core::memory::Destination;
use tensor_core::ops::pointwise::{Binary, Unary, binary, binary_into, unary, unary_gradient_into};
use tensor_core::{Device, Result, Tensor};

use super::gradient::Differentiable;
use super::input::{Draw, Input};
use super::{Case, Output, absolute, write_and_accumulate, written, written_and_base};

/// Each function with the range of arguments that it is tried on.
pub const UNARY: &[(Unary, [f32; 2])] = &[
    (Unary::Relu, [-3.0, 3.0]),
    (Unary::Exp, [-20.0, 20.0]),
    (Unary::Exp, [-110.0, -80.0]),
    (Unary::Log, [0.05, 30.0]),
    (Unary::Log, [0.99, 1.01]),
    (Unary::Sigmoid, [-12.0, 12.0]),
    (Unary::Sigmoid, [-200.0, 200.0]),
    (Unary::Square, [-5.0, 5.0]),
    (Unary::Sqrt, [0.05, 30.0]),
    (Unary::Abs, [-3.0, 3.0]),
    (Unary::Affine { scale: -2.5, shift: 0.75 }, [-3.0, 3.0]),
];

/// Lengths around those of vectors.
pub const LENGTHS: &[usize] = &[1, 7, 16, 33, 1000, 40_003];

const BINARY: [Binary; 4] = [Binary::Add, Binary::Subtract, Binary::Multiply, Binary::Divide];

/// Lengths of both sides; the shorter one is repeated.
pub const PAIRS: &[[usize; 2]] =
    &[[1, 1], [33, 33], [35, 1], [35, 5], [35, 7], [1000, 1], [4096, 64], [40_005, 15]];

/// All functions of all lengths.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for &(function, range) in UNARY {
        for &length in LENGTHS {
            cases.push(Box::new(OfOne { function, range, length }));
        }
        cases.push(Box::new(OfNotANumber { function, range }));
    }
    for function in BINARY {
        for &lengths in PAIRS {
            cases.push(Box::new(OfTwo { function, lengths }));
        }
    }
    cases
}

/// The result itself, but for a sum that may cancel.
fn output_magnitudes(function: Unary, input: &Input, expected: &Output) -> Vec<f64> {
    let Unary::Affine { scale, shift } = function else {
        return absolute(&expected.values);
    };
    let summands = |&x: &f32| (scale * f64::from(x)).abs() + shift.abs();
    input.floats().iter().map(summands).collect()
}

struct OfOne {
    function: Unary,
    range: [f32; 2],
    length: usize,
}

impl Case for OfOne {
    fn name(&self) -> String {
        format!("pointwise {:?} of {} in {:?}", self.function, self.length, self.range)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let [low, high] = self.range;
        let input = draw.uniform([self.length], low, high).activation();
        let mut normal = || draw.normal([self.length]).activation();
        vec![input, normal(), normal()]
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let mut outputs = vec![Output::new("output", &unary(self.function, &inputs[0])?)?];
        outputs.extend(write_and_accumulate(&inputs[2], |target| {
            unary_gradient_into(self.function, &inputs[0], &inputs[1], target)
        })?);
        Ok(outputs)
    }

    fn magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        let mut magnitudes = vec![output_magnitudes(self.function, &inputs[0], &expected[0])];
        magnitudes.extend(written_and_base(&expected[1], &inputs[2]));
        Ok(magnitudes)
    }
}

/// A function of numbers of which the larger half is not-a-number: the output must show them; what
/// gradient they get nobody promises.
struct OfNotANumber {
    function: Unary,
    range: [f32; 2],
}

impl Case for OfNotANumber {
    fn name(&self) -> String {
        format!("pointwise {:?} of not-a-number in {:?}", self.function, self.range)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let [low, high] = self.range;
        let hole = |x: f32| if x > (low + high) / 2.0 { f32::NAN } else { x };
        vec![draw.uniform([1000], low, high).map(hole).activation()]
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        Ok(vec![Output::new("output", &unary(self.function, &inputs[0])?)?])
    }

    fn magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        Ok(vec![output_magnitudes(self.function, &inputs[0], &expected[0])])
    }
}

struct OfTwo {
    function: Binary,
    lengths: [usize; 2],
}

impl Case for OfTwo {
    fn name(&self) -> String {
        format!("pointwise {:?} of {:?}", self.function, self.lengths)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let [left, right] = self.lengths;
        let inputs = [draw.normal([left]), draw.uniform([right], 0.5, 2.0), draw.normal([left])];
        inputs.map(Input::activation).into()
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let call = |target: Destination| binary_into(self.function, &inputs[0], &inputs[1], target);
        let mut outputs = write_and_accumulate(&inputs[2], call)?.to_vec();
        let allocated = binary(self.function, &inputs[0], &inputs[1])?;
        outputs.push(Output::new("allocated", &allocated)?);
        Ok(outputs)
    }

    fn magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        let mut magnitudes = written_and_base(&expected[0], &inputs[2]);
        magnitudes.push(magnitudes[0].clone());
        Ok(magnitudes)
    }
}

/// The functions of one element, where they are smooth enough to be followed numerically.
pub fn differentiable() -> Vec<Box<dyn Differentiable>> {
    let smooth = UNARY.iter().filter(|(_, [low, high])| high - low < 50.0);
    let cases = smooth.map(|&(function, range)| OfOne { function, range, length: 50 });
    cases.map(|case| Box::new(case) as Box<dyn Differentiable>).collect()
}

impl Differentiable for OfOne {
    fn name(&self) -> String {
        Case::name(self)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        vec![draw.uniform([self.length], self.range[0], self.range[1])]
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        unary(self.function, &inputs[0])
    }

    fn backward(&self, inputs: &[Tensor], output_gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let gradient = written(&inputs[0], |target| {
            unary_gradient_into(self.function, &inputs[0], output_gradient, target)
        })?;
        Ok(vec![Some(gradient)])
    }
}
