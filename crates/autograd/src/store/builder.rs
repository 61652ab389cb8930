//! Declares parameters in forward order, then lays them out in flat buffers.

use std::collections::HashSet;

use tensor_core::memory::ALIGNMENT;
use tensor_core::{Device, Shape, Tensor};

use super::prepared::PreparedWeights;
use super::{Parameter, ParameterId, ParameterStore, StatisticsEntry, StatisticsId, twin};
use crate::{Error, Result};

/// Collects parameters and their first values.
///
/// ```
/// use autograd::StoreBuilder;
/// use tensor_core::Device;
/// # fn main() -> autograd::Result<()> {
/// let mut builder = StoreBuilder::new();
/// let weight = builder.parameter("fc.weight", [1, 2], vec![0.5, -0.5])?;
/// let store = builder.build(&Device::cpu()?)?;
/// assert_eq!(store.value(weight)?.to_f32()?, [0.5, -0.5]);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct StoreBuilder {
    parameters: Vec<Parameter>,
    values: Vec<Vec<f32>>,
    statistics: Vec<StatisticsEntry>,
    names: HashSet<String>,
    group: usize,
    end: usize,
    running_end: usize,
}

impl StoreBuilder {
    /// A builder without parameters, at layer group 0.
    pub fn new() -> StoreBuilder {
        StoreBuilder::default()
    }

    /// The layer group of what is declared from now on; groups are declared in order.
    ///
    /// # Errors
    /// [`Error::GroupOrder`] if a later group was begun already.
    pub fn set_group(&mut self, group: usize) -> Result<()> {
        if group < self.group {
            let name = self.parameters.last().map_or_else(String::new, |last| last.name.clone());
            return Err(Error::GroupOrder { name, group, previous: self.group });
        }
        self.group = group;
        Ok(())
    }

    /// Declares a parameter with its first values.
    ///
    /// # Errors
    /// [`Error::DuplicateName`]; [`Error::ParameterSize`] unless the values fill the shape.
    pub fn parameter(
        &mut self,
        name: impl Into<String>,
        shape: impl Into<Shape>,
        values: Vec<f32>,
    ) -> Result<ParameterId> {
        let (name, shape) = (self.new_name(name.into())?, shape.into());
        let (expected, found) = (shape.elements(), values.len());
        if expected != found {
            return Err(Error::ParameterSize { name, expected, found });
        }
        let range = self.end..self.end + expected;
        self.end = aligned(range.end);
        self.parameters.push(Parameter { name, shape, group: self.group, range });
        self.values.push(values);
        Ok(ParameterId(self.parameters.len() - 1))
    }

    /// Declares the running statistics of a batch norm: mean 0, variance 1.
    ///
    /// # Errors
    /// [`Error::DuplicateName`].
    pub fn statistics(&mut self, name: impl Into<String>, channels: usize) -> Result<StatisticsId> {
        let name = self.new_name(name.into())?;
        let (group, offset) = (self.group, self.running_end);
        self.running_end = aligned(offset + 2 * channels);
        self.statistics.push(StatisticsEntry { name, group, channels, offset });
        Ok(StatisticsId(self.statistics.len() - 1))
    }

    /// Lays everything out on a device. All groups train.
    ///
    /// # Errors
    /// Out of memory.
    pub fn build(self, device: &Device) -> Result<ParameterStore> {
        let mut flat = vec![0.0; self.end];
        for (parameter, values) in self.parameters.iter().zip(&self.values) {
            flat[parameter.range.clone()].copy_from_slice(values);
        }
        let mut running = vec![0.0; self.running_end];
        for &StatisticsEntry { offset, channels, .. } in &self.statistics {
            running[offset + channels..offset + 2 * channels].fill(1.0);
        }
        let count = self.parameters.len();
        let values = Tensor::from_f32(device, [self.end], &flat)?;
        Ok(ParameterStore {
            device: device.clone(),
            twin: twin::of(device, &values)?,
            values,
            running: Tensor::from_f32(device, [self.running_end], &running)?,
            gradients: None,
            written: vec![false; count],
            trainable: vec![true; self.group + 1],
            versions: vec![0; count],
            edits: 0,
            pending: Vec::new(),
            prepared: PreparedWeights::default(),
            parameters: self.parameters,
            statistics: self.statistics,
        })
    }

    fn new_name(&mut self, name: String) -> Result<String> {
        if self.names.insert(name.clone()) { Ok(name) } else { Err(Error::DuplicateName(name)) }
    }
}

/// The next element that begins a 256-byte line, for elements of four bytes or more.
fn aligned(end: usize) -> usize {
    end.next_multiple_of(ALIGNMENT / size_of::<f32>())
}
