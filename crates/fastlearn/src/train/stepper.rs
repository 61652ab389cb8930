//! Who takes the steps of a fit: as they are given, or recorded once for full batches, with losses that
//! come some steps late.

use std::collections::VecDeque;

use autograd::optimizer::StepSettings;
use tensor_core::Shape;
use tensor_core::transfer::LateValues;

use super::recorded::RecordedStep;
use super::state::TrainState;
use super::step::train_step;
use super::step_options::StepOptions;
use super::task::Task;
use crate::Result;
use crate::input::Input;

/// By how many steps losses of recorded steps are late: by then they are there.
const DELAY: usize = 2;

/// A batch whose step was given to the device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    /// Batch of the epoch.
    pub batch: usize,
    /// Pictures in it.
    pub pictures: usize,
    /// Learning rate of the last layer group.
    pub rate: f32,
    /// Momentum, if the schedule moved it.
    pub momentum: Option<f32>,
    /// Seconds spent waiting for the batch.
    pub waited: f64,
}

/// Takes steps, and gives each batch's loss when it is there.
#[derive(Default)]
pub(super) struct Stepper {
    /// The size of the first batch, which is what is recorded.
    full: Option<Shape>,
    recorded: Option<(RecordedStep, LateValues)>,
    waiting: VecDeque<Begun>,
    /// Losses that are there and that nobody was told of: the step after them failed.
    arrived: Vec<(Begun, f32)>,
    /// There was no room for a recording's own memory.
    given_up: bool,
}

impl Stepper {
    /// Takes a step; returns the batches whose losses are there now, in order. A loss that is not finite is
    /// that of a step that was not taken.
    pub fn step(
        &mut self,
        task: &impl Task,
        state: &mut TrainState,
        input: &Input,
        settings: &StepSettings,
        options: &StepOptions,
        begun: Begun,
    ) -> Result<Vec<(Begun, f32)>> {
        if self.is_recorded(task, state, input, settings, options)?
            && let Some((step, losses)) = &mut self.recorded
        {
            self.waiting.push_back(begun);
            let late = losses.push(step.run(state, input, settings)?)?;
            return Ok(self.finish(late));
        }
        self.arrive()?;
        self.recorded.take_if(|(step, _)| !step.is_current(state));
        // After a step that was not taken the loop ends; there is nothing to be learned from another.
        if self.arrived.iter().all(|(_, loss)| loss.is_finite()) {
            let loss = train_step(task, state, input, settings, options)?;
            self.arrived.push((begun, loss));
        }
        Ok(std::mem::take(&mut self.arrived))
    }

    /// The batches whose losses are still on their way, in order.
    pub fn drain(&mut self) -> Result<Vec<(Begun, f32)>> {
        self.arrive()?;
        Ok(std::mem::take(&mut self.arrived))
    }

    /// Waits for the losses that are still on their way.
    fn arrive(&mut self) -> Result<()> {
        let late = match &mut self.recorded {
            Some((_, losses)) => losses.drain()?,
            None => Vec::new(),
        };
        let finished = self.finish(late);
        self.arrived.extend(finished);
        Ok(())
    }

    fn finish(&mut self, late: impl IntoIterator<Item = Vec<f32>>) -> Vec<(Begun, f32)> {
        let losses = late.into_iter().flatten();
        losses.map_while(|loss| Some((self.waiting.pop_front()?, loss))).collect()
    }

    /// Whether there is a recording for this input. It is made at the second full batch: the first loads
    /// what it needs.
    fn is_recorded(
        &mut self,
        task: &impl Task,
        state: &mut TrainState,
        input: &Input,
        settings: &StepSettings,
        options: &StepOptions,
    ) -> Result<bool> {
        let device = state.store.device().clone();
        if self.given_up || state.fit.parts > 1 || !device.can_capture() {
            return Ok(false);
        }
        let shape = input.tensor.shape();
        let is_first = self.full.is_none();
        if *self.full.get_or_insert(shape) != shape || is_first {
            return Ok(false);
        }
        if let Some((step, _)) = &self.recorded {
            // If the store was changed otherwise, this step is run as it is given, and the next recorded.
            return Ok(step.is_current(state));
        }
        match RecordedStep::record(task, state, input, settings, options) {
            Ok(step) => {
                self.recorded = Some((step, LateValues::new(&device, 1, DELAY)?));
                Ok(true)
            }
            Err(error) if error.is_out_of_memory() => {
                self.given_up = true;
                state.store.clear_gradients();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
