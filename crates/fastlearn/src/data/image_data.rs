//! The pictures of a data set, divided into those to learn from and those to judge by.
//!
//! Where they come from besides class folders is `csv`'s and `names`' business, other divisions are
//! `validation`'s.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folders::{find_folders, hold_out_of};
use super::labels::LabelKind;
use super::loader::Loader;
use super::loading::Loading;
use super::pool::Pool;
use super::sampler::Shard;
use super::splits::{HoldOut, Split};
use super::validation::Validation;
use crate::transforms::Transforms;
use crate::{Error, Result};

/// The pictures of a data folder with their classes, and how they become batches. Cheap to clone.
///
/// ```no_run
/// use fastlearn::{ImageData, Transforms};
/// let data = ImageData::from_folders("data/dogscats", Transforms::side_on(224).max_zoom(1.1))?;
/// println!("{} pictures of {:?}", data.train().len(), data.classes());
/// for batch in data.train_batches(0)? {
///     println!("{:?}", batch?.labels);
/// }
/// # Ok::<(), fastlearn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageData {
    pub(super) root: PathBuf,
    pub(super) classes: Arc<[String]>,
    pub(super) kind: LabelKind,
    pub(super) pool: Pool,
    pub(super) train: Split,
    pub(super) valid: Split,
    pub(super) test: Option<Split>,
    pub(super) transforms: Transforms,
    pub(super) loading: Loading,
    pub(super) notices: Vec<String>,
}

impl ImageData {
    /// Pictures in `ROOT/{train,valid[,test]}/CLASS` or plain `ROOT/CLASS`, of which a fifth is
    /// held out; see [`read_folders`](super::read_folders).
    ///
    /// # Errors
    /// As [`read_folders`](super::read_folders), and if the transforms have a setting out of range.
    pub fn from_folders(root: impl AsRef<Path>, transforms: Transforms) -> Result<ImageData> {
        ImageData::holding_out(root, transforms, HoldOut::default())
    }

    /// As [`from_folders`](ImageData::from_folders), with a choice of what is held out: a
    /// [part](Validation::Part) where the folders do not say, or anything else of all pictures that lie
    /// in folders to learn from and to judge by.
    ///
    /// # Errors
    /// As [`from_folders`](ImageData::from_folders).
    pub fn holding_out(
        root: impl AsRef<Path>,
        transforms: Transforms,
        validation: impl Into<Validation>,
    ) -> Result<ImageData> {
        transforms.training()?;
        let (root, validation) = (root.as_ref().to_owned(), validation.into());
        let found = find_folders(&root)?;
        let (pool, classes) = (Pool::of_names(found.pool()), found.classes());
        let mut data = ImageData::of_pool(root.clone(), classes, LabelKind::One, pool, transforms);
        data.test = found.test.clone();
        match (&found.valid, validation) {
            (Some(valid), Validation::Part(_)) => {
                Ok(ImageData { train: found.train, valid: valid.clone(), ..data })
            }
            (None, Validation::Part(hold_out)) => {
                let (train, valid) = hold_out_of(&found, hold_out)?;
                Ok(ImageData { train, valid, ..data })
            }
            (_, other) => data.validate_on(other).map_err(|error| match error {
                Error::Split(reason) => Error::folder(&root, reason),
                other => other,
            }),
        }
    }

    /// Every picture to learn from, until some are held out.
    pub(super) fn of_pool(
        root: PathBuf,
        classes: Vec<String>,
        kind: LabelKind,
        pool: Pool,
        transforms: Transforms,
    ) -> ImageData {
        ImageData {
            root,
            classes: classes.into(),
            kind,
            train: pool.split.clone(),
            valid: pool.split.select(&[]),
            pool,
            test: None,
            transforms,
            loading: Loading::default(),
            notices: Vec::new(),
        }
    }

    pub(super) fn noticing(mut self, notices: Vec<String>) -> ImageData {
        self.notices.extend(notices);
        self
    }

    /// What a person should know about how the data was read, and what was found out that nobody said:
    /// suffixes that were added, a table without a header, several labels a picture.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Pictures in a batch; 64 unless told otherwise.
    pub fn batch_size(self, batch_size: usize) -> ImageData {
        self.change(|loading| loading.batch_size(batch_size))
    }

    /// Decoding threads; changes no result.
    pub fn workers(self, workers: usize) -> ImageData {
        self.change(|loading| loading.workers(workers))
    }

    /// Seed of order and augmentation; 42 unless told otherwise.
    pub fn seed(self, seed: u64) -> ImageData {
        self.change(|loading| loading.seed(seed))
    }

    /// Bytes of decoded pictures kept in memory for later epochs; 1 GiB unless told otherwise.
    pub fn cache_bytes(self, limit: usize) -> ImageData {
        self.change(|loading| loading.cache_bytes(limit))
    }

    /// Training batches of several sizes (say 192, 224 and 256), one drawn for each batch: a network that
    /// has seen them all is surprised by none, and smaller batches are faster. Validation and prediction
    /// keep the size of the transforms.
    ///
    /// Decoded pictures are kept in memory for each size by itself, so that they take as many times the room.
    /// Where full batches are recorded (CUDA), those of the first one's size are.
    pub fn random_sizes(self, sizes: &[usize]) -> ImageData {
        self.change(|loading| loading.random_sizes(sizes))
    }

    /// Train on a share of the pictures: the process `rank` of `world_size`. Validation is
    /// shared out too.
    pub fn shard(self, rank: usize, world_size: usize) -> ImageData {
        self.change(|loading| loading.shard(Shard { rank, world_size }))
    }

    /// For a quick look: at most `limit` training pictures, evenly by class.
    pub fn limit(mut self, limit: usize) -> ImageData {
        self.train = self.train.limited(limit);
        self
    }

    /// The same pictures through other transforms, say at another size.
    pub fn with_transforms(mut self, transforms: Transforms) -> ImageData {
        self.transforms = transforms;
        // What was kept for the old size would only take memory.
        let limit = self.loading.cache_limit();
        self.change(|loading| loading.cache_bytes(limit))
    }

    fn change(mut self, change: impl FnOnce(Loading) -> Loading) -> ImageData {
        self.loading = change(self.loading);
        self
    }

    /// The folder that the pictures are in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Class names, sorted: one vocabulary for all splits.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Whether a picture has one class or several.
    pub fn label_kind(&self) -> LabelKind {
        self.kind
    }

    /// Every picture with labels, whether to learn from or to judge by, in the order of the table or the
    /// folders.
    pub fn labelled(&self) -> &Split {
        &self.pool.split
    }

    /// The pictures to learn from.
    pub fn train(&self) -> &Split {
        &self.train
    }

    /// The pictures to judge by.
    pub fn valid(&self) -> &Split {
        &self.valid
    }

    /// The pictures to predict, if there are any: a folder `test`, or what
    /// [`with_test`](ImageData::with_test) was given.
    pub fn test(&self) -> Option<&Split> {
        self.test.as_ref()
    }

    /// What is done to the pictures.
    pub fn transforms(&self) -> &Transforms {
        &self.transforms
    }

    /// How batches are made: for splits of your own.
    pub fn loading(&self) -> &Loading {
        &self.loading
    }

    /// Training pictures, augmented, in the random order of this epoch.
    ///
    /// # Errors
    /// If a setting is out of range; each batch can fail on a picture that cannot be read.
    pub fn train_batches(&self, epoch: usize) -> Result<Loader> {
        self.loading.shuffled(&self.train, &self.transforms, epoch)
    }

    /// [`train_batches`](ImageData::train_batches) from batch `first` on, for a run that goes on
    /// within an epoch: the batches before it are not decoded.
    ///
    /// # Errors
    /// As [`train_batches`](ImageData::train_batches).
    pub fn train_batches_from(&self, epoch: usize, first: usize) -> Result<Loader> {
        self.loading.shuffled_from(&self.train, &self.transforms, epoch, first)
    }

    /// Validation pictures, plain, in order.
    ///
    /// # Errors
    /// As [`train_batches`](ImageData::train_batches).
    pub fn valid_batches(&self) -> Result<Loader> {
        self.loading.plain(&self.valid, &self.transforms, true)
    }

    /// Training pictures, plain, in order: what activations are computed from in advance. They are
    /// not kept in memory, which is left to the augmented ones.
    ///
    /// # Errors
    /// As [`train_batches`](ImageData::train_batches).
    pub fn fixed_batches(&self) -> Result<Loader> {
        self.loading.plain(&self.train, &self.transforms, false)
    }

    /// Validation pictures, augmented, in order: one pass of test-time augmentation.
    ///
    /// # Errors
    /// As [`train_batches`](ImageData::train_batches).
    pub fn augmented_batches(&self, pass: usize) -> Result<Loader> {
        self.loading.augmented(&self.valid, &self.transforms, pass)
    }

    /// Any picture files, plain, in order: for prediction.
    ///
    /// # Errors
    /// As [`train_batches`](ImageData::train_batches).
    pub fn files(&self, paths: Vec<PathBuf>) -> Result<Loader> {
        self.loading.plain(&Split::unlabelled(paths), &self.transforms, false)
    }
}

#[cfg(test)]
#[path = "image_data_tests.rs"]
mod tests;
