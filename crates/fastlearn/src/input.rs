//! Batches on the device: what training, validation and prediction all take in.
//!
//! Decoded bytes come from `data`; here they are sampled into one tensor a batch.

use std::ops::Range;

use tensor_core::ops::augment::augment;
use tensor_core::transfer::{InputPart, InputSlots};
use tensor_core::{Device, Tensor};

use crate::Result;
use crate::data::{Batch, Labels, Loader};

/// A batch on the device, and what it should be recognised as.
pub(crate) struct Input {
    pub tensor: Tensor,
    pub labels: Labels,
    /// What the logits are compared with, if it is not the labels as they are.
    pub soft: Option<SoftTarget>,
}

/// `[n, classes]` probabilities, row-major: labels that were smoothed or mixed.
pub(crate) struct SoftTarget {
    pub values: Vec<f32>,
    pub classes: usize,
}

impl Input {
    /// Pictures in it.
    pub fn len(&self) -> usize {
        self.tensor.shape().dims().first().copied().unwrap_or(0)
    }

    /// Some neighbouring pictures of it; the tensor is a view.
    pub fn part(&self, range: Range<usize>) -> Result<Input> {
        let indexes: Vec<usize> = range.clone().collect();
        let soft = self.soft.as_ref().map(|SoftTarget { values, classes }| SoftTarget {
            values: values[range.start * classes..range.end * classes].to_vec(),
            classes: *classes,
        });
        let (tensor, labels) = (self.tensor.rows(range)?, self.labels.select(&indexes));
        Ok(Input { tensor, labels, soft })
    }
}

/// Batches in order, each of which may fail.
pub(crate) type Batches<'a> = Box<dyn ExactSizeIterator<Item = Result<Input>> + 'a>;

/// A loader's batches, sampled into tensors as they are asked for.
pub(crate) fn to_device(device: &Device, loader: Loader) -> Batches<'_> {
    let mut sampler = Sampler { device, slots: None };
    Box::new(loader.map(move |batch| {
        let batch = batch?;
        Ok(Input { tensor: sampler.sample(&batch)?, labels: batch.labels, soft: None })
    }))
}

/// Brings decoded bytes to the device, beside its other work if its memory is its own.
struct Sampler<'a> {
    device: &'a Device,
    slots: Option<InputSlots>,
}

impl Sampler<'_> {
    /// The decoded bytes of a batch as a normalised `[n, h, w, 3]` tensor.
    fn sample(&mut self, batch: &Batch) -> Result<Tensor> {
        let Batch { pixels, shape, pictures, .. } = batch;
        if self.device.memory().memory().is_host() {
            let bytes = Tensor::from_slice(self.device, [pixels.len()], pixels)?;
            return Ok(augment(shape, pictures, &bytes)?);
        }
        let slots = self.slots(pixels.len())?;
        let input = slots.fill(&[InputPart::new([pixels.len()], pixels)?])?;
        let sampled = augment(shape, pictures, &input.tensors[0])?;
        slots.release(input)?;
        Ok(sampled)
    }

    /// Slots with room for so many bytes. Batches differ by a few per cent, so new ones get a quarter
    /// more than they need now.
    fn slots(&mut self, bytes: usize) -> Result<&mut InputSlots> {
        let roomy = self.slots.take().filter(|slots| slots.capacity() >= bytes);
        let slots = match roomy {
            Some(slots) => slots,
            None => InputSlots::new(self.device, bytes + bytes / 4)?,
        };
        Ok(self.slots.insert(slots))
    }
}
