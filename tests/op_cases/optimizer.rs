//! Optimiser steps on a flat buffer of which some ranges are frozen: their gradients are
//! not-a-number, so that whoever reads them is seen.

use tensor_core::backend::Plan;
use tensor_core::ops::optimizer::{AdamStep, Decay, Segment, SgdStep};
use tensor_core::ops::optimizer::{adam_step, sgd_step, sum_of_squares};
use tensor_core::{DType, Device, Result, Tensor};

use super::format::Rounding;
use super::input::{Draw, Input, absolute_inputs};
use super::{Case, Output, absolute, magnitudes_by_reference};

/// What is done to the buffers.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// A step of stochastic gradient descent.
    Sgd(SgdStep),
    /// A step of Adam.
    Adam(AdamStep),
    /// The sum of squares of the gradients.
    SumOfSquares,
}

const fn sgd(momentum: f32, decay: Decay, gradient_scale: f32) -> Rule {
    Rule::Sgd(SgdStep { momentum, decay, gradient_scale })
}

const fn adam(step: u64, decay: Decay, gradient_scale: f32) -> Rule {
    let (beta1, beta2, epsilon) = (0.9, 0.99, 1e-8);
    Rule::Adam(AdamStep { beta1, beta2, epsilon, step, decay, gradient_scale })
}

/// Rules with and without clipping, early and late.
pub const RULES: &[Rule] = &[
    sgd(0.0, Decay::L2, 1.0),
    sgd(0.9, Decay::L2, 0.3),
    sgd(0.9, Decay::Decoupled, 1.0),
    adam(1, Decay::L2, 1.0),
    adam(2, Decay::Decoupled, 0.1),
    adam(100_000, Decay::L2, 1.0),
    Rule::SumOfSquares,
];

const fn segment(start: usize, end: usize, rate: f32, weight_decay: f32) -> Segment {
    Segment { range: start..end, rate, weight_decay }
}

/// Length of a buffer and its trainable segments.
pub const BUFFERS: &[(usize, &[Segment])] = &[
    (1, &[segment(0, 1, 0.1, 0.0)]),
    (70, &[segment(3, 20, 0.1, 0.01), segment(20, 21, 1.0, 0.0), segment(64, 70, 0.01, 0.5)]),
    (256, &[]),
    (100_003, &[segment(64, 50_001, 1e-3, 1e-4), segment(70_016, 100_003, 0.5, 0.1)]),
];

/// All rules on all buffers.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for (length, segments) in BUFFERS {
        for &rule in RULES {
            cases.push(Box::new(Step { length: *length, segments: segments.to_vec(), rule }));
        }
    }
    cases
}

struct Step {
    length: usize,
    segments: Vec<Segment>,
    rule: Rule,
}

impl Case for Step {
    fn name(&self) -> String {
        format!("optimizer {:?} on [{}] in {:?}", self.rule, self.length, self.segments)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let drawn = draw.normal([self.length]);
        let mut gradients = vec![f32::NAN; self.length];
        for Segment { range, .. } in &self.segments {
            gradients[range.clone()].copy_from_slice(&drawn.floats()[range.clone()]);
        }
        let (values, state) = (draw.normal([self.length]), draw.normal([self.length]));
        let mean_square = draw.uniform([self.length], 0.1, 2.0);
        let twin = values.clone().activation();
        vec![Input::new([self.length], gradients), values, state, mean_square, twin]
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let (gradients, segments) = (&inputs[0], &self.segments);
        let (mut values, mut state) = (inputs[1].duplicate()?, inputs[2].duplicate()?);
        let mut twin = inputs[4].duplicate()?;
        let has_twin = twin.dtype() != values.dtype();
        match &self.rule {
            Rule::Sgd(step) => {
                let given = has_twin.then_some(&mut twin);
                sgd_step(step, segments, gradients, &mut values, given, &mut state)?;
                Ok(vec![
                    Output::new("values", &values)?,
                    Output::new("twin", if has_twin { &twin } else { &values })?,
                    Output::new("velocity", &state)?,
                ])
            }
            Rule::Adam(step) => {
                let mut squares = inputs[3].duplicate()?;
                let given = has_twin.then_some(&mut twin);
                adam_step(step, segments, gradients, &mut values, given, &mut state, &mut squares)?;
                Ok(vec![
                    Output::new("values", &values)?,
                    Output::new("twin", if has_twin { &twin } else { &values })?,
                    Output::new("mean", &state)?,
                    Output::new("mean square", &squares)?,
                ])
            }
            Rule::SumOfSquares => {
                let ranges: Vec<_> = segments.iter().map(|segment| segment.range.clone()).collect();
                let sum = sum_of_squares(&ranges, gradients)?;
                let everything = 0..self.length;
                let with_frozen = sum_of_squares(std::slice::from_ref(&everything), gradients)?;
                let values =
                    vec![sum, if with_frozen.is_finite() { with_frozen } else { f64::NAN }];
                let rounding = Rounding::Last(DType::F32);
                Ok(vec![Output { name: "sums", values, rounding }])
            }
        }
    }

    fn magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        // With negative rates everything is added that was subtracted.
        let grow = |segment: &Segment| Segment { rate: -segment.rate, ..segment.clone() };
        let segments = self.segments.iter().map(grow).collect();
        let growing = Step { segments, ..*self };
        let mut magnitudes = magnitudes_by_reference(&growing, &absolute_inputs(inputs))?;
        if let Rule::Adam(step) = &self.rule {
            let of_values = self.adam_magnitudes(step, inputs, &magnitudes[2], &expected[3].values);
            magnitudes[0].clone_from(&of_values);
            magnitudes[1] = of_values;
        }
        Ok(magnitudes)
    }
}

impl Step {
    /// What Adam adds to a value: the magnitude of the mean over the root of the true mean square.
    fn adam_magnitudes(
        &self,
        step: &AdamStep,
        inputs: &[Input],
        means: &[f64],
        squares: &[f64],
    ) -> Vec<f64> {
        let correction = |beta: f32| 1.0 - f64::from(beta).powf(step.step as f64);
        let values = inputs[1].floats().iter().map(|&value| f64::from(value));
        let mut magnitudes = absolute(&values.collect::<Vec<_>>());
        for Segment { range, rate, .. } in &self.segments {
            for i in range.clone() {
                let root = (squares[i] / correction(step.beta2)).sqrt();
                magnitudes[i] += f64::from(*rate) * means[i] / correction(step.beta1) / root;
            }
        }
        magnitudes
    }
}
