//! How long training will take, measured on a few real batches that leave no trace.

use std::time::Instant;

use super::event::Listeners;
use super::learner::Learner;
use super::memory_full::retrying;
use super::step::train_step;
use super::task::Task;
use crate::Result;
use crate::schedule::{Rates, Schedule, Settings};

/// Batches measured in each way of training; the last of them counts, because the first also fills
/// the loader and the caches.
const MEASURED: usize = 2;

/// Seconds that one picture takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PictureTimes {
    /// Forward only: validation, activations, predictions.
    pub predict: f64,
    /// A training step of the head below a frozen body.
    pub frozen: f64,
    /// A training step of all layer groups.
    pub unfrozen: f64,
}

impl Learner {
    /// Measures five batches: one of validation, two of training with the body frozen and two with
    /// every group training. Nothing of the learner changes.
    ///
    /// # Errors
    /// A picture that cannot be read, by name; out of memory.
    pub fn time_batches(&mut self) -> Result<PictureTimes> {
        let kept = self.state.store.snapshot()?;
        let (steps, trainable) = (self.state.steps, self.state.store.trainable().to_vec());
        let fresh = self.optimizer.build();
        let optimizer = std::mem::replace(&mut self.state.optimizer, fresh);
        let measured = self.measure();
        self.state.optimizer = optimizer;
        self.state.steps = steps;
        self.state.fit.parts = 1;
        self.state.store.set_trainable(&trainable)?;
        self.state.store.restore(&kept)?;
        measured
    }

    fn measure(&mut self) -> Result<PictureTimes> {
        let predict = self.predict_time()?;
        self.freeze()?;
        let frozen = self.step_time()?;
        self.unfreeze()?;
        self.state.optimizer = self.optimizer.build();
        Ok(PictureTimes { predict, frozen, unfrozen: self.step_time()? })
    }

    fn predict_time(&self) -> Result<f64> {
        let task = self.task();
        let mut inputs = task.valid_batches()?;
        let begun = Instant::now();
        let Some(input) = inputs.next() else { return Ok(0.0) };
        let input = input?;
        let pictures = input.len().max(1);
        let mut pass = models::Pass::predict(&self.state.store);
        task.logits(&mut pass, input.tensor)?.value().to_f32()?;
        Ok(begun.elapsed().as_secs_f64() / pictures as f64)
    }

    fn step_time(&mut self) -> Result<f64> {
        // So small a rate that no step can spoil the next one's numbers.
        let plan = self.plan(Rates::from(1e-8), Schedule::constant(1))?;
        let device = self.device().clone();
        let softening = self.softening;
        let Learner { classifier, data, state, .. } = self;
        let task = super::task::PictureTask { device: &device, classifier, data, softening };
        let step = plan.step_settings(Settings { factor: 1.0, momentum: None });
        let mut seconds = 0.0;
        let mut inputs = task.train_batches(state.epochs_begun, 0)?;
        for _ in 0..MEASURED {
            let begun = Instant::now();
            let Some(input) = inputs.next() else { break };
            let input = input?;
            let pictures = input.len().max(1);
            retrying(state, pictures, &mut Listeners::new(), |state| {
                train_step(&task, state, &input, &step, &plan.options)
            })?;
            seconds = begun.elapsed().as_secs_f64() / pictures as f64;
        }
        Ok(seconds)
    }
}
