//! A training step that was recorded once and runs again for every batch of its size: one launch instead
//! of some hundred, and no waiting for the device.
//!
//! What changes from step to step lies in tensors that are written in place before each run: pictures,
//! labels, the optimiser's numbers and dropout's step. What is recorded holds only as long as the store
//! is changed by steps alone.

use std::ops::Range;

use autograd::Parameter;
use autograd::optimizer::{Segment, StepSettings, segments};
use models::Pass;
use tensor_core::device::CapturedGraph;
use tensor_core::ops::dropout::step_words;
use tensor_core::ops::loss::Target;
use tensor_core::ops::pointwise::{Binary, Unary, binary, unary};
use tensor_core::{DType, Device, Tensor};

use super::state::TrainState;
use super::step::{forward, pass_mode};
use super::step_options::StepOptions;
use super::target::TargetValues;
use super::task::Task;
use crate::Result;
use crate::input::Input;

/// A recorded step and the tensors through which it sees what is new.
pub(super) struct RecordedStep {
    graph: CapturedGraph,
    pictures: Tensor,
    target: Target,
    classes: usize,
    dropout_step: Tensor,
    numbers: Tensor,
    /// The mean loss, or not-a-number if the step was not taken.
    outcome: Tensor,
    /// The ranges that are stepped, and their layer groups.
    ranges: Vec<(Range<usize>, usize)>,
    edits: u64,
}

impl RecordedStep {
    /// Records a step for inputs like this one. It is not taken yet. One like it must have run before.
    pub fn record(
        task: &impl Task,
        state: &mut TrainState,
        input: &Input,
        settings: &StepSettings,
        options: &StepOptions,
    ) -> Result<RecordedStep> {
        let device = state.store.device().clone();
        let (shape, dtype) = (input.tensor.shape(), input.tensor.dtype());
        let pictures = Tensor::zeros(&device, shape, dtype)?;
        let classes = task.classes();
        let target = TargetValues::of(input, classes)?.blank(&device)?;
        let dropout_step = Tensor::zeros(&device, [2], DType::I32)?;
        // All that the host writes is made before: blocks of the recording have other uses in it.
        let mut numbers = Tensor::zeros(&device, [most_numbers(state, settings)], device.float())?;
        state.store.clear_gradients();
        // Whatever was prepared for a validation is not prepared in the recording.
        state.store.forget_prepared();
        let edits = state.store.edits();
        let ((count, outcome, ranges), graph) = capture(&device, || {
            let mode = pass_mode(state, options, 0);
            let pass = Pass::new(&state.store, mode).at_step(&dropout_step);
            let (tape, loss) = forward(task, pass, pictures.clone(), &target)?;
            tape.backward(&loss, &mut state.store)?;
            let segments = segments(&state.store, settings)?;
            let group_of = |segment: &Segment| {
                let parameters = state.store.parameters();
                let found = parameters.iter().find(|p| p.range == segment.range);
                found.map_or(0, |parameter| parameter.group)
            };
            let groups: Vec<usize> = segments.iter().map(group_of).collect();
            let count = state.optimizer.numbers(settings, &segments).len();
            let ranges: Vec<_> = segments.into_iter().map(|segment| segment.range).collect();
            let numbers = numbers.rows(0..count)?;
            let scale = state.optimizer.apply(&mut state.store, &ranges, &numbers)?;
            state.store.finish_step();
            // Not-a-number where the factor is.
            let nothing = Unary::Affine { scale: 0.0, shift: 0.0 };
            let guard = unary(nothing, &scale.rows(0..1)?)?;
            let outcome = binary(Binary::Add, loss.value(), &guard)?;
            Ok((count, outcome, ranges.into_iter().zip(groups).collect()))
        })?;
        numbers = numbers.rows(0..count)?;
        Ok(RecordedStep {
            graph,
            pictures,
            target,
            classes,
            dropout_step,
            numbers,
            outcome,
            ranges,
            edits,
        })
    }

    /// Whether it still does what a step that is run now would do.
    pub fn is_current(&self, state: &TrainState) -> bool {
        self.edits == state.store.edits()
    }

    /// Takes the step with this input. Returns the `[1]` mean loss, not-a-number if the step is not taken;
    /// nothing waits for it.
    pub fn run(
        &mut self,
        state: &mut TrainState,
        input: &Input,
        settings: &StepSettings,
    ) -> Result<&Tensor> {
        state.steps += 1;
        let segment = |(range, group): &(Range<usize>, usize)| {
            let group = settings.groups[*group];
            Segment { range: range.clone(), rate: group.rate, weight_decay: group.weight_decay }
        };
        let segments: Vec<Segment> = self.ranges.iter().map(segment).collect();
        let target = TargetValues::of(input, self.classes)?;
        self.pictures.copy_from(&input.tensor)?;
        target.write(&mut self.target)?;
        self.dropout_step.write(0, &step_words(state.steps))?;
        self.numbers.write(0, &state.optimizer.numbers(settings, &segments))?;
        self.graph.replay()?;
        state.optimizer.count();
        state.store.forget_prepared();
        Ok(&self.outcome)
    }
}

/// How many numbers a step on every parameter has.
fn most_numbers(state: &TrainState, settings: &StepSettings) -> usize {
    let parameters = state.store.parameters().iter();
    let segment = |parameter: &Parameter| Segment {
        range: parameter.range.clone(),
        rate: 0.0,
        weight_decay: 0.0,
    };
    state.optimizer.numbers(settings, &parameters.map(segment).collect::<Vec<_>>()).len()
}

/// [`Device::capture`] with our errors.
fn capture<T>(device: &Device, record: impl FnOnce() -> Result<T>) -> Result<(T, CapturedGraph)> {
    let mut failure = None;
    let captured = device.capture(|| {
        record().map_err(|error| {
            let message = tensor_core::Error::Device(error.to_string());
            failure = Some(error);
            message
        })
    });
    captured.map_err(|error| failure.unwrap_or_else(|| error.into()))
}
