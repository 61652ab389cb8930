//! What the loop trains: pictures through a whole network, or cached activations through its head.

use autograd::Var;
use models::{Classifier, Layer, Pass};
use tensor_core::{Device, Tensor, ops::augment};

use crate::data::{Batch, ImageData, Loader};
use crate::train::activations::ActivationSet;
use crate::{Result, data};

/// A batch on the device, and what it should be recognised as.
pub(crate) struct Input {
    pub tensor: Tensor,
    pub labels: Vec<usize>,
}

/// Batches in order, each of which may fail.
pub(crate) type Batches<'a> = Box<dyn ExactSizeIterator<Item = Result<Input>> + 'a>;

/// Something that can be fitted: where its batches come from and how they become logits.
pub(crate) trait Task {
    /// Training batches of this epoch (counted since the learner was made).
    fn train_batches(&self, epoch: usize) -> Result<Batches<'_>>;

    /// Validation batches, in the order of the validation split.
    fn valid_batches(&self) -> Result<Batches<'_>>;

    /// Logits of a batch.
    fn logits(&self, pass: &mut Pass, input: Tensor) -> Result<Var>;
}

/// Pictures through the whole network.
pub(crate) struct PictureTask<'a> {
    pub device: &'a Device,
    pub classifier: &'a Classifier,
    pub data: &'a ImageData,
}

impl Task for PictureTask<'_> {
    fn train_batches(&self, epoch: usize) -> Result<Batches<'_>> {
        Ok(to_device(self.device, self.data.train_batches(epoch)?))
    }

    fn valid_batches(&self) -> Result<Batches<'_>> {
        Ok(to_device(self.device, self.data.valid_batches()?))
    }

    fn logits(&self, pass: &mut Pass, input: Tensor) -> Result<Var> {
        Ok(self.classifier.forward(pass, Var::constant(input))?)
    }
}

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

/// Cached activations through the head.
pub(crate) struct HeadTask<'a> {
    pub device: &'a Device,
    pub classifier: &'a Classifier,
    pub train: &'a ActivationSet,
    pub valid: &'a ActivationSet,
    pub batch_size: usize,
    pub seed: u64,
}

impl HeadTask<'_> {
    fn batches<'a>(&'a self, set: &'a ActivationSet, order: data::Order) -> Batches<'a> {
        let shard = data::Shard::default();
        let batches = data::epoch_batches(set.rows(), self.batch_size, order, shard);
        Box::new(batches.into_iter().map(move |places| {
            let rows: Vec<usize> = places.into_iter().map(|place| place.index).collect();
            set.gather(self.device, &rows)
        }))
    }
}

impl Task for HeadTask<'_> {
    fn train_batches(&self, epoch: usize) -> Result<Batches<'_>> {
        Ok(self.batches(self.train, data::Order::Shuffled { seed: self.seed, epoch }))
    }

    fn valid_batches(&self) -> Result<Batches<'_>> {
        Ok(self.batches(self.valid, data::Order::Sequential))
    }

    fn logits(&self, pass: &mut Pass, input: Tensor) -> Result<Var> {
        Ok(self.classifier.head.classify(pass, Var::constant(input))?)
    }
}
