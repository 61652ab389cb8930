//! The flat twin of the values in the activations' type, where that is not the floats': what convolutions
//! read. Whoever writes the values writes it too; the optimiser does both in one pass.

use tensor_core::{DType, Device, Tensor, ops::pointwise::cast};

use super::{ParameterId, ParameterStore};
use crate::Result;

/// A twin of these values, if activations are of another type than floats.
pub(super) fn of(device: &Device, values: &Tensor) -> Result<Option<Tensor>> {
    let activation = device.activation();
    Ok((activation != device.float()).then(|| cast(values, activation)).transpose()?)
}

impl ParameterStore {
    /// A parameter's values as `dtype`, of which there has to be a twin. A view, as [`value`](Self::value)
    /// gives.
    pub(super) fn twin_value(&self, id: ParameterId, dtype: DType) -> Result<Option<Tensor>> {
        let parameter = &self.parameters[id.0];
        let twin = self.twin.as_ref().filter(|twin| twin.dtype() == dtype);
        let view = |twin: &Tensor| twin.rows(parameter.range.clone())?.reshape(parameter.shape);
        Ok(twin.map(view).transpose()?)
    }

    /// Brings the twin of a parameter's new values about.
    pub(super) fn write_twin(&mut self, id: ParameterId) -> Result<()> {
        let values = self.value(id)?;
        let Some(twin) = &mut self.twin else { return Ok(()) };
        let rounded = cast(&values, twin.dtype())?;
        Ok(twin.copy_range_from(self.parameters[id.0].range.start, &rounded)?)
    }

    /// Brings the twin of all new values about.
    pub(super) fn write_whole_twin(&mut self) -> Result<()> {
        // The old one goes back to the pool first, so that the new one can take its place.
        self.twin = None;
        self.twin = of(&self.device, &self.values)?;
        Ok(())
    }
}
