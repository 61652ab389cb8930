//! Batch normalisation, part by part, and as a whole where gradients are checked.

use tensor_core::backend::Plan;
use tensor_core::backend::norm::NormShape;
use tensor_core::memory::Destination;
use tensor_core::ops::norm::{self, Backward, Factors, NormOptions, Running};
use tensor_core::{Device, Result, Tensor};

use super::compare::Bounds;
use super::gradient::Differentiable;
use super::input::{Draw, Input, Role, absolute_inputs};
use super::{Case, Output, magnitudes_by_reference, write_and_accumulate, written};

/// Rows, channels, and the mean of the data: statistics taken as a sum of squares lose everything
/// at a mean of 1000.
pub const SHAPES: &[(NormShape, f32)] = &[
    (norm_shape(1, 5), 0.0),
    (norm_shape(2, 1), 0.0),
    (norm_shape(3, 17), 1000.0),
    (norm_shape(83, 3), 0.5),
    (norm_shape(84, 16), -2.0),
    (norm_shape(85, 33), 0.0),
    (norm_shape(170, 264), 0.5),
    (norm_shape(1000, 65), 1000.0),
    (norm_shape(1323, 64), 0.0),
    (norm_shape(5377, 5), -1000.0),
    (norm_shape(6001, 7), 1.0),
];

const fn norm_shape(rows: usize, channels: usize) -> NormShape {
    NormShape { rows, channels }
}

/// One of the five parts, with its options.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// Partial statistics.
    Statistics,
    /// Factors from partial statistics.
    FinaliseBatch {
        /// Rows of a part, if it was a convolution that cut them.
        part_rows: Option<usize>,
    },
    /// Factors from running values.
    FinaliseRunning,
    /// The normalisation itself.
    Apply {
        /// Something is added.
        addend: bool,
        /// The result goes through a ReLU.
        relu: bool,
        /// Some elements of input and addend are not-a-number, which must be seen.
        not_a_number: bool,
    },
    /// Gradients of beta and gamma.
    BackwardReduce {
        /// The output went through a ReLU.
        relu: bool,
    },
    /// Gradients of input and addend.
    BackwardApply {
        /// The output went through a ReLU.
        relu: bool,
        /// The statistics were the batch's.
        batch: bool,
    },
}

/// Every part with every choice of options.
pub const PARTS: &[Part] = &[
    Part::Statistics,
    Part::FinaliseBatch { part_rows: None },
    Part::FinaliseBatch { part_rows: Some(3) },
    Part::FinaliseRunning,
    Part::Apply { addend: false, relu: false, not_a_number: false },
    Part::Apply { addend: false, relu: true, not_a_number: false },
    Part::Apply { addend: true, relu: false, not_a_number: false },
    Part::Apply { addend: true, relu: true, not_a_number: false },
    Part::Apply { addend: false, relu: true, not_a_number: true },
    Part::Apply { addend: true, relu: true, not_a_number: true },
    Part::BackwardReduce { relu: false },
    Part::BackwardReduce { relu: true },
    Part::BackwardApply { relu: false, batch: false },
    Part::BackwardApply { relu: false, batch: true },
    Part::BackwardApply { relu: true, batch: false },
    Part::BackwardApply { relu: true, batch: true },
];

const OPTIONS: NormOptions = NormOptions { epsilon: 1e-5, momentum: 0.1 };

/// All parts of all shapes.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for &(shape, mean) in SHAPES {
        for &part in PARTS {
            cases.push(Box::new(NormCase { shape, mean, part, role: Role::Activation }));
            // A head normalises floats, a row a picture.
            if shape.rows < 100 {
                cases.push(Box::new(NormCase { shape, mean, part, role: Role::Float }));
            }
        }
    }
    cases
}

/// One part of one shape.
pub struct NormCase {
    /// What is normalised.
    pub shape: NormShape,
    /// Mean of the data.
    pub mean: f32,
    /// Which part.
    pub part: Part,
    /// What is normalised.
    pub role: Role,
}

impl NormCase {
    /// Standard deviation of the data. Where scale and shift cancel, numbers of few bits must have
    /// something left of them.
    fn spread(&self) -> f32 {
        match self.part {
            Part::Apply { .. } => 1.0 + self.mean.abs() / 50.0,
            _ => 1.0,
        }
    }

    /// Counts as they are, means about the data's, and M2 for variances between 0.5 and 2.
    fn partials(&self, draw: &mut Draw, part_rows: usize) -> Input {
        let NormShape { rows, channels } = self.shape;
        let parts = self.shape.parts_of(part_rows);
        let mut values = Vec::new();
        for part in 0..parts {
            let count = part_rows.min(rows - part * part_rows) as f32;
            values.extend(vec![count; channels]);
            values.extend(draw.normal_about([channels], self.mean, 0.1).floats());
            let of_one = |m2: f32| if count > 1.0 { m2 * count } else { 0.0 };
            values.extend(draw.uniform([channels], 0.5, 2.0).map(of_one).floats());
        }
        Input::new([parts, 3, channels], values)
    }

    fn run_finalise(&self, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let running = Running { mean: inputs[0].clone(), var: inputs[1].clone() };
        let (gamma, beta) = (&inputs[2], &inputs[3]);
        let (factors, new) = match inputs.get(4) {
            None => (norm::finalise_running(&running, gamma, beta, &OPTIONS)?, None),
            Some(partials) => {
                let (factors, new) =
                    norm::finalise_batch(&self.shape, partials, &running, gamma, beta, &OPTIONS)?;
                (factors, Some(new))
            }
        };
        let mut outputs = vec![
            Output::new("mean", &factors.mean)?,
            Output::new("inv_std", &factors.inv_std)?,
            Output::new("scale", &factors.scale)?,
            Output::new("shift", &factors.shift)?,
        ];
        if let Some(new) = new {
            outputs.push(Output::new("new mean", &new.mean)?);
            outputs.push(Output::new("new variance", &new.var)?);
        }
        Ok(outputs)
    }

    fn run_backward_apply(
        &self,
        batch: bool,
        relu: bool,
        inputs: &[Tensor],
    ) -> Result<Vec<Output>> {
        let factors = backward_factors(inputs);
        let backward = backward(inputs, relu, &factors);
        let (gamma, base) = (&inputs[5], &inputs[7]);
        let sums = batch.then_some(&inputs[6]);
        let apply = |of_input: Option<Destination>, of_addend: Option<Destination>| {
            norm::backward_apply_into(&backward, gamma, sums, of_input, of_addend)
        };
        let mut outputs = write_and_accumulate(base, |target| apply(Some(target), None))?.to_vec();
        outputs.extend(write_and_accumulate(base, |target| apply(None, Some(target)))?);
        let mut of_addend = base.duplicate()?;
        let of_input = written(base, |target| {
            apply(Some(target), Some(Destination::accumulate(of_addend.as_slice_mut())))
        })?;
        outputs.push(Output::new("input's of both", &of_input)?);
        outputs.push(Output::new("addend's of both", &of_addend)?);
        Ok(outputs)
    }
}

/// The inputs of both backward parts begin with output gradient, output, input, mean, inv_std.
fn backward<'a>(inputs: &'a [Tensor], relu: bool, factors: &'a Factors) -> Backward<'a> {
    let relu_output = relu.then_some(&inputs[1]);
    // The output is drawn by itself, as if much had been added.
    let (output_gradient, input) = (&inputs[0], &inputs[2]);
    Backward { output_gradient, relu_output, has_addend: true, input, factors }
}

fn backward_factors(inputs: &[Tensor]) -> Factors {
    let (mean, inv_std) = (inputs[3].clone(), inputs[4].clone());
    Factors { mean: mean.clone(), inv_std: inv_std.clone(), scale: inv_std, shift: mean }
}

impl Case for NormCase {
    fn name(&self) -> String {
        let NormCase { shape, mean, part, role } = self;
        format!("norm of {role:?} {shape:?} about {mean} {part:?}")
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let NormShape { rows, channels } = self.shape;
        let (matrix, vector) = ([rows, channels], [channels]);
        let input = draw.normal_about(matrix, self.mean, self.spread()).role(self.role);
        match self.part {
            Part::Statistics => vec![input],
            Part::FinaliseBatch { .. } | Part::FinaliseRunning => {
                let running = [draw.normal(vector), draw.uniform(vector, 0.1, 3.0)];
                let [gamma, beta] = [draw.normal(vector), draw.normal(vector)];
                let mut inputs = Vec::from(running);
                inputs.extend([gamma, beta]);
                if let Part::FinaliseBatch { part_rows } = self.part {
                    let part_rows = part_rows.unwrap_or(self.shape.part_rows());
                    inputs.push(self.partials(draw, part_rows));
                }
                inputs
            }
            Part::Apply { not_a_number, .. } => {
                let scale = draw.uniform(vector, 0.5, 2.0);
                let shifts = scale.floats().iter().map(|scale| -self.mean * scale).collect();
                let shift = Input::new(vector, shifts);
                let hole =
                    |x: f32, mean: f32| if not_a_number && x > mean + 1.0 { f32::NAN } else { x };
                let addend = draw.normal(matrix).map(|x| hole(x, 0.0)).role(self.role);
                vec![input.map(|x| hole(x, self.mean)), scale, shift, addend]
            }
            Part::BackwardReduce { .. } | Part::BackwardApply { .. } => {
                let output = draw.normal(matrix).map(|x| x.max(0.0)).role(self.role);
                let mean = draw.normal_about(vector, self.mean, 0.1);
                let gradient = draw.normal(matrix).role(self.role);
                let mut inputs = vec![gradient, output, input, mean];
                inputs.extend([draw.uniform(vector, 0.5, 2.0), draw.normal(vector)]);
                inputs.extend([draw.normal([2, channels]).map(|x| x * rows as f32)]);
                inputs.push(draw.normal(matrix).role(self.role));
                inputs
            }
        }
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        match self.part {
            Part::Statistics => Ok(vec![Output::new("partials", &norm::statistics(&inputs[0])?)?]),
            Part::FinaliseBatch { .. } | Part::FinaliseRunning => self.run_finalise(inputs),
            Part::Apply { addend, relu, .. } => {
                let (scale, shift) = (inputs[1].clone(), inputs[2].clone());
                let factors = Factors { mean: shift.clone(), inv_std: scale.clone(), scale, shift };
                let addend = addend.then_some(&inputs[3]);
                let output = norm::apply(&inputs[0], &factors, addend, relu)?;
                Ok(vec![Output::new("output", &output)?])
            }
            Part::BackwardReduce { relu } => {
                let factors = backward_factors(inputs);
                let sums = norm::backward_reduce(&backward(inputs, relu, &factors))?;
                Ok(vec![Output::new("sums", &sums)?])
            }
            Part::BackwardApply { batch, relu } => self.run_backward_apply(batch, relu, inputs),
        }
    }

    fn bounds(&self) -> Bounds {
        // `x * scale + shift` is a difference of numbers as large as the mean.
        let cancelled =
            if let Part::Apply { .. } = self.part { self.mean.abs().into() } else { 0.0 };
        Bounds { norm: Bounds::DEFAULT.norm + cancelled, ..Bounds::DEFAULT }
    }

    fn magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        match self.part {
            Part::Statistics => Ok(vec![self.statistics_magnitudes(inputs, &expected[0])]),
            Part::FinaliseBatch { .. } | Part::FinaliseRunning => {
                self.finalise_magnitudes(inputs, expected)
            }
            Part::Apply { .. } => magnitudes_by_reference(self, &absolute_inputs(inputs)),
            Part::BackwardReduce { .. } | Part::BackwardApply { .. } => {
                magnitudes_by_reference(self, &self.backward_magnitude_inputs(inputs))
            }
        }
    }
}

impl NormCase {
    /// Means as sums of |x|. M2 has a rounding of the mean in it: `rows (epsilon mean)^2`.
    fn statistics_magnitudes(&self, inputs: &[Input], expected: &Output) -> Vec<f64> {
        let channels = self.shape.channels;
        let mut magnitudes = super::absolute(&expected.values);
        let parts = inputs[0].floats().chunks(self.shape.part_rows() * channels);
        for (part, magnitudes) in parts.zip(magnitudes.chunks_mut(3 * channels)) {
            for c in 0..channels {
                let column = || part.iter().skip(c).step_by(channels).map(|&x| f64::from(x.abs()));
                magnitudes[channels + c] = column().sum::<f64>() / column().count() as f64;
                let squares: f64 = column().map(|x| x * x).sum();
                // One row has no distance from its mean at all.
                let rounding = if column().count() == 1 { 0.0 } else { f64::from(f32::EPSILON) };
                magnitudes[2 * channels + c] += rounding * squares;
            }
        }
        magnitudes
    }

    fn finalise_magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        let mut magnitudes: Vec<_> =
            expected.iter().map(|output| super::absolute(&output.values)).collect();
        let of_sums = magnitudes_by_reference(self, &absolute_inputs(inputs))?;
        for index in [0, 4].into_iter().filter(|&index| index < expected.len()) {
            magnitudes[index].clone_from(&of_sums[index]);
        }
        for c in 0..self.shape.channels {
            let beta = f64::from(inputs[3].floats()[c].abs());
            magnitudes[3][c] = beta + magnitudes[0][c] * magnitudes[2][c];
        }
        Ok(magnitudes)
    }

    /// Inputs for which every summand is positive: `|x - mean|` about a mean of 0, and sums that
    /// are subtracted are negative.
    fn backward_magnitude_inputs(&self, inputs: &[Input]) -> Vec<Input> {
        let mut magnitudes = absolute_inputs(inputs);
        let means = inputs[3].floats();
        let distances = inputs[2].floats().iter().enumerate();
        let distances = distances.map(|(i, x)| (x - means[i % means.len()]).abs()).collect();
        magnitudes[1] = inputs[1].map(|_| 1.0);
        magnitudes[2] = Input::new(inputs[2].shape, distances).role(self.role);
        magnitudes[3] = inputs[3].map(|_| 0.0);
        magnitudes[6] = inputs[6].map(|x| -x.abs());
        magnitudes
    }
}

/// The whole normalisation, with all options.
pub fn differentiable() -> Vec<Box<dyn Differentiable>> {
    let mut functions: Vec<Box<dyn Differentiable>> = Vec::new();
    for &(shape, mean) in SHAPES.iter().filter(|(shape, _)| shape.len() < 10_000) {
        for (batch, addend, relu) in
            [(true, false, false), (true, false, true), (true, true, true), (false, true, true)]
        {
            functions.push(Box::new(Whole { shape, mean, batch, addend, relu }));
        }
    }
    functions
}

struct Whole {
    shape: NormShape,
    mean: f32,
    batch: bool,
    addend: bool,
    relu: bool,
}

impl Whole {
    fn factors(&self, inputs: &[Tensor]) -> Result<Factors> {
        let (gamma, beta) = (&inputs[1], &inputs[2]);
        // As large as the variance of the data, lest two rows have hardly any gradient.
        let options = NormOptions { epsilon: 1.0, ..OPTIONS };
        let running = Running { mean: inputs[4].clone(), var: inputs[5].clone() };
        if self.batch {
            let partials = norm::statistics(&inputs[0])?;
            Ok(norm::finalise_batch(&self.shape, &partials, &running, gamma, beta, &options)?.0)
        } else {
            norm::finalise_running(&running, gamma, beta, &options)
        }
    }

    fn apply(&self, inputs: &[Tensor], factors: &Factors) -> Result<Tensor> {
        norm::apply(&inputs[0], factors, self.addend.then_some(&inputs[3]), self.relu)
    }
}

impl Differentiable for Whole {
    fn name(&self) -> String {
        let Whole { shape, mean, batch, addend, relu } = self;
        format!("norm {shape:?} about {mean} batch={batch} addend={addend} relu={relu}")
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let NormShape { rows, channels } = self.shape;
        let (matrix, vector) = ([rows, channels], [channels]);
        let input = draw.normal_about(matrix, self.mean, 1.0);
        let [gamma, beta] = [draw.normal(vector), draw.normal(vector)];
        let running = [draw.normal_about(vector, self.mean, 1.0), draw.uniform(vector, 0.5, 2.0)];
        let mut inputs = vec![input, gamma, beta, draw.normal(matrix)];
        inputs.extend(running);
        inputs
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        self.apply(inputs, &self.factors(inputs)?)
    }

    fn backward(&self, inputs: &[Tensor], output_gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let factors = self.factors(inputs)?;
        let output = self.apply(inputs, &factors)?;
        let relu_output = self.relu.then_some(&output);
        let (input, factors) = (&inputs[0], &factors);
        let has_addend = self.addend;
        let backward = Backward { output_gradient, relu_output, has_addend, input, factors };
        let sums = norm::backward_reduce(&backward)?;
        let mut of_addend = Tensor::uninitialised(input.device(), input.shape(), input.dtype())?;
        let of_input = written(input, |target| {
            let addend = Some(Destination::write(of_addend.as_slice_mut()));
            let used = self.batch.then_some(&sums);
            norm::backward_apply_into(&backward, &inputs[1], used, Some(target), addend)
        })?;
        let vector = |row: usize| sums.rows(row..row + 1)?.reshape([self.shape.channels]);
        let of_addend = self.addend.then_some(of_addend);
        Ok(vec![Some(of_input), Some(vector(1)?), Some(vector(0)?), of_addend, None, None])
    }
}
