//! Losses: classes and probabilities, logits of every size.

use tensor_core::backend::Plan;
use tensor_core::ops::loss::{self, Loss, Target};
use tensor_core::{DType, Device, Result, Tensor};

use super::gradient::Differentiable;
use super::input::{Draw, Input};
use super::view::View;
use super::{Case, Output, write_and_accumulate, written};

/// What the targets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// One class a sample.
    Classes,
    /// A probability a class.
    Probabilities,
}

/// A loss of `n` samples.
#[derive(Debug, Clone, Copy)]
pub struct LossCase {
    /// Which loss.
    pub loss: Loss,
    /// Its targets.
    pub target: TargetKind,
    /// Samples.
    pub n: usize,
    /// Classes.
    pub classes: usize,
    /// Standard deviation of the logits.
    pub spread: f32,
}

/// Samples, classes, and the standard deviation of the logits: at 1000 their exponentials overflow.
pub const SIZES: &[(usize, usize, f32)] = &[
    (1, 1, 1.0),
    (1, 2, 1.0),
    (5, 3, 10.0),
    (64, 2, 3.0),
    (7, 17, 0.01),
    (33, 65, 100.0),
    (16, 1000, 4.0),
    (3, 33, 1000.0),
    (2, 3001, 2.0),
];

const KINDS: [(Loss, TargetKind); 3] = [
    (Loss::CrossEntropy, TargetKind::Classes),
    (Loss::CrossEntropy, TargetKind::Probabilities),
    (Loss::BinaryCrossEntropy, TargetKind::Probabilities),
];

fn all() -> impl Iterator<Item = LossCase> {
    SIZES.iter().flat_map(|&(n, classes, spread)| {
        KINDS.map(|(loss, target)| LossCase { loss, target, n, classes, spread })
    })
}

/// All sizes, losses and targets, and some that begin in the middle of a buffer.
pub fn cases() -> Vec<Box<dyn Case>> {
    let views = all().filter(|case| case.classes == 17);
    let views = views.map(|case| Box::new(View(Box::new(case))) as Box<dyn Case>);
    all().map(|case| Box::new(case) as Box<dyn Case>).chain(views).collect()
}

/// All but the logits that saturate everything.
pub fn differentiable() -> Vec<Box<dyn Differentiable>> {
    let cases = all().filter(|case| case.spread <= 10.0);
    cases.map(|case| Box::new(case) as Box<dyn Differentiable>).collect()
}

impl LossCase {
    fn draw_target(&self, draw: &mut Draw) -> Input {
        let LossCase { n, classes, .. } = *self;
        if self.target == TargetKind::Classes {
            return draw.classes(n, classes);
        }
        let mut rows = draw.uniform([n, classes], 0.0, 1.0);
        if self.loss == Loss::CrossEntropy {
            let sums: Vec<f32> =
                rows.floats().chunks(classes).map(|row| row.iter().sum()).collect();
            let shares = rows.floats().iter().enumerate().map(|(i, x)| x / sums[i / classes]);
            rows = Input::new(rows.shape, shares.collect());
        }
        rows
    }
}

fn target(tensor: &Tensor) -> Target {
    match tensor.dtype() {
        DType::I32 => Target::Classes(tensor.clone()),
        _ => Target::Probabilities(tensor.clone()),
    }
}

impl Case for LossCase {
    fn name(&self) -> String {
        let LossCase { loss, target, n, classes, spread } = self;
        format!("loss {loss:?} of {target:?} [n={n} c={classes}] spread {spread}")
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let dims = [self.n, self.classes];
        let logits = draw.normal_about(dims, 0.0, self.spread);
        vec![logits, self.draw_target(draw), draw.normal([self.n]), draw.normal(dims)]
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let (logits, target) = (&inputs[0], target(&inputs[1]));
        let losses = loss::loss(self.loss, logits, &target)?;
        let probabilities = loss::probabilities(self.loss, logits)?;
        let mut outputs = vec![
            Output::new("values", &losses.values)?,
            Output::new("log-probabilities", &losses.log_probabilities)?,
            Output::new("probabilities", &probabilities)?,
        ];
        outputs.extend(write_and_accumulate(&inputs[3], |destination| {
            let logs = &losses.log_probabilities;
            loss::loss_gradient_into(self.loss, logs, &target, &inputs[2], destination)
        })?);
        Ok(outputs)
    }

    /// A log-probability is a difference of numbers as large as the largest logit of its row; its
    /// error is the relative error of a probability.
    fn magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        let classes = self.classes;
        let rows = inputs[0].floats().chunks(classes);
        let largest: Vec<f64> =
            rows.map(|row| row.iter().fold(0.0_f64, |most, x| most.max(x.abs().into()))).collect();
        let per_element = |of: &dyn Fn(usize) -> f64| (0..self.n * classes).map(of).collect();
        let relative = |i: usize| 1.0 + largest[i / classes];
        let probability = |i: usize| expected[2].values[i] * relative(i);
        let share = match self.loss {
            Loss::CrossEntropy => 1.0,
            Loss::BinaryCrossEntropy => 1.0 / classes as f64,
        };
        // Targets are at most 1, and those that are 0 are subtracted exactly.
        let targets: Vec<f64> = match self.target {
            TargetKind::Classes => vec![1.0; self.n * classes],
            TargetKind::Probabilities => inputs[1].floats().iter().map(|&t| t.into()).collect(),
        };
        let slope = |i: usize| {
            let factor = f64::from(inputs[2].floats()[i / classes].abs()) * share;
            (probability(i) + targets[i]) * factor
        };
        let base = |i: usize| f64::from(inputs[3].floats()[i].abs());
        Ok(vec![
            largest.clone(),
            per_element(&|i| largest[i / classes]),
            per_element(&probability),
            per_element(&slope),
            per_element(&|i| slope(i) + base(i)),
        ])
    }
}

impl Differentiable for LossCase {
    fn name(&self) -> String {
        Case::name(self)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let logits = draw.normal_about([self.n, self.classes], 0.0, self.spread);
        vec![logits, self.draw_target(draw)]
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        Ok(loss::loss(self.loss, &inputs[0], &target(&inputs[1]))?.values)
    }

    fn backward(&self, inputs: &[Tensor], output_gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let target = target(&inputs[1]);
        let logs = loss::loss(self.loss, &inputs[0], &target)?.log_probabilities;
        let gradient = written(&inputs[0], |destination| {
            loss::loss_gradient_into(self.loss, &logs, &target, output_gradient, destination)
        })?;
        Ok(vec![Some(gradient), None])
    }
}
