//! One training step, run as it is given.

use std::ops::Range;

use autograd::functions::{self, NormMode};
use autograd::optimizer::{Outcome, StepSettings};
use autograd::{Tape, Var};
use models::{Pass, PassMode};
use tensor_core::Tensor;
use tensor_core::ops::loss::Target;
use tensor_core::random::Philox;

use super::state::TrainState;
use super::step_options::StepOptions;
use super::target::{TargetValues, loss_of};
use super::task::Task;
use crate::Result;
use crate::input::Input;

/// Forward, loss, backward, step. Returns the batch's mean loss; a step whose loss or gradients are
/// not finite is not taken, and its loss is not finite. A step that fails, say for want of memory, has
/// not begun.
pub(crate) fn train_step(
    task: &impl Task,
    state: &mut TrainState,
    input: &Input,
    settings: &StepSettings,
    options: &StepOptions,
) -> Result<f32> {
    state.steps += 1;
    // A step that failed halfway left gradients that this one must not add to.
    state.store.clear_gradients();
    let taken = try_step(task, state, input, settings, options);
    if taken.is_err() {
        state.steps -= 1;
        state.store.clear_gradients();
    }
    taken
}

/// The step in as many parts as the fit has come to need: each goes forward and backward by itself, and
/// its gradients, weighted by its share of the pictures, are added to those of the parts before.
fn try_step(
    task: &impl Task,
    state: &mut TrainState,
    input: &Input,
    settings: &StepSettings,
    options: &StepOptions,
) -> Result<f32> {
    let (pictures, ranges) = (input.len(), parts(input.len(), state.fit.parts));
    let share = |range: &Range<usize>| range.len() as f64 / pictures as f64;
    let mut mean = 0.0;
    for (number, range) in ranges.iter().enumerate() {
        let value = match ranges.len() {
            1 => learn(task, state, input, 1.0, options, 0)?,
            _ => learn(task, state, &input.part(range.clone())?, share(range), options, number)?,
        };
        if !value.is_finite() {
            return Ok(value);
        }
        mean += share(range) * f64::from(value);
    }
    if ranges.len() > 1 {
        let shares: Vec<f64> = ranges.iter().map(share).collect();
        state.store.average_held_statistics(&shares)?;
    }
    Ok(match state.optimizer.step(&mut state.store, settings)? {
        Outcome::Stepped => mean as f32,
        Outcome::NotFinite => f32::NAN,
    })
}

/// Adds the gradients of a part that is this share of its batch. Returns the part's mean loss; if that
/// is not finite, there are no gradients.
fn learn(
    task: &impl Task,
    state: &mut TrainState,
    input: &Input,
    share: f64,
    options: &StepOptions,
    part: usize,
) -> Result<f32> {
    let device = state.store.device().clone();
    let target = TargetValues::of(input, task.classes())?.to_device(&device)?;
    let pass = Pass::new(&state.store, pass_mode(state, options, part));
    let (tape, loss) = forward(task, pass, input.tensor.clone(), &target)?;
    let value = loss.value().item()?;
    if value.is_finite() {
        let gradient = Tensor::full(&device, [1], loss.value().dtype(), share as f32)?;
        tape.backward_to(&loss, gradient, &mut state.store, &[])?;
    }
    Ok(value)
}

/// `0..count` in so many parts, as even as can be.
fn parts(count: usize, parts: usize) -> Vec<Range<usize>> {
    let parts = parts.clamp(1, count.max(1));
    let bound = |part: usize| part * count / parts;
    (0..parts).map(|part| bound(part)..bound(part + 1)).collect()
}

/// The mean loss of a batch, and how it came about.
pub(super) fn forward(
    task: &impl Task,
    mut pass: Pass,
    input: Tensor,
    target: &Target,
) -> Result<(Tape, Var)> {
    let logits = task.logits(&mut pass, input)?;
    let mut tape = pass.tape;
    let losses = functions::loss(&mut tape, loss_of(task.label_kind()), &logits, target)?;
    drop(logits);
    let loss = functions::mean(&mut tape, &losses)?;
    Ok((tape, loss))
}

/// What batch norms and dropout do in this part of the step; each part has its own draws.
pub(super) fn pass_mode(state: &TrainState, options: &StepOptions, part: usize) -> PassMode {
    let seed = match part {
        0 => state.seed,
        part => Philox::new(state.seed).derive(part as u64).key(),
    };
    if options.freeze_norms {
        let norms = vec![NormMode::Running; state.store.statistics().len()];
        return PassMode::train(norms, seed, state.steps);
    }
    PassMode::train_groups(&state.store, seed, state.steps)
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_are_even_and_leave_nothing_out() {
        assert_eq!(parts(8, 1).first(), Some(&(0..8)));
        assert_eq!(parts(7, 2), [0..3, 3..7]);
        assert_eq!(parts(9, 4), [0..2, 2..4, 4..6, 6..9]);
        assert_eq!(parts(2, 5), [0..1, 1..2]);
    }
}
