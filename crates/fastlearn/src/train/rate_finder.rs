//! The rate finder: a mock fit with a rising rate that leaves no trace.

use super::event::Listeners;
use super::memory_full::retrying;
use super::optimizer_kind::OptimizerKind;
use super::plan::FitPlan;
use super::progress::Call;
use super::state::TrainState;
use super::step::train_step;
use super::task::Task;
use crate::schedule::{FinderCurve, Ramp, Settings};
use crate::{Error, Result};

/// Names of the layer groups, for the curve's axis.
const GROUP_NAMES: [&str; 3] = ["stem to layer2", "layer3 to layer4", "head"];

/// Runs the ramp over the training data, as often around as needed, and brings everything back:
/// parameters, statistics, optimiser and random state are afterwards what they were before, whether
/// it succeeds or not. `plan.rates` gives the ratios of the layer groups to the last one that trains,
/// whose rate is the curve's.
pub(crate) fn find(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    optimizer: OptimizerKind,
    ramp: &Ramp,
) -> Result<FinderCurve> {
    ramp.validate()?;
    let kept = state.store.snapshot()?;
    let steps = state.steps;
    let optimizer = std::mem::replace(&mut state.optimizer, optimizer.build());
    let found = run(task, state, plan, ramp);
    state.fit.parts = 1;
    state.optimizer = optimizer;
    state.steps = steps;
    state.store.restore(&kept)?;
    if let Ok(curve) = &found {
        state.journal.done.push(Call::Find { plan: in_words(plan, ramp), curve: curve.clone() });
    }
    found
}

/// What was found with the same plan before the learner was resumed.
pub(crate) fn found_before(
    state: &mut TrainState,
    plan: &FitPlan,
    ramp: &Ramp,
) -> Result<Option<FinderCurve>> {
    state.journal.find_again(&in_words(plan, ramp))
}

fn in_words(plan: &FitPlan, ramp: &Ramp) -> String {
    format!("rate finder {ramp:?}, {}", plan.in_words())
}

fn run(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    ramp: &Ramp,
) -> Result<FinderCurve> {
    let trains = state.store.trainable().iter().rposition(|&trains| trains);
    let axis = trains.unwrap_or(GROUP_NAMES.len() - 1);
    let last = plan.rates[axis];
    if last == 0.0 {
        let rule = "the finder needs it above 0: only its ratios to the others count";
        return Err(Error::setting("the rate of the last layer group that trains", last, rule));
    }
    let mut curve = FinderCurve::new(GROUP_NAMES[axis]);
    let mut epoch = state.epochs_begun;
    let mut inputs = task.train_batches(epoch, 0)?;
    if inputs.len() == 0 {
        return Err(Error::setting("the training set", "empty", "there must be pictures"));
    }
    for step in 0..ramp.steps {
        state.interruption.check()?;
        let input = match inputs.next() {
            Some(input) => input?,
            None => {
                epoch += 1;
                inputs = task.train_batches(epoch, 0)?;
                let Some(input) = inputs.next() else { break };
                input?
            }
        };
        let rate = ramp.rate(step);
        let settings = Settings { factor: rate / last, momentum: None };
        let settings = plan.step_settings(settings);
        let loss = retrying(state, input.len(), &mut Listeners::new(), |state| {
            train_step(task, state, &input, &settings, &plan.options)
        })?;
        if curve.push(rate, loss).is_break() {
            break;
        }
    }
    Ok(curve)
}
