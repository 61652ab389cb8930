//! Functions of one and two elements.

use half::bf16;
use tensor_core::backend::Plan;
use tensor_core::memory::Destination;
use tensor_core::ops::pointwise::{
    Binary, Unary, binary, binary_into, cast, unary, unary_gradient_into,
};
use tensor_core::{DType, Device, Result, Tensor};

use super::format::Rounding;
use super::gradient::Differentiable;
use super::input::{Draw, Input, Role};
use super::view::View;
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
    for role in [Role::Float, Role::Activation] {
        for &(function, range) in UNARY {
            for &length in LENGTHS {
                cases.push(Box::new(OfOne { function, range, length, role }));
            }
            cases.push(Box::new(OfNotANumber { function, range, role }));
        }
        for function in BINARY {
            for &lengths in PAIRS {
                cases.push(Box::new(OfTwo { function, lengths, role }));
            }
        }
    }
    cases.extend(LENGTHS.iter().map(|&length| Box::new(Cast { length }) as Box<dyn Case>));
    cases.extend(views());
    cases
}

/// A few that begin in the middle of a buffer.
fn views() -> impl Iterator<Item = Box<dyn Case>> {
    let of_role = |role| {
        let one = OfOne { function: Unary::Square, range: [-5.0, 5.0], length: 1000, role };
        let rows = OfTwo { function: Binary::Add, lengths: [4096, 64], role };
        let [one, rows]: [Box<dyn Case>; 2] = [Box::new(one), Box::new(rows)];
        [one, rows]
    };
    let cast: Box<dyn Case> = Box::new(Cast { length: 1000 });
    let cases = [Role::Float, Role::Activation].into_iter().flat_map(of_role).chain([cast]);
    cases.map(|case| Box::new(View(case)) as Box<dyn Case>)
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
    role: Role,
}

impl Case for OfOne {
    fn name(&self) -> String {
        let OfOne { function, range, length, role } = self;
        format!("pointwise {function:?} of {length} {role:?} in {range:?}")
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let [low, high] = self.range;
        let input = draw.uniform([self.length], low, high).role(self.role);
        let mut normal = || draw.normal([self.length]).role(self.role);
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
    role: Role,
}

impl Case for OfNotANumber {
    fn name(&self) -> String {
        let OfNotANumber { function, range, role } = self;
        format!("pointwise {function:?} of {role:?} not-a-number in {range:?}")
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let [low, high] = self.range;
        let hole = |x: f32| if x > (low + high) / 2.0 { f32::NAN } else { x };
        vec![draw.uniform([1000], low, high).map(hole).role(self.role)]
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
    role: Role,
}

impl Case for OfTwo {
    fn name(&self) -> String {
        format!("pointwise {:?} of {:?} {:?}", self.function, self.role, self.lengths)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let [left, right] = self.lengths;
        let inputs = [draw.normal([left]), draw.uniform([right], 0.5, 2.0), draw.normal([left])];
        inputs.map(|input| input.role(self.role)).into()
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

/// From floats to activations, which rounds, and back, which does not.
struct Cast {
    length: usize,
}

impl Case for Cast {
    fn name(&self) -> String {
        format!("pointwise cast of {}", self.length)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        // Numbers of every size, some of them halfway between two of bf16, and what is no number at all.
        let (values, sizes) =
            (draw.normal([self.length]), draw.uniform([self.length], -40.0, 40.0));
        let special = |(i, x): (usize, f32)| match i % 49 {
            8 => f32::NAN,
            15 => f32::INFINITY,
            22 => f32::NEG_INFINITY,
            i if i % 7 == 3 => f32::from_bits(x.to_bits() & 0xFFFF_0000 | 0x8000),
            _ => x,
        };
        let scaled = values.floats().iter().zip(sizes.floats()).map(|(x, size)| x * size.exp2());
        let scaled = Input::new([self.length], scaled.enumerate().map(special).collect());
        vec![scaled, draw.normal([self.length]).activation()]
    }

    fn run(&self, device: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let rounded = cast(&inputs[0], device.activation())?;
        let back = cast(&inputs[1], device.float())?;
        let values = wrong_roundings(&inputs[0], &rounded)?;
        Ok(vec![
            Output { name: "wrong roundings", values, rounding: Rounding::Last(device.float()) },
            Output::new("rounded", &rounded)?,
            Output::new("back", &back)?,
        ])
    }
}

/// How many numbers were not rounded to the nearest, or to even between two.
fn wrong_roundings(exact: &Tensor, rounded: &Tensor) -> Result<Vec<f64>> {
    let nearest = |x: f32| match rounded.dtype() {
        DType::Bf16 => bf16::from_f32(x).to_f32(),
        _ => x,
    };
    let pairs = exact.to_f32()?.into_iter().map(nearest).zip(rounded.to_f32()?);
    let wrong = pairs.filter(|(wanted, found)| wanted != found && !wanted.is_nan());
    Ok(vec![wrong.count() as f64])
}

/// The functions of one element, where they are smooth enough to be followed numerically.
pub fn differentiable() -> Vec<Box<dyn Differentiable>> {
    let smooth = UNARY.iter().filter(|(_, [low, high])| high - low < 50.0);
    let role = Role::Float;
    let cases = smooth.map(|&(function, range)| OfOne { function, range, length: 50, role });
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
