//! The training loop, on one page.

use std::time::Instant;

use autograd::optimizer::{Decay, GroupSettings, StepSettings};
use models::Pass;

use super::event::{Control, Event, Listeners, tell};
use super::history::{BatchRecord, EpochRow};
use super::state::TrainState;
use super::step::StepOptions;
use super::stepper::{Begun, Stepper};
use super::task::Task;
use crate::data::LabelKind;
use crate::input::Input;
use crate::metrics::{LESSON_THRESHOLD, SmoothedLoss};
use crate::predict::Predictions;
use crate::schedule::{Schedule, Settings};
use crate::{Error, Result};

/// What one fit was asked for.
#[derive(Debug, Clone)]
pub(crate) struct FitPlan {
    /// Name of the stage, for the table.
    pub stage: String,
    /// Base learning rate of each layer group.
    pub rates: Vec<f32>,
    /// Weight decay of each layer group.
    pub weight_decay: Vec<f32>,
    /// How weight decay acts.
    pub decay: Decay,
    /// The largest norm of all gradients together.
    pub clip_norm: Option<f32>,
    /// How each step is taken.
    pub options: StepOptions,
    /// How rates move.
    pub schedule: Schedule,
}

impl FitPlan {
    pub(crate) fn step_settings(&self, settings: Settings) -> StepSettings {
        let group = |(rate, &weight_decay): (&f32, &f32)| GroupSettings {
            rate: rate * settings.factor,
            weight_decay,
        };
        StepSettings {
            groups: self.rates.iter().zip(&self.weight_decay).map(group).collect(),
            momentum: settings.momentum,
            decay: self.decay,
            clip_norm: self.clip_norm,
        }
    }
}

/// What a fit carries from batch to batch besides the state.
#[derive(Default)]
struct Run {
    stepper: Stepper,
    smoothed: SmoothedLoss,
}

/// Trains for all epochs of the plan; every epoch ends with validation and a row.
///
/// If the loss stops being a number, the weights of the last finished cycle (of the beginning, in
/// the first cycle) are brought back and [`Error::Diverged`] says so.
pub(crate) fn fit(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    listeners: &mut Listeners,
) -> Result<()> {
    let batches = task.train_batches(state.epochs_begun)?.len();
    let (epochs, label) = (plan.schedule.epochs(), plan.schedule.label());
    let _ = tell(listeners, Event::FitBegins { epochs, batches, schedule: &label }, state)?;
    let mut run = Run::default();
    let mut kept = state.store.snapshot()?;
    for epoch in 0..epochs {
        state.epoch = epoch;
        let start = Instant::now();
        let trained = train_epoch(task, state, plan, batches, &mut run, listeners);
        let validated = trained.and_then(|control| {
            Ok((control, validated_row(task, state, plan, &run.smoothed, start)?))
        });
        let (control, row) = match validated {
            Err(error @ Error::Diverged { .. }) => {
                state.store.restore(&kept)?;
                return Err(error);
            }
            other => other?,
        };
        if plan.schedule.is_cycle_end(epoch) {
            kept = state.store.snapshot()?;
        }
        state.history.epochs.push(row.clone());
        let answer = tell(listeners, Event::EpochEnds { row: &row }, state)?;
        if plan.schedule.is_cycle_end(epoch) {
            let _ = tell(listeners, Event::CycleEnds { cycle: row.cycle }, state)?;
        }
        if control == Control::Stop || answer == Control::Stop {
            break;
        }
    }
    let _ = tell(listeners, Event::FitEnds, state)?;
    Ok(())
}

fn train_epoch(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    batches: usize,
    run: &mut Run,
    listeners: &mut Listeners,
) -> Result<Control> {
    let control = train_batches(task, state, plan, batches, run, listeners)?;
    let last = run.stepper.drain()?;
    let answer = batches_end(state, &mut run.smoothed, last, listeners)?;
    Ok(if answer == Control::Stop { answer } else { control })
}

fn train_batches(
    task: &impl Task,
    state: &mut TrainState,
    plan: &FitPlan,
    batches: usize,
    run: &mut Run,
    listeners: &mut Listeners,
) -> Result<Control> {
    let mut inputs = task.train_batches(state.epochs_begun)?;
    state.epochs_begun += 1;
    for batch in 0.. {
        let waiting = Instant::now();
        let Some(input) = inputs.next() else { break };
        let (input, waited) = (input?, waiting.elapsed().as_secs_f64());
        state.batch = batch;
        let pictures = input.len();
        match tell(listeners, Event::BatchBegins { batch, pictures }, state)? {
            Control::Continue => {}
            Control::SkipBatch => continue,
            Control::Stop => return Ok(Control::Stop),
        }
        let settings = plan.schedule.at(state.epoch * batches + batch, batches);
        let step = plan.step_settings(settings);
        let rate = step.groups.last().map_or(0.0, |group| group.rate);
        let begun = Begun { batch, pictures, rate, momentum: settings.momentum, waited };
        let ended = run.stepper.step(task, state, input, &step, &plan.options, begun)?;
        if batches_end(state, &mut run.smoothed, ended, listeners)? == Control::Stop {
            return Ok(Control::Stop);
        }
    }
    Ok(Control::Continue)
}

/// Records batches whose losses are there and tells of them.
fn batches_end(
    state: &mut TrainState,
    smoothed: &mut SmoothedLoss,
    ended: Vec<(Begun, f32)>,
    listeners: &mut Listeners,
) -> Result<Control> {
    let mut control = Control::Continue;
    for (begun, loss) in ended {
        let Begun { batch, pictures, rate, momentum, waited } = begun;
        if !loss.is_finite() {
            return Err(Error::Diverged { epoch: state.epoch, batch, rate });
        }
        let smoothed = smoothed.push(f64::from(loss)) as f32;
        state.history.batches.push(BatchRecord { loss, rate, momentum });
        let event = Event::BatchEnds { batch, pictures, loss, smoothed, rate, waited };
        if tell(listeners, event, state)? == Control::Stop {
            control = Control::Stop;
        }
    }
    Ok(control)
}

/// The whole validation set's losses and probabilities.
pub(crate) fn validate(task: &impl Task, state: &TrainState) -> Result<Predictions> {
    let mut predictions = Predictions::none_of(task.label_kind(), task.classes());
    for input in task.valid_batches()? {
        let Input { tensor, labels, .. } = input?;
        let mut pass = Pass::predict(&state.store);
        let logits = task.logits(&mut pass, tensor)?;
        predictions.push(logits.value(), &labels)?;
    }
    Ok(predictions)
}

fn validated_row(
    task: &impl Task,
    state: &TrainState,
    plan: &FitPlan,
    smoothed: &SmoothedLoss,
    start: Instant,
) -> Result<EpochRow> {
    let mut row = EpochRow {
        stage: plan.stage.clone(),
        cycle: plan.schedule.cycle_of(state.epoch),
        epoch: state.epoch,
        train_loss: smoothed.value().unwrap_or(f64::NAN) as f32,
        valid_loss: None,
        metrics: Vec::new(),
        seconds: 0.0,
        soft_targets: !plan.options.softening.is_none(),
    };
    let predictions = validate(task, state)?;
    // The last step of an epoch can ruin the weights without a training loss that shows it.
    if predictions.probabilities.iter().any(|value| !value.is_finite()) {
        let rate = state.history.batches.last().map_or(0.0, |record| record.rate);
        return Err(Error::Diverged { epoch: state.epoch, batch: state.batch, rate });
    }
    // Whoever trains on every picture has none to judge by.
    if !predictions.is_empty() {
        let (loss, metrics) = measured(&predictions)?;
        (row.valid_loss, row.metrics) = (Some(loss), metrics);
    }
    row.seconds = start.elapsed().as_secs_f64();
    Ok(row)
}

/// Loss and metrics of an epoch's row: accuracy where a picture has one class; where it may have
/// several, F2 at the best threshold and at the lesson's.
fn measured(predictions: &Predictions) -> Result<(f32, Vec<(String, f64)>)> {
    let metric = |name: &str, value| (name.to_string(), value);
    Ok(match predictions.kind {
        LabelKind::One => {
            let scored = predictions.scored()?;
            (scored.log_loss() as f32, vec![metric("accuracy", scored.accuracy())])
        }
        LabelKind::Several => {
            let scored = predictions.several()?;
            let best = metric("f2", scored.best_threshold(2.0).score);
            let lesson = metric("f2 at 0.2", scored.f_beta(2.0, LESSON_THRESHOLD));
            (scored.log_loss() as f32, vec![best, lesson])
        }
    })
}
