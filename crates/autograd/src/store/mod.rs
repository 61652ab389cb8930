//! Parameters, their gradients and running statistics, each kind in one flat buffer of floats; where
//! activations are of another type, a flat twin of the parameters in that type.
//!
//! A parameter is a named range of the flat buffer, in forward order, layer groups contiguous. These
//! buffers are the only tensors that are written in place, through `&mut ParameterStore`.

mod builder;
mod parts;
mod prepared;
mod snapshot;
mod twin;

pub use builder::StoreBuilder;
pub use snapshot::{HostSnapshot, Snapshot};

use std::ops::Range;

use tensor_core::memory::Destination;
use tensor_core::ops::norm::Running;
use tensor_core::ops::optimizer::commit;
use tensor_core::{Device, Shape, Tensor};

use crate::{Error, Result};
use prepared::PreparedWeights;

/// Names one parameter of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(pub(crate) usize);

/// Names the running statistics of one batch norm of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatisticsId(pub(crate) usize);

/// What is known of a parameter besides its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name, such as `layer1.0.conv1.weight`.
    pub name: String,
    /// Its shape: convolution weights are KRSC, linear weights `[out, in]`.
    pub shape: Shape,
    /// Its layer group.
    pub group: usize,
    /// Its elements in the flat buffers.
    pub range: Range<usize>,
}

/// Where the running mean and variance of a batch norm lie.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticsEntry {
    /// The batch norm's name, such as `layer1.0.bn1`.
    pub name: String,
    /// Its layer group.
    pub group: usize,
    channels: usize,
    offset: usize,
}

/// All parameters of a model on one device.
pub struct ParameterStore {
    device: Device,
    parameters: Vec<Parameter>,
    statistics: Vec<StatisticsEntry>,
    values: Tensor,
    twin: Option<Tensor>,
    running: Tensor,
    gradients: Option<Tensor>,
    written: Vec<bool>,
    trainable: Vec<bool>,
    versions: Vec<u64>,
    edits: u64,
    pending: Vec<(StatisticsId, Running)>,
    prepared: PreparedWeights,
}

/// What an optimiser's step reads and writes besides its own state.
pub(crate) struct FlatBuffers<'a> {
    pub gradients: &'a Tensor,
    pub values: &'a mut Tensor,
    /// The values in the activations' type, if that is not theirs.
    pub twin: Option<&'a mut Tensor>,
}

impl ParameterStore {
    /// Where the parameters live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All parameters, in forward order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// All batch norms' running statistics, in forward order.
    pub fn statistics(&self) -> &[StatisticsEntry] {
        &self.statistics
    }

    /// Every parameter's id, in forward order.
    pub fn ids(&self) -> impl Iterator<Item = ParameterId> + use<> {
        (0..self.parameters.len()).map(ParameterId)
    }

    /// Every statistics' id, in forward order.
    pub fn statistics_ids(&self) -> impl Iterator<Item = StatisticsId> + use<> {
        (0..self.statistics.len()).map(StatisticsId)
    }

    /// What is known of a parameter.
    pub fn parameter(&self, id: ParameterId) -> &Parameter {
        &self.parameters[id.0]
    }

    /// How many layer groups there are.
    pub fn groups(&self) -> usize {
        self.trainable.len()
    }

    /// Says which layer groups train from now on.
    ///
    /// # Errors
    /// [`Error::Groups`] unless there is one flag a group.
    pub fn set_trainable(&mut self, trainable: &[bool]) -> Result<()> {
        let (given, groups) = (trainable.len(), self.groups());
        if given != groups {
            return Err(Error::Groups { given, groups });
        }
        self.trainable.copy_from_slice(trainable);
        self.edits += 1;
        self.clear_gradients();
        Ok(())
    }

    /// Which layer groups train.
    pub fn trainable(&self) -> &[bool] {
        &self.trainable
    }

    /// True if this parameter's group trains.
    pub fn is_trainable(&self, id: ParameterId) -> bool {
        self.trainable[self.parameters[id.0].group]
    }

    /// A parameter's values. A view: drop it before the store is written.
    ///
    /// # Errors
    /// None in practice; a fault here would be one of this crate.
    pub fn value(&self, id: ParameterId) -> Result<Tensor> {
        let parameter = &self.parameters[id.0];
        Ok(self.values.rows(parameter.range.clone())?.reshape(parameter.shape)?)
    }

    /// Overwrites a parameter's values.
    ///
    /// # Errors
    /// [`Error::ParameterSize`] unless there are as many values as elements.
    pub fn set_value(&mut self, id: ParameterId, values: &[f32]) -> Result<()> {
        let Parameter { name, shape, range, .. } = &self.parameters[id.0];
        if values.len() != range.len() {
            let (expected, found) = (range.len(), values.len());
            return Err(Error::ParameterSize { name: name.clone(), expected, found });
        }
        let values = Tensor::from_f32(&self.device, *shape, values)?;
        self.overwrite(id, &values)
    }

    /// Overwrites a parameter's values with a tensor of as many elements.
    pub(crate) fn overwrite(&mut self, id: ParameterId, values: &Tensor) -> Result<()> {
        self.values.copy_range_from(self.parameters[id.0].range.start, values)?;
        self.versions[id.0] += 1;
        self.edits += 1;
        self.write_twin(id)
    }

    /// The running mean and variance of a batch norm. Views: drop them before the store is written.
    ///
    /// # Errors
    /// None in practice; a fault here would be one of this crate.
    pub fn running(&self, id: StatisticsId) -> Result<Running> {
        let StatisticsEntry { channels, offset, .. } = self.statistics[id.0];
        let mean = self.running.rows(offset..offset + channels)?;
        let var = self.running.rows(offset + channels..offset + 2 * channels)?;
        Ok(Running { mean, var })
    }

    /// Overwrites the running mean and variance of a batch norm.
    ///
    /// # Errors
    /// [`Error::ParameterSize`] unless there is one value a channel.
    pub fn set_running(&mut self, id: StatisticsId, mean: &[f32], var: &[f32]) -> Result<()> {
        let StatisticsEntry { ref name, channels, .. } = self.statistics[id.0];
        for found in [mean.len(), var.len()] {
            if found != channels {
                let name = name.clone();
                return Err(Error::ParameterSize { name, expected: channels, found });
            }
        }
        let StatisticsEntry { offset, .. } = self.statistics[id.0];
        self.edits += 1;
        for (place, values) in [(offset, mean), (offset + channels, var)] {
            let values = Tensor::from_f32(&self.device, [channels], values)?;
            self.running.copy_range_from(place, &values)?;
        }
        Ok(())
    }

    /// A parameter's gradient of this step, if the tape has written one.
    ///
    /// # Errors
    /// None in practice; a fault here would be one of this crate.
    pub fn gradient(&self, id: ParameterId) -> Result<Option<Tensor>> {
        let parameter = &self.parameters[id.0];
        match &self.gradients {
            Some(gradients) if self.written[id.0] => {
                Ok(Some(gradients.rows(parameter.range.clone())?.reshape(parameter.shape)?))
            }
            _ => Ok(None),
        }
    }

    /// Forgets the gradients and pending batch statistics of this step.
    pub fn clear_gradients(&mut self) {
        self.written.fill(false);
        self.pending.clear();
    }

    /// Where a parameter's gradient goes: it replaces the last step's and is added to this step's.
    pub(crate) fn gradient_destination(&mut self, id: ParameterId) -> Result<Destination<'_>> {
        let gradients = flat_gradients(&mut self.gradients, &self.values)?;
        let slice = gradients.as_slice_mut().range(self.parameters[id.0].range.clone());
        let again = std::mem::replace(&mut self.written[id.0], true);
        Ok(if again { Destination::accumulate(slice) } else { Destination::write(slice) })
    }

    /// Keeps batch statistics until the optimiser's step commits them.
    pub(crate) fn hold_statistics(&mut self, statistics: Vec<(StatisticsId, Running)>) {
        self.pending.extend(statistics);
    }

    /// Makes the held batch statistics the running ones, unless the step that `scale` belongs to is not
    /// taken.
    pub(crate) fn commit_statistics(&mut self, scale: &Tensor) -> Result<()> {
        for (id, new) in std::mem::take(&mut self.pending) {
            let StatisticsEntry { channels, offset, .. } = self.statistics[id.0];
            commit(scale, &new.mean, &mut self.running, offset)?;
            commit(scale, &new.var, &mut self.running, offset + channels)?;
        }
        Ok(())
    }

    /// The parameters whose gradients the tape has written this step, in order.
    pub(crate) fn written(&self) -> impl Iterator<Item = (ParameterId, &Parameter)> {
        let all = self.parameters.iter().enumerate();
        all.filter(|(index, _)| self.written[*index]).map(|(index, p)| (ParameterId(index), p))
    }

    /// How often anything but training steps has changed parameters, statistics or what trains: recorded
    /// steps are good for as long as this stays as it was.
    pub fn edits(&self) -> u64 {
        self.edits
    }

    /// Forgets what was prepared of the parameters that train: before a step is recorded, which has to
    /// prepare them itself, and after each time that a recorded step has written them.
    pub fn forget_prepared(&mut self) {
        for (version, parameter) in self.versions.iter_mut().zip(&self.parameters) {
            *version += u64::from(self.trainable[parameter.group]);
        }
    }

    /// The flat buffers for an optimiser's step.
    pub(crate) fn flat_buffers(&mut self) -> Result<FlatBuffers<'_>> {
        let gradients = flat_gradients(&mut self.gradients, &self.values)?;
        Ok(FlatBuffers { gradients, values: &mut self.values, twin: self.twin.as_mut() })
    }

    /// After an optimiser's step: raises the versions of what was written and forgets the gradients.
    pub fn finish_step(&mut self) {
        for (version, &written) in self.versions.iter_mut().zip(&self.written) {
            *version += u64::from(written);
        }
        self.written.fill(false);
    }

    /// A tensor like the flat parameter buffer with these values.
    pub(crate) fn like_values(&self, name: &str, values: &[f32]) -> Result<Tensor> {
        snapshot::uploaded(&self.values, name, values)
    }

    /// Length and element type of the flat parameter buffer.
    pub(crate) fn zeros_like_values(&self) -> Result<Tensor> {
        Ok(Tensor::zeros(&self.device, self.values.shape(), self.values.dtype())?)
    }
}

/// The flat gradients, made when they are first asked for.
fn flat_gradients<'a>(
    gradients: &'a mut Option<Tensor>,
    values: &Tensor,
) -> Result<&'a mut Tensor> {
    Ok(match gradients {
        Some(gradients) => gradients,
        empty => {
            empty.insert(Tensor::uninitialised(values.device(), values.shape(), values.dtype())?)
        }
    })
}
