//! Labelled pictures: from folders to batches that are ready to be sampled.
//!
//! Which pictures there are (`folders`, `csv` over `table`, `names`), which of them are held out
//! (`validation` over `pool`, `splits`) and how often they come (`draws`), in which order and how fast they come (`sampler`,
//! `loader`, `cache`). How a file becomes pixels is the business of `picture` below, what is done to
//! them that of [`transforms`](crate::transforms).

mod cache;
mod csv;
mod draws;
mod folders;
mod inspection;
mod labels;
mod loader;
mod mersenne_twister;
mod names;
mod pool;
mod sampler;
mod splits;
mod table;
mod test_set;
mod validation;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::csv::Csv;
pub use cache::PictureCache;
pub use draws::Draws;
pub use folders::{Folders, PICTURE_EXTENSIONS, pictures_in, read_folders};
pub use inspection::{Bin, Histogram, Inspection};
pub use labels::{LabelKind, Labels};
pub use loader::{Batch, Loader};
pub use sampler::{Order, Place, Shard, drawn_batches, epoch_batches};
pub use splits::{HoldOut, Split, cross_validation_indexes};
pub use table::Column;
pub use validation::Validation;

pub use crate::picture::{
    MAX_PIXELS, Picture, PictureSize, decode_picture, open_picture, picture_size,
};

use crate::transforms::{DrawKey, Plan, Purpose, Transforms, View};
use crate::{Error, Result};
use folders::{find_folders, hold_out_of};
use loader::Request;
use pool::Pool;

/// Bytes of decoded pictures that are kept in memory unless told otherwise.
const DEFAULT_CACHE_BYTES: usize = 1 << 30;
/// Decoding threads unless told otherwise, where there are as many cores.
const MAX_DEFAULT_WORKERS: usize = 8;

/// How batches are made: their size, the threads, the seed and the memory for decoded pictures.
/// Clones share that memory.
#[derive(Debug, Clone)]
pub struct Loading {
    batch_size: usize,
    workers: usize,
    seed: u64,
    shard: Shard,
    cache: Arc<PictureCache>,
    /// Sizes that training batches are drawn from; none for that of the transforms.
    sizes: Arc<[usize]>,
}

impl Default for Loading {
    /// Batches of 64, as many threads as there are cores but at most 8, seed 42, 1 GiB.
    fn default() -> Loading {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Loading {
            batch_size: 64,
            workers: cores.min(MAX_DEFAULT_WORKERS),
            seed: 42,
            shard: Shard::default(),
            cache: Arc::new(PictureCache::new(DEFAULT_CACHE_BYTES)),
            sizes: [].into(),
        }
    }
}

impl Loading {
    /// Pictures in a batch.
    pub fn batch_size(mut self, batch_size: usize) -> Loading {
        self.batch_size = batch_size;
        self
    }

    /// Decoding threads; 0 decodes on the thread that asks for a batch. Changes no result.
    pub fn workers(mut self, workers: usize) -> Loading {
        self.workers = workers;
        self
    }

    /// Seed of order and augmentation.
    pub fn seed(mut self, seed: u64) -> Loading {
        self.seed = seed;
        self
    }

    /// Bytes of decoded pictures that may be kept in memory for later epochs; 0 keeps none.
    /// Changes no result.
    pub fn cache_bytes(mut self, limit: usize) -> Loading {
        self.cache = Arc::new(PictureCache::new(limit));
        self
    }

    /// A size for each training batch, drawn from these (one that is listed twice twice as often), instead of
    /// that of the transforms, which validation and prediction keep. None brings that back.
    pub fn random_sizes(mut self, sizes: &[usize]) -> Loading {
        self.sizes = sizes.into();
        self
    }

    /// Sizes that training batches are drawn from, as set.
    pub fn drawn_sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Pictures in a batch, as set.
    pub fn size(&self) -> usize {
        self.batch_size
    }

    /// Seed of order and augmentation, as set.
    pub fn draw_seed(&self) -> u64 {
        self.seed
    }

    /// Augmented pictures in the random order of this epoch: for training.
    ///
    /// # Errors
    /// If a setting of the loader or the transforms is out of range.
    pub fn shuffled(&self, split: &Split, transforms: &Transforms, epoch: usize) -> Result<Loader> {
        self.shuffled_from(split, transforms, epoch, 0)
    }

    /// As [`shuffled`](Loading::shuffled) without the first batches of the epoch, which are not even
    /// decoded: the others are what they would be after them.
    ///
    /// # Errors
    /// As [`shuffled`](Loading::shuffled).
    pub fn shuffled_from(
        &self,
        split: &Split,
        transforms: &Transforms,
        epoch: usize,
        first: usize,
    ) -> Result<Loader> {
        let key =
            DrawKey { seed: self.seed, purpose: Purpose::Train, pass: 0, epoch: epoch as u32 };
        let order = Order::Shuffled { seed: self.seed, epoch };
        let sizes = self.sizes.iter().map(|&size| transforms.clone().resized(size).training());
        let plans: Vec<Plan> = match self.sizes.is_empty() {
            true => vec![transforms.training()?],
            false => sizes.collect::<Result<_>>()?,
        };
        self.load(split, plans, key, order, first, true)
    }

    /// Augmented pictures in the order of the split: for test-time augmentation, whose `pass`
    /// makes the draws differ.
    ///
    /// # Errors
    /// As [`shuffled`](Loading::shuffled).
    pub fn augmented(&self, split: &Split, transforms: &Transforms, pass: usize) -> Result<Loader> {
        let key =
            DrawKey { seed: self.seed, purpose: Purpose::TestTime, pass: pass as u32, epoch: 0 };
        self.load(split, vec![transforms.training()?], key, Order::Sequential, 0, true)
    }

    /// Pictures through the validation transform in the order of the split. `keep` says whether
    /// they come again, so that decoding them is to be saved then.
    ///
    /// # Errors
    /// As [`shuffled`](Loading::shuffled).
    pub fn plain(&self, split: &Split, transforms: &Transforms, keep: bool) -> Result<Loader> {
        let key = DrawKey { seed: self.seed, purpose: Purpose::Plain, pass: 0, epoch: 0 };
        self.load(split, vec![transforms.validation()?], key, Order::Sequential, 0, keep)
    }

    /// Pictures as this view shows them, in the order of the split.
    ///
    /// # Errors
    /// As [`shuffled`](Loading::shuffled), and for a view that these transforms do not have.
    pub fn viewed(&self, split: &Split, transforms: &Transforms, view: &View) -> Result<Loader> {
        let purpose = if view.is_plain() { Purpose::Plain } else { Purpose::TestTime };
        let key = DrawKey { seed: self.seed, purpose, pass: view.pass as u32, epoch: 0 };
        self.load(split, vec![transforms.viewing(view)?], key, Order::Sequential, 0, true)
    }

    fn load(
        &self,
        split: &Split,
        plans: Vec<Plan>,
        key: DrawKey,
        order: Order,
        first: usize,
        keep: bool,
    ) -> Result<Loader> {
        if self.batch_size == 0 {
            return Err(Error::setting("batch size", 0, "it must be at least 1"));
        }
        if self.shard.rank >= self.shard.world_size {
            return Err(Error::setting("rank", self.shard.rank, "it must be below the world size"));
        }
        let (len, draws) = (split.len(), split.draws());
        let mut batches = drawn_batches(draws, len, self.batch_size, order, self.shard);
        let first = first.min(batches.len());
        batches.drain(..first);
        let plan_of = (first..first + batches.len()).map(|batch| key.choose(batch, plans.len()));
        let plan_of = plan_of.collect();
        let (split, cache) = (split.clone(), self.cache.clone());
        let request = Request { split, plans, plan_of, key, batches, cache, keep };
        Ok(Loader::start(request, self.workers))
    }
}

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
    root: PathBuf,
    classes: Arc<[String]>,
    kind: LabelKind,
    pool: Pool,
    train: Split,
    valid: Split,
    test: Option<Split>,
    transforms: Transforms,
    loading: Loading,
    notices: Vec<String>,
}

impl ImageData {
    /// Pictures in `ROOT/{train,valid[,test]}/CLASS` or plain `ROOT/CLASS`, of which a fifth is
    /// held out; see [`read_folders`].
    ///
    /// # Errors
    /// As [`read_folders`], and if the transforms have a setting out of range.
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
    fn of_pool(
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

    fn noticing(mut self, notices: Vec<String>) -> ImageData {
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
        self.change(|loading| Loading { shard: Shard { rank, world_size }, ..loading })
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
        let limit = self.loading.cache.limit();
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
#[path = "data_tests.rs"]
mod tests;
