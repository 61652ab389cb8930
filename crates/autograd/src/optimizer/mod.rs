//! Optimisers: a step over the trainable ranges whose gradients the tape has written, with a rate and
//! a weight decay for each layer group. The step also commits the batch statistics that were held.

mod adam;
mod sgd;

pub use adam::Adam;
pub use sgd::Sgd;
pub use tensor_core::ops::optimizer::Decay;

use std::ops::Range;

use tensor_core::Tensor;
use tensor_core::ops::optimizer::{Segment, sum_of_squares};

use crate::store::FlatBuffers;
use crate::{Error, ParameterStore, Result};

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
    /// Takes one step with the gradients that the tape has written, and forgets them.
    ///
    /// # Errors
    /// [`Error::Groups`] unless there are settings for each layer group; out of memory.
    fn step(&mut self, store: &mut ParameterStore, settings: &StepSettings) -> Result<Outcome>;

    /// The state's buffers by name, for a checkpoint.
    fn state(&self) -> Vec<(&'static str, &Tensor)>;

    /// Forgets all state, as a new optimiser would have none.
    fn reset(&mut self);
}

/// What every optimiser does before its own formula: the segments to be updated and the factor that
/// clipping puts on gradients. `None` if a gradient is not finite: the step was undone.
fn begin_step(
    store: &mut ParameterStore,
    settings: &StepSettings,
) -> Result<Option<(Vec<Segment>, f32)>> {
    let (given, groups) = (settings.groups.len(), store.groups());
    if given != groups {
        return Err(Error::Groups { given, groups });
    }
    let segments = segments(store, settings);
    let ranges: Vec<Range<usize>> = segments.iter().map(|segment| segment.range.clone()).collect();
    let Some(FlatBuffers { gradients, .. }) = store.flat_buffers() else {
        return Ok(Some((Vec::new(), 1.0)));
    };
    let norm = sum_of_squares(&ranges, gradients)?.sqrt();
    if !norm.is_finite() {
        store.clear_gradients();
        return Ok(None);
    }
    let scale = match settings.clip_norm {
        Some(limit) if norm > f64::from(limit) => (f64::from(limit) / norm) as f32,
        _ => 1.0,
    };
    Ok(Some((segments, scale)))
}

/// One segment a parameter: what lies between parameters is only padding, but it is never written by
/// the tape, so it is left out.
fn segments(store: &ParameterStore, settings: &StepSettings) -> Vec<Segment> {
    let written = store.written();
    let segment = |(_, parameter): (_, &crate::Parameter)| {
        let GroupSettings { rate, weight_decay } = settings.groups[parameter.group];
        Segment { range: parameter.range.clone(), rate, weight_decay }
    };
    written.map(segment).collect()
}
