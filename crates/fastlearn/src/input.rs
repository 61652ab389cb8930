//! Batches on the device: what training, validation and prediction all take in.
//!
//! Decoded bytes come from `data`; here they are sampled into one tensor a batch.

use tensor_core::{Device, Tensor, ops::augment};

use crate::Result;
use crate::data::{Batch, Loader};

/// A batch on the device, and what it should be recognised as.
pub(crate) struct Input {
    pub tensor: Tensor,
    pub labels: Vec<usize>,
}

/// Batches in order, each of which may fail.
pub(crate) type Batches<'a> = Box<dyn ExactSizeIterator<Item = Result<Input>> + 'a>;

/// A loader's batches, sampled into tensors as they are asked for.
pub(crate) fn to_device(device: &Device, loader: Loader) -> Batches<'_> {
    Box::new(loader.map(|batch| {
        let batch = batch?;
        Ok(Input { tensor: sample(device, &batch)?, labels: batch.labels })
    }))
}

/// The decoded bytes of a batch as a normalised `[n, h, w, 3]` tensor.
fn sample(device: &Device, batch: &Batch) -> Result<Tensor> {
    let bytes = Tensor::from_slice(device, [batch.pixels.len()], &batch.pixels)?;
    Ok(augment::augment(&batch.shape, &batch.pictures, &bytes)?)
}
