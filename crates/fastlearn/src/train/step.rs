//! One training step, run as it is given.

use autograd::functions::{self, NormMode};
use autograd::optimizer::{Outcome, StepSettings};
use autograd::{Tape, Var};
use models::{Pass, PassMode};
use tensor_core::Tensor;
use tensor_core::ops::loss::Target;

use super::soften::Softening;
use super::state::TrainState;
use super::target::{TargetValues, loss_of};
use super::task::Task;
use crate::Result;
use crate::input::Input;

/// What a fit asks of each of its steps, besides rates.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct StepOptions {
    /// Batch norms use running statistics even in groups that train.
    pub freeze_norms: bool,
    /// What its targets are softened by.
    pub softening: Softening,
}

/// Forward, loss, backward, step. Returns the batch's mean loss; a step whose loss or gradients are
/// not finite is not taken, and its loss is not finite.
pub(crate) fn train_step(
    task: &impl Task,
    state: &mut TrainState,
    input: Input,
    settings: &StepSettings,
    options: &StepOptions,
) -> Result<f32> {
    state.steps += 1;
    // A step that failed halfway left gradients that this one must not add to.
    state.store.clear_gradients();
    let device = state.store.device().clone();
    let target = TargetValues::of(&input, task.classes())?.to_device(&device)?;
    let pass = Pass::new(&state.store, pass_mode(state, options));
    let (tape, loss) = forward(task, pass, input.tensor, &target)?;
    let value = loss.value().item()?;
    if !value.is_finite() {
        return Ok(value);
    }
    tape.backward(&loss, &mut state.store)?;
    Ok(match state.optimizer.step(&mut state.store, settings)? {
        Outcome::Stepped => value,
        Outcome::NotFinite => f32::NAN,
    })
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

pub(super) fn pass_mode(state: &TrainState, options: &StepOptions) -> PassMode {
    if options.freeze_norms {
        let norms = vec![NormMode::Running; state.store.statistics().len()];
        return PassMode::train(norms, state.seed, state.steps);
    }
    PassMode::train_groups(&state.store, state.seed, state.steps)
}
