//! What the loop trains: pictures through a whole network, or cached activations through its head.

use autograd::Var;
use models::{Classifier, Layer, Pass};
use tensor_core::{Device, Tensor};

use super::activation_set::ActivationSet;
use super::soften::{BatchKey, Softening};
use crate::data::{ImageData, LabelKind};
use crate::input::{Batches, to_device};
use crate::{Result, data};

/// Something that can be fitted: where its batches come from and how they become logits.
pub(crate) trait Task {
    /// Training batches of this epoch (counted since the learner was made), from batch `first` on.
    fn train_batches(&self, epoch: usize, first: usize) -> Result<Batches<'_>>;

    /// Validation batches, in the order of the validation split.
    fn valid_batches(&self) -> Result<Batches<'_>>;

    /// The pictures behind it, if it sees pictures.
    fn pictures(&self) -> Option<&ImageData>;

    /// Whether a picture has one class or several, which decides the loss.
    fn label_kind(&self) -> LabelKind;

    /// Columns of the logits.
    fn classes(&self) -> usize;

    /// Logits of a batch.
    fn logits(&self, pass: &mut Pass, input: Tensor) -> Result<Var>;
}

/// Pictures through the whole network.
pub(crate) struct PictureTask<'a> {
    pub device: &'a Device,
    pub classifier: &'a Classifier,
    pub data: &'a ImageData,
    pub softening: Softening,
}

impl Task for PictureTask<'_> {
    fn train_batches(&self, epoch: usize, first: usize) -> Result<Batches<'_>> {
        let inputs = to_device(self.device, self.data.train_batches_from(epoch, first)?);
        let key = BatchKey { seed: self.data.loading().draw_seed(), epoch, batch: first };
        Ok(self.softening.apply(inputs, key, self.classes()))
    }

    fn valid_batches(&self) -> Result<Batches<'_>> {
        Ok(to_device(self.device, self.data.valid_batches()?))
    }

    fn pictures(&self) -> Option<&ImageData> {
        Some(self.data)
    }

    fn label_kind(&self) -> LabelKind {
        self.data.label_kind()
    }

    fn classes(&self) -> usize {
        self.classifier.head.classes()
    }

    fn logits(&self, pass: &mut Pass, input: Tensor) -> Result<Var> {
        Ok(self.classifier.forward(pass, Var::constant(input))?)
    }
}

/// Cached activations through the head.
pub(crate) struct HeadTask<'a> {
    pub device: &'a Device,
    pub classifier: &'a Classifier,
    /// One set a view of the training pictures; never empty.
    pub train: &'a [ActivationSet],
    pub valid: &'a ActivationSet,
    pub kind: LabelKind,
    pub softening: Softening,
    pub batch_size: usize,
    pub seed: u64,
}

impl HeadTask<'_> {
    fn batches<'a>(
        &'a self,
        set: &'a ActivationSet,
        order: data::Order,
        first: usize,
    ) -> Batches<'a> {
        let shard = data::Shard::default();
        let batches = data::drawn_batches(&set.draws, set.rows(), self.batch_size, order, shard);
        Box::new(batches.into_iter().skip(first).map(move |places| {
            let rows: Vec<usize> = places.into_iter().map(|place| place.index).collect();
            set.gather(self.device, &rows)
        }))
    }
}

impl Task for HeadTask<'_> {
    fn train_batches(&self, epoch: usize, first: usize) -> Result<Batches<'_>> {
        let order = data::Order::Shuffled { seed: self.seed, epoch };
        let key = BatchKey { seed: self.seed, epoch, batch: first };
        let view = &self.train[epoch % self.train.len()];
        Ok(self.softening.apply(self.batches(view, order, first), key, self.classes()))
    }

    fn valid_batches(&self) -> Result<Batches<'_>> {
        Ok(self.batches(self.valid, data::Order::Sequential, 0))
    }

    fn pictures(&self) -> Option<&ImageData> {
        None
    }

    fn label_kind(&self) -> LabelKind {
        self.kind
    }

    fn classes(&self) -> usize {
        self.classifier.head.classes()
    }

    fn logits(&self, pass: &mut Pass, input: Tensor) -> Result<Var> {
        Ok(self.classifier.head.classify(pass, Var::constant(input))?)
    }
}
