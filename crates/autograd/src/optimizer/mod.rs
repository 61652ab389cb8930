//! Optimisers: a step over the trainable ranges whose gradients the tape has written, with a rate and
//! a weight decay for each layer group. The step also commits the batch statistics that were held.

mod adam;
mod sgd;

pub use adam::Adam;
pub use sgd::Sgd;
pub use tensor_core::ops::optimizer::{Decay, Segment};

use std::collections::BTreeMap;
use std::ops::Range;

use crate::{Error, ParameterStore, Result};
use tensor_core::Tensor;

/// What one layer group asks of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupSettings {
    /// Learning rate.
    pub rate: f32,
    /// Weight decay.
    pub weight_decay: f32,
}

/// What all layer groups ask of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSettings {
    /// One a layer group.
    pub groups: Vec<GroupSettings>,
    /// SGD's momentum or Adam's first beta, if the schedule moves it.
    pub momentum: Option<f32>,
    /// How weight decay acts.
    pub decay: Decay,
    /// The largest norm of all gradients together; larger ones are scaled down to it.
    pub clip_norm: Option<f32>,
}

impl StepSettings {
    /// These learning rates, one a layer group, and nothing else.
    pub fn rates(rates: &[f32]) -> StepSettings {
        let group = |&rate| GroupSettings { rate, weight_decay: 0.0 };
        let groups = rates.iter().map(group).collect();
        StepSettings { groups, momentum: None, decay: Decay::L2, clip_norm: None }
    }
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Parameters and running statistics were updated.
    Stepped,
    /// A gradient was not finite: nothing was changed.
    NotFinite,
}

/// An optimiser and its state.
pub trait Optimizer: Send {
    /// The numbers of the step that comes next, as the kernels read them.
    fn numbers(&self, settings: &StepSettings, segments: &[Segment]) -> Vec<f32>;

    /// Gives the device a step on these ranges, with the gradients that the tape has written: values,
    /// state and held batch statistics change unless a gradient is not finite. Nothing waits for the
    /// device. Returns the `[2]` factor on the gradients, not-a-number where the step is not taken, and
    /// their norm.
    ///
    /// # Errors
    /// Out of memory.
    fn apply(
        &mut self,
        store: &mut ParameterStore,
        ranges: &[Range<usize>],
        numbers: &Tensor,
    ) -> Result<Tensor>;

    /// Counts a step that was taken.
    fn count(&mut self);

    /// Takes one step with the gradients that the tape has written, and forgets them.
    ///
    /// # Errors
    /// [`Error::Groups`] unless there are settings for each layer group; out of memory.
    fn step(&mut self, store: &mut ParameterStore, settings: &StepSettings) -> Result<Outcome> {
        let segments = segments(store, settings)?;
        let numbers = self.numbers(settings, &segments);
        let numbers = Tensor::from_f32(store.device(), [numbers.len()], &numbers)?;
        let ranges: Vec<_> = segments.into_iter().map(|segment| segment.range).collect();
        let scale = self.apply(store, &ranges, &numbers)?;
        store.finish_step();
        if scale.to_f32()?[0].is_nan() {
            return Ok(Outcome::NotFinite);
        }
        self.count();
        Ok(Outcome::Stepped)
    }

    /// The state's buffers by name, for a checkpoint.
    fn state(&self) -> Vec<(&'static str, &Tensor)>;

    /// Steps counted so far, by optimisers whose steps depend on their number.
    fn steps(&self) -> u64 {
        0
    }

    /// Brings back what [`state`](Self::state) and [`steps`](Self::steps) gave, of an optimiser of the
    /// same kind for the same store: it goes on exactly from there. No buffers at all is the state of a
    /// new one.
    ///
    /// # Errors
    /// [`Error::ParameterSize`] if a buffer is missing or of another size; out of memory.
    fn restore(
        &mut self,
        store: &ParameterStore,
        buffers: &BTreeMap<String, Vec<f32>>,
        steps: u64,
    ) -> Result<()>;

    /// Forgets all state, as a new optimiser would have none.
    fn reset(&mut self);
}

/// What a step on the parameters whose gradients the tape has written is to do: one segment a parameter.
/// What lies between parameters is only padding, but it is never written by the tape, so it is left out.
///
/// # Errors
/// [`Error::Groups`] unless there are settings for each layer group.
pub fn segments(store: &ParameterStore, settings: &StepSettings) -> Result<Vec<Segment>> {
    let (given, groups) = (settings.groups.len(), store.groups());
    if given != groups {
        return Err(Error::Groups { given, groups });
    }
    let segment = |(_, parameter): (_, &crate::Parameter)| {
        let GroupSettings { rate, weight_decay } = settings.groups[parameter.group];
        Segment { range: parameter.range.clone(), rate, weight_decay }
    };
    Ok(store.written().map(segment).collect())
}

/// The buffer of this name like the store's values, for [`Optimizer::restore`].
fn restored(
    store: &ParameterStore,
    buffers: &BTreeMap<String, Vec<f32>>,
    name: &str,
) -> Result<Tensor> {
    store.like_values(name, buffers.get(name).map_or(&[], Vec::as_slice))
}
