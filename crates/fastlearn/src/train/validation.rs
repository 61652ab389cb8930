//! What an epoch's weights are worth: predictions of the validation pictures, and the row of the table.

use std::time::Instant;

use models::Pass;

use super::history::EpochRow;
use super::plan::FitPlan;
use super::state::TrainState;
use super::task::Task;
use crate::data::{ImageData, LabelKind};
use crate::input::{Batches, Input, to_device};
use crate::metrics::LESSON_THRESHOLD;
use crate::predict::{Predictions, TestTimeAugmentation, Tta};
use crate::{Error, Result};

/// The whole validation set's probabilities.
pub(crate) fn validate(task: &impl Task, state: &TrainState) -> Result<Predictions> {
    predict(task, state, task.valid_batches()?)
}

fn predict(task: &impl Task, state: &TrainState, inputs: Batches) -> Result<Predictions> {
    let mut predictions = Predictions::none_of(task.label_kind(), task.classes());
    for input in inputs {
        state.interruption.check()?;
        let Input { tensor, labels, .. } = input?;
        let mut pass = Pass::predict(&state.store);
        let logits = task.logits(&mut pass, tensor)?;
        predictions.push(logits.value(), &labels)?;
    }
    Ok(predictions)
}

/// Validates and fills the epoch's row; [`Error::Diverged`] if the weights are ruined.
pub(super) fn validated_row(
    task: &impl Task,
    state: &TrainState,
    plan: &FitPlan,
    start: Instant,
) -> Result<EpochRow> {
    let predictions = validate(task, state)?;
    // The last step of an epoch can ruin the weights without a training loss that shows it.
    if predictions.probabilities.iter().any(|value| !value.is_finite()) {
        let rate = state.history.batches.last().map_or(0.0, |record| record.rate);
        return Err(Error::Diverged { epoch: state.epoch, batch: state.batch, rate });
    }
    // Whoever trains on every picture has none to judge by.
    let measured = (!predictions.is_empty()).then(|| measured(&predictions)).transpose()?;
    let (valid_loss, mut metrics) = measured.map_or((None, Vec::new()), |(l, m)| (Some(l), m));
    if let (Some(tta), Some(data), Some(_)) = (&plan.epoch_tta, task.pictures(), valid_loss) {
        metrics.extend(viewed(task, state, tta, data)?);
    }
    let before: usize = state.history.epochs.iter().map(|row| row.steps).sum();
    Ok(EpochRow {
        stage: plan.stage.clone(),
        cycle: plan.schedule.cycle_of(state.epoch),
        epoch: state.epoch,
        steps: state.history.batches.len().saturating_sub(before),
        train_loss: state.fit.smoothed.value().unwrap_or(f64::NAN) as f32,
        valid_loss,
        metrics,
        seconds: start.elapsed().as_secs_f64(),
        soft_targets: !plan.options.softening.is_none(),
    })
}

/// The first metric and the loss by test-time augmentation.
fn viewed(
    task: &impl Task,
    state: &TrainState,
    tta: &Tta,
    data: &ImageData,
) -> Result<[(String, f64); 2]> {
    let stack = TestTimeAugmentation::collect(tta, data.transforms(), |view| {
        let loader = data.loading().viewed(data.valid(), data.transforms(), view)?;
        predict(task, state, to_device(state.store.device(), loader))
    })?;
    let (loss, metrics) = measured(&stack.mean())?;
    let first = metrics.first().map_or(f64::NAN, |(_, value)| *value);
    Ok([("tta".to_owned(), first), ("tta_loss".to_owned(), f64::from(loss))])
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
