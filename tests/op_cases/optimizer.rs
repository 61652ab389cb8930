//! Optimiser steps on a flat buffer of which some ranges are frozen: their gradients are
//! not-a-number, so that whoever reads them is seen.

use std::ops::Range;

use tensor_core::backend::Plan;
use tensor_core::ops::optimizer::{AdamStep, Decay, Segment, SgdStep};
use tensor_core::ops::optimizer::{adam_step, commit, gradient_scale, sgd_step};
use tensor_core::{Device, Result, Tensor};

use super::input::{Draw, Input, absolute_inputs};
use super::{Case, Output, absolute, magnitudes_by_reference};

/// What is done to the buffers.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// A step of stochastic gradient descent, and the factor on its gradients.
    Sgd(SgdStep, f32),
    /// A step of Adam, and the factor on its gradients.
    Adam(AdamStep, f32),
    /// The factor and the norm of the gradients for a limit, and a commit if the step is taken.
    Scale(f32),
}

const fn sgd(momentum: f32, decay: Decay, factor: f32) -> Rule {
    Rule::Sgd(SgdStep { momentum, decay, clip_norm: None }, factor)
}

const fn adam(step: u64, decay: Decay, factor: f32) -> Rule {
    let (beta1, beta2, epsilon) = (0.9, 0.99, 1e-8);
    Rule::Adam(AdamStep { beta1, beta2, epsilon, step, decay, clip_norm: None }, factor)
}

/// Rules with and without clipping, early and late, and steps that are not taken.
pub const RULES: &[Rule] = &[
    sgd(0.0, Decay::L2, 1.0),
    sgd(0.9, Decay::L2, 0.3),
    sgd(0.9, Decay::Decoupled, 1.0),
    sgd(0.9, Decay::L2, f32::NAN),
    adam(1, Decay::L2, 1.0),
    adam(2, Decay::Decoupled, 0.1),
    adam(100_000, Decay::L2, 1.0),
    adam(2, Decay::L2, f32::NAN),
    Rule::Scale(f32::INFINITY),
    Rule::Scale(1e-3),
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

    fn run(&self, device: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let ranges: Vec<_> = self.segments.iter().map(|segment| segment.range.clone()).collect();
        let gradients = &inputs[0];
        let (mut values, mut state) = (inputs[1].duplicate()?, inputs[2].duplicate()?);
        let mut twin = inputs[4].duplicate()?;
        let has_twin = twin.dtype() != values.dtype();
        let given = has_twin.then_some(&mut twin);
        match &self.rule {
            Rule::Sgd(step, factor) => {
                let numbers = numbers(device, &step.numbers(&self.segments))?;
                let scale = Tensor::from_f32(device, [2], &[*factor, 1.0])?;
                let (numbers, scale) = (&numbers, &scale);
                sgd_step(&ranges, numbers, scale, gradients, &mut values, given, &mut state)?;
                Ok(vec![
                    Output::new("values", &values)?,
                    Output::new("twin", if has_twin { &twin } else { &values })?,
                    Output::new("velocity", &state)?,
                ])
            }
            Rule::Adam(step, factor) => {
                let numbers = numbers(device, &step.numbers(&self.segments))?;
                let scale = Tensor::from_f32(device, [2], &[*factor, 1.0])?;
                let (numbers, scale, mean) = (&numbers, &scale, &mut state);
                let mut square = inputs[3].duplicate()?;
                let moments = (mean, &mut square);
                adam_step(
                    &ranges,
                    numbers,
                    scale,
                    gradients,
                    &mut values,
                    given,
                    moments.0,
                    moments.1,
                )?;
                Ok(vec![
                    Output::new("values", &values)?,
                    Output::new("twin", if has_twin { &twin } else { &values })?,
                    Output::new("mean", &state)?,
                    Output::new("mean square", &square)?,
                ])
            }
            Rule::Scale(limit) => self.run_scale(device, &ranges, *limit, inputs),
        }
    }

    fn magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        // With negative rates everything is added that was subtracted.
        let grow = |segment: &Segment| Segment { rate: -segment.rate, ..segment.clone() };
        let segments = self.segments.iter().map(grow).collect();
        let growing = Step { segments, ..*self };
        let mut magnitudes = magnitudes_by_reference(&growing, &absolute_inputs(inputs))?;
        if let Rule::Adam(step, factor) = &self.rule
            && !factor.is_nan()
        {
            let of_values = self.adam_magnitudes(step, inputs, &magnitudes[2], &expected[3].values);
            magnitudes[0].clone_from(&of_values);
            magnitudes[1] = of_values;
        }
        Ok(magnitudes)
    }
}

/// The numbers of a step on the device.
fn numbers(device: &Device, numbers: &[f32]) -> Result<Tensor> {
    Tensor::from_f32(device, [numbers.len()], numbers)
}

impl Step {
    /// Of the trainable ranges, and of everything: there frozen gradients are not-a-number, so that
    /// nothing is committed.
    fn run_scale(
        &self,
        device: &Device,
        ranges: &[Range<usize>],
        limit: f32,
        inputs: &[Tensor],
    ) -> Result<Vec<Output>> {
        let everything = 0..self.length;
        let mut outputs = Vec::new();
        for ranges in [ranges, std::slice::from_ref(&everything)] {
            let step = SgdStep { momentum: 0.0, decay: Decay::L2, clip_norm: Some(limit) };
            let segment = |range: &Range<usize>| Segment {
                range: range.clone(),
                rate: 0.0,
                weight_decay: 0.0,
            };
            let segments: Vec<Segment> = ranges.iter().map(segment).collect();
            let numbers = numbers(device, &step.numbers(&segments))?;
            let scale = gradient_scale(ranges, &numbers, &inputs[0])?;
            let factor = Output::new("factor", &scale.rows(0..1)?)?;
            // The norm of gradients that are not finite is any such number.
            if !factor.values[0].is_nan() {
                outputs.push(Output::new("norm", &scale.rows(1..2)?)?);
            }
            let (mut target, from) = (inputs[1].duplicate()?, inputs[2].rows(0..1)?);
            commit(&scale, &from, &mut target, self.length - 1)?;
            outputs.extend([factor, Output::new("committed", &target)?]);
        }
        Ok(outputs)
    }

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
