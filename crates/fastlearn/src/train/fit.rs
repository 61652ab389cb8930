//! The training loop, on one page.

use std::time::Instant;

use super::event::{Control, Event, Listeners, tell};
use super::history::BatchRecord;
use super::memory_full::retrying;
use super::plan::FitPlan;
use super::state::TrainState;
use super::stepper::{Begun, Stepper};
use super::task::Task;
use super::validation::validated_row;
use crate::{Error, Result};

/// Begins a fit, or says what it did if it was finished before the learner was resumed: then it is `false`,
/// and nothing is to be done.
pub(crate) fn begin(
    state: &mut TrainState,
    plan: &FitPlan,
    listeners: &mut Listeners,
) -> Result<bool> {
    if let Some(done) = state.begin_fit(plan)? {
        let _ = tell(listeners, Event::FitPassedOver { done: &done }, state)?;
        return Ok(false);
    }
    Ok(true)
}

/// Trains for all epochs of a plan that the state has begun; every epoch ends with validation and a row.
///
/// If the loss stops being a number, the weights of the last finished cycle (of the beginning, in
/// the first cycle) are brought back and [`Error::Diverged`] says so.
pub(crate) fn fit(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    listeners: &mut Listeners,
) -> Result<()> {
    let fitted = fit_epochs(task, state, plan, listeners);
    state.leave_fit();
    fitted
}

/// The loop over epochs, from where the fit stands.
fn fit_epochs(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    listeners: &mut Listeners,
) -> Result<()> {
    let batches = task.train_batches(state.epochs_begun, 0)?.len();
    let (epochs, label) = (plan.schedule.epochs(), plan.schedule.label());
    let done = state.history.epochs.get(state.fit.first_row..).unwrap_or_default().to_vec();
    let begins = Event::FitBegins { epochs, batches, schedule: &label, done: &done };
    let _ = tell(listeners, begins, state)?;
    let mut stepper = Stepper::default();
    for epoch in state.fit.epochs_done..epochs {
        state.epoch = epoch;
        let start = Instant::now();
        let trained = train_epoch(task, state, plan, batches, &mut stepper, listeners);
        let validated =
            trained.and_then(|control| Ok((control, validated_row(task, state, plan, start)?)));
        let (control, row) = match validated {
            Err(error @ Error::Diverged { .. }) => return Err(rolled_back(state, error)?),
            // The training part of the epoch is whole: a checkpoint goes on with its validation.
            Err(Error::Interrupted) if state.fit.batches_done == Some(batches) => {
                let _ = tell(listeners, Event::Settled, state)?;
                return Err(Error::Interrupted);
            }
            other => other?,
        };
        let (cycle, is_cycle_end) = (row.cycle, plan.schedule.is_cycle_end(epoch));
        if is_cycle_end && epoch + 1 < epochs {
            // The old one makes room for the new one.
            state.kept = None;
            state.kept = Some(state.store.snapshot()?);
        }
        state.history.epochs.push(row.clone());
        (state.fit.epochs_done, state.fit.batches_done) = (epoch + 1, None);
        let answer = tell(listeners, Event::EpochEnds { row: &row }, state)?;
        if is_cycle_end {
            let _ = tell(listeners, Event::CycleEnds { cycle }, state)?;
        }
        if control.max(answer) == Control::Stop || epoch + 1 == epochs {
            break;
        }
        let _ = tell(listeners, Event::Settled, state)?;
    }
    state.end_fit();
    let _ = tell(listeners, Event::FitEnds, state)?;
    let _ = tell(listeners, Event::Settled, state)?;
    Ok(())
}

/// Trains on what is left of the epoch.
fn train_epoch(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    batches: usize,
    stepper: &mut Stepper,
    listeners: &mut Listeners,
) -> Result<Control> {
    let (draw, first) = match state.fit.batches_done {
        Some(done) => (state.epochs_begun - 1, done),
        None => (state.epochs_begun, 0),
    };
    let mut inputs = task.train_batches(draw, first)?;
    state.epochs_begun = draw + 1;
    let mut control = Control::Continue;
    for batch in first.. {
        let waiting = Instant::now();
        let Some(input) = inputs.next() else { break };
        let (input, waited) = (input?, waiting.elapsed().as_secs_f64());
        state.batch = batch;
        let pictures = input.len();
        match tell(listeners, Event::BatchBegins { batch, pictures }, state)? {
            Control::SkipBatch => continue,
            Control::Stop => {
                control = Control::Stop;
                break;
            }
            _ => {}
        }
        let settings = plan.schedule.at(state.epoch * batches + batch, batches);
        let step = plan.step_settings(settings);
        let rate = step.groups.last().map_or(0.0, |group| group.rate);
        let begun = Begun { batch, pictures, rate, momentum: settings.momentum, waited };
        let ended = retrying(state, pictures, listeners, |state| {
            stepper.step(task, state, &input, &step, &plan.options, begun)
        })?;
        control = batches_end(state, ended, listeners)?;
        if control == Control::Settle || state.interruption.is_requested() {
            control = settle(stepper, state, batch + 1, listeners)?;
        }
        if control == Control::Stop {
            break;
        }
    }
    let last = stepper.drain()?;
    control = control.max(batches_end(state, last, listeners)?);
    state.fit.batches_done = Some(batches);
    Ok(control)
}

/// Records batches whose losses are there and tells of them.
fn batches_end(
    state: &mut TrainState,
    ended: Vec<(Begun, f32)>,
    listeners: &mut Listeners,
) -> Result<Control> {
    let mut control = Control::Continue;
    for (begun, loss) in ended {
        let Begun { batch, pictures, rate, momentum, waited } = begun;
        if !loss.is_finite() {
            return Err(Error::Diverged { epoch: state.epoch, batch, rate });
        }
        let smoothed = state.fit.smoothed.push(f64::from(loss)) as f32;
        state.history.batches.push(BatchRecord { loss, rate, momentum });
        let event = Event::BatchEnds { batch, pictures, loss, smoothed, rate, waited };
        control = control.max(tell(listeners, event, state)?);
    }
    Ok(control)
}

/// Brings the steps under way to their end: so many batches of the epoch are done, and all is told.
fn settle(
    stepper: &mut Stepper,
    state: &mut TrainState,
    done: usize,
    listeners: &mut Listeners,
) -> Result<Control> {
    let ended = stepper.drain()?;
    let control = batches_end(state, ended, listeners)?;
    state.fit.batches_done = Some(done);
    let _ = tell(listeners, Event::Settled, state)?;
    state.interruption.check()?;
    Ok(control)
}

/// Brings the weights of the last finished cycle back.
fn rolled_back(state: &mut TrainState, error: Error) -> Result<Error> {
    if let Some(kept) = state.kept.take() {
        state.store.restore(&kept)?;
    }
    Ok(error)
}
