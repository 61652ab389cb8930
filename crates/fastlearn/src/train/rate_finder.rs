//! The rate finder: a mock fit with a rising rate that leaves no trace.

use autograd::optimizer::Optimizer;

use super::fit::{FitPlan, train_step};
use super::state::TrainState;
use super::task::Task;
use crate::schedule::{FinderCurve, Ramp, Settings};
use crate::{Error, Result};

/// Runs the ramp over the training data, as often around as needed, and brings everything back:
/// parameters, statistics, optimiser and random state are afterwards what they were before, whether
/// it succeeds or not. The mock fit has its own `optimizer`; `plan.rates` gives the ratios of the
/// layer groups to the last.
pub(crate) fn find(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    ramp: &Ramp,
    group: &str,
    optimizer: Box<dyn Optimizer>,
) -> Result<FinderCurve> {
    ramp.validate()?;
    let kept = state.store.snapshot()?;
    let steps = state.steps;
    let optimizer = std::mem::replace(&mut state.optimizer, optimizer);
    let found = run(task, state, plan, ramp, group);
    state.optimizer = optimizer;
    state.steps = steps;
    state.store.restore(&kept)?;
    found
}

fn run(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    ramp: &Ramp,
    group: &str,
) -> Result<FinderCurve> {
    let last = plan.rates.last().copied().unwrap_or(1.0);
    let mut curve = FinderCurve::new(group);
    let mut epoch = state.epochs_begun;
    let mut inputs = task.train_batches(epoch)?;
    if inputs.len() == 0 {
        return Err(Error::setting("the training set", "empty", "there must be pictures"));
    }
    for step in 0..ramp.steps {
        let input = match inputs.next() {
            Some(input) => input?,
            None => {
                epoch += 1;
                inputs = task.train_batches(epoch)?;
                let Some(input) = inputs.next() else { break };
                input?
            }
        };
        let rate = ramp.rate(step);
        let settings = Settings { factor: rate / last, momentum: None };
        let loss =
            train_step(task, state, input, &plan.step_settings(settings), plan.freeze_norms)?;
        if curve.push(rate, loss).is_break() {
            break;
        }
    }
    Ok(curve)
}
