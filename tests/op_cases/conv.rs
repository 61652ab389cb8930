//! Convolutions: the shapes of residual networks in small, and all that is odd.

use tensor_core::backend::Plan;
use tensor_core::backend::conv::{ConvDirection, ConvInput, ConvOutput, ConvShape};
use tensor_core::memory::Destination;
use tensor_core::ops::conv::{self, ConvGeometry};
use tensor_core::ops::norm::{self, Factors};
use tensor_core::{Device, Result, Tensor};

use super::format::Format;
use super::gradient::Differentiable;
use super::input::{Draw, Input, absolute_inputs};
use super::{Case, Output, magnitudes_by_reference, write_and_accumulate};

/// `[n, h, w, c]` by `[k, kernel, kernel, c]`, the same stride and padding down and across.
const fn square(
    [n, h, w, c]: [usize; 4],
    k: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> ConvShape {
    let (r, s, stride, padding) = (kernel, kernel, [stride; 2], [padding; 2]);
    ConvShape { n, h, w, c, k, r, s, stride, padding, groups: 1 }
}

const fn grouped(shape: ConvShape, groups: usize) -> ConvShape {
    ConvShape { groups, ..shape }
}

/// Small shapes, mostly odd ones; gradients are checked on these too.
pub const SHAPES: &[ConvShape] = &[
    // One of everything.
    square([1, 1, 1, 1], 1, 1, 1, 0),
    square([1, 1, 1, 1], 1, 3, 1, 1),
    square([1, 1, 1, 33], 17, 3, 1, 1),
    // 1x1 kernels.
    square([1, 7, 9, 3], 5, 1, 1, 0),
    square([3, 5, 5, 33], 65, 1, 1, 0),
    square([2, 9, 7, 17], 33, 1, 2, 0),
    square([1, 10, 10, 65], 17, 1, 3, 0),
    // 3x3 kernels.
    square([1, 5, 5, 1], 1, 3, 1, 1),
    square([2, 8, 8, 3], 5, 3, 1, 1),
    square([1, 13, 11, 5], 17, 3, 1, 1),
    square([2, 7, 7, 17], 33, 3, 1, 1),
    square([1, 9, 8, 33], 65, 3, 1, 1),
    square([1, 12, 12, 16], 16, 3, 1, 1),
    square([1, 6, 6, 65], 3, 3, 1, 0),
    square([3, 10, 9, 20], 18, 3, 1, 0),
    square([2, 6, 7, 18], 20, 3, 1, 2),
    square([2, 9, 9, 5], 17, 3, 2, 1),
    square([1, 8, 8, 17], 5, 3, 2, 1),
    square([1, 11, 10, 3], 33, 3, 3, 1),
    // Larger kernels, and the first layer of a residual network.
    square([1, 15, 13, 3], 17, 7, 2, 3),
    square([2, 16, 16, 3], 8, 7, 1, 3),
    square([1, 7, 7, 5], 5, 7, 3, 0),
    square([1, 9, 9, 3], 4, 5, 2, 2),
    square([1, 4, 4, 3], 3, 4, 2, 1),
    square([1, 6, 5, 2], 3, 2, 2, 0),
    // More padding than the kernel needs: whole windows see nothing but zeros.
    square([1, 4, 3, 3], 5, 3, 1, 4),
    square([1, 3, 3, 2], 3, 1, 2, 2),
    square([2, 1, 1, 5], 17, 7, 1, 3),
    // Columns and rows that differ in everything; an output of one column.
    ConvShape {
        n: 1,
        h: 9,
        w: 4,
        c: 5,
        k: 7,
        r: 3,
        s: 1,
        stride: [1, 2],
        padding: [1, 0],
        groups: 1,
    },
    ConvShape {
        n: 2,
        h: 5,
        w: 11,
        c: 3,
        k: 6,
        r: 1,
        s: 5,
        stride: [2, 3],
        padding: [0, 3],
        groups: 3,
    },
    ConvShape {
        n: 1,
        h: 8,
        w: 3,
        c: 4,
        k: 9,
        r: 2,
        s: 3,
        stride: [3, 1],
        padding: [1, 0],
        groups: 1,
    },
    // Groups.
    grouped(square([1, 7, 7, 6], 10, 3, 1, 1), 2),
    grouped(square([2, 6, 6, 16], 12, 1, 1, 0), 4),
    grouped(square([1, 9, 9, 20], 8, 3, 2, 1), 4),
    grouped(square([1, 5, 5, 128], 128, 3, 1, 1), 32),
    grouped(square([1, 6, 6, 64], 96, 3, 2, 1), 32),
    // Groups of one, two, eight and sixteen channels, as many out as in; some pixels that no tap reaches.
    grouped(square([2, 5, 6, 32], 32, 3, 1, 1), 32),
    grouped(square([1, 8, 8, 32], 32, 5, 2, 2), 16),
    grouped(square([2, 7, 9, 32], 32, 3, 2, 1), 4),
    grouped(square([1, 6, 5, 32], 32, 3, 1, 0), 2),
    grouped(square([1, 7, 7, 32], 32, 2, 3, 0), 4),
    // Depthwise.
    grouped(square([1, 7, 6, 17], 17, 3, 1, 1), 17),
    grouped(square([2, 8, 8, 5], 15, 3, 2, 1), 5),
];

/// Shapes that reach past every block size of a kernel.
pub const LARGER_SHAPES: &[ConvShape] = &[
    square([1, 21, 21, 64], 64, 3, 1, 1),
    square([1, 29, 27, 65], 33, 3, 1, 1),
    square([1, 57, 55, 32], 48, 3, 2, 1),
    square([1, 65, 63, 3], 64, 7, 2, 3),
    square([1, 14, 14, 256], 130, 1, 1, 0),
    square([1, 28, 28, 130], 70, 1, 2, 0),
    square([3, 7, 7, 300], 40, 3, 1, 1),
    square([5, 14, 14, 40], 72, 3, 1, 1),
    grouped(square([1, 20, 20, 256], 256, 3, 1, 1), 32),
    grouped(square([3, 17, 37, 64], 64, 3, 2, 1), 4),
    grouped(square([2, 29, 16, 64], 64, 3, 1, 1), 2),
    grouped(square([2, 33, 31, 65], 65, 3, 1, 1), 65),
];

const DIRECTIONS: [ConvDirection; 3] =
    [ConvDirection::Forward, ConvDirection::InputGradient, ConvDirection::WeightGradient];

/// All shapes in all directions.
pub fn cases() -> Vec<Box<dyn Case>> {
    let shapes = SHAPES.iter().chain(LARGER_SHAPES);
    let pairs = shapes.flat_map(|&shape| DIRECTIONS.map(|direction| ConvCase { shape, direction }));
    pairs.map(|case| Box::new(case) as Box<dyn Case>).collect()
}

/// One direction of one shape.
pub struct ConvCase {
    /// The shape.
    pub shape: ConvShape,
    /// The direction.
    pub direction: ConvDirection,
}

fn input_dims(shape: &ConvShape) -> [usize; 4] {
    [shape.n, shape.h, shape.w, shape.c]
}

fn weight_dims(shape: &ConvShape) -> [usize; 4] {
    [shape.k, shape.r, shape.s, shape.group_c()]
}

fn output_dims(shape: &ConvShape) -> [usize; 4] {
    [shape.n, shape.p(), shape.q(), shape.k]
}

impl Case for ConvCase {
    fn name(&self) -> String {
        format!("conv {:?} {}", self.direction, self.shape)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let shape = &self.shape;
        match self.direction {
            ConvDirection::Forward => {
                let input = draw.normal(input_dims(shape)).activation();
                let weights = draw.normal(weight_dims(shape)).weight();
                let channels = [shape.c];
                vec![input, weights, draw.uniform(channels, 0.5, 2.0), draw.normal(channels)]
            }
            ConvDirection::InputGradient => {
                let gradient = draw.normal(output_dims(shape)).activation();
                let weights = draw.normal(weight_dims(shape)).weight();
                vec![gradient, weights, draw.normal(input_dims(shape)).activation()]
            }
            ConvDirection::WeightGradient => {
                let input = draw.normal(input_dims(shape)).activation();
                let gradient = draw.normal(output_dims(shape)).activation();
                vec![input, gradient, draw.normal(weight_dims(shape))]
            }
        }
    }

    fn plans(&self, device: &Device) -> Result<Vec<Plan>> {
        Ok(device.backend().conv_plans(&self.shape, device.activation(), self.direction))
    }

    fn run(&self, _device: &Device, plan: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let plan = plan.expect("every convolution has a plan");
        let (shape, direction) = (&self.shape, self.direction);
        match direction {
            ConvDirection::Forward => {
                let (input, weights) = (&inputs[0], &inputs[1]);
                let prepared = conv::prepare(plan, shape, direction, weights)?;
                let plain = conv::forward_planned(plan, shape, input, &prepared)?;
                let (output, partials) =
                    conv::forward_with_statistics(plan, shape, input, &prepared)?;
                Ok(vec![
                    Output::new("output", &plain)?,
                    Output::new("output beside statistics", &output)?,
                    joined_statistics(&partials)?.computed_within(Format::of(plan)),
                    forward_of_scaled(plan, shape, inputs, &prepared)?
                        .computed_within(Format::of(plan)),
                ])
            }
            ConvDirection::InputGradient => {
                let prepared = conv::prepare(plan, shape, direction, &inputs[1])?;
                let call = |target: Destination| {
                    conv::input_gradient_into(plan, shape, &inputs[0], &prepared, target)
                };
                Ok(write_and_accumulate(&inputs[2], call)?.into())
            }
            ConvDirection::WeightGradient => {
                let call = |target: Destination| {
                    conv::weight_gradient_into(plan, shape, &inputs[0], &inputs[1], target)
                };
                Ok(write_and_accumulate(&inputs[2], call)?.into())
            }
        }
    }

    fn magnitudes(&self, inputs: &[Input], _expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        let mut magnitudes = magnitudes_by_reference(self, &absolute_inputs(inputs))?;
        if self.direction == ConvDirection::Forward {
            magnitudes[2] = statistics_magnitudes(&self.shape, &magnitudes[0]);
        }
        Ok(magnitudes)
    }
}

/// The convolution of `relu(input * scale + shift)`, applied while the input is read if the plan can
/// do that, else before.
fn forward_of_scaled(
    plan: &Plan,
    shape: &ConvShape,
    inputs: &[Tensor],
    prepared: &Tensor,
) -> Result<Output> {
    const NAME: &str = "output of scaled input";
    let [input, _, scale, shift] = inputs else { unreachable!("there are four inputs") };
    if !plan.fuses_input {
        let (scale, shift) = (scale.clone(), shift.clone());
        let factors = Factors { mean: shift.clone(), inv_std: scale.clone(), scale, shift };
        let scaled = norm::apply(input, &factors, None, true)?;
        return Output::new(NAME, &conv::forward_planned(plan, shape, &scaled, prepared)?);
    }
    let device = input.device();
    let mut output = Tensor::uninitialised(device, output_dims(shape), input.dtype())?;
    let mut workspace = Tensor::uninitialised(device, [plan.workspace], device.float())?;
    let input = ConvInput::ScaleShiftRelu {
        input: input.as_slice(),
        scale: scale.as_slice(),
        shift: shift.as_slice(),
    };
    let (prepared, workspace) = (prepared.as_slice(), workspace.as_slice_mut());
    let target = ConvOutput::Plain(output.as_slice_mut());
    device.backend().conv_forward(plan, shape, input, prepared, workspace, target)?;
    Output::new(NAME, &output)
}

/// Count, mean and M2 of each channel over all parts, which every plan may cut as it likes (Chan et
/// al. 1979).
fn joined_statistics(partials: &Tensor) -> Result<Output> {
    let mut output = Output::new("statistics", partials)?;
    let channels = partials.shape().dims()[2];
    let mut joined = vec![0.0; 3 * channels];
    for part in output.values.chunks(3 * channels) {
        for c in 0..channels {
            let [count, mean, m2] = [part[c], part[channels + c], part[2 * channels + c]];
            let (before, delta) = (joined[c], mean - joined[channels + c]);
            joined[c] += count;
            joined[channels + c] += delta * count / joined[c];
            joined[2 * channels + c] += m2 + delta * delta * before * count / joined[c];
        }
    }
    output.values = joined;
    Ok(output)
}

/// Magnitudes of count, mean and M2 of outputs of these magnitudes: means and sums of squares, for
/// the rounding errors of the outputs are in the statistics as well.
fn statistics_magnitudes(shape: &ConvShape, outputs: &[f64]) -> Vec<f64> {
    let (rows, channels) = (shape.output_rows() as f64, shape.k);
    let sum = |c: usize, power| -> f64 {
        outputs.iter().skip(c).step_by(channels).map(|x| x.powi(power)).sum()
    };
    let mut magnitudes = vec![rows; channels];
    magnitudes.extend((0..channels).map(|c| sum(c, 1) / rows));
    magnitudes.extend((0..channels).map(|c| sum(c, 2)));
    magnitudes
}

/// Both gradients of the small shapes.
pub fn differentiable() -> Vec<Box<dyn Differentiable>> {
    SHAPES.iter().map(|&shape| Box::new(ConvGradient(shape)) as Box<dyn Differentiable>).collect()
}

struct ConvGradient(ConvShape);

impl Differentiable for ConvGradient {
    fn name(&self) -> String {
        format!("conv {}", self.0)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        vec![draw.normal(input_dims(&self.0)), draw.normal(weight_dims(&self.0))]
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let ConvShape { stride, padding, groups, .. } = self.0;
        conv::forward(&inputs[0], &inputs[1], &ConvGeometry { stride, padding, groups })
    }

    fn backward(&self, inputs: &[Tensor], output_gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let of_input = conv::input_gradient(&self.0, output_gradient, &inputs[1])?;
        let of_weights = conv::weight_gradient(&self.0, &inputs[0], output_gradient)?;
        Ok(vec![Some(of_input), Some(of_weights)])
    }
}
