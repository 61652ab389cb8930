//! How batches are made of a split: their size, the threads, the seed and the memory for decoded pictures.
//!
//! Who makes them is `loader`, in which order they come `sampler`.

use std::sync::Arc;

use super::cache::PictureCache;
use super::loader::{Loader, Request};
use super::sampler::{Order, Shard, drawn_batches};
use super::splits::Split;
use crate::transforms::{DrawKey, Plan, Purpose, Transforms, View};
use crate::{Error, Result};

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
    pub(super) cache: Arc<PictureCache>,
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

    /// The share of the pictures that this process takes.
    pub(super) fn shard(mut self, shard: Shard) -> Loading {
        self.shard = shard;
        self
    }

    /// Bytes of decoded pictures that may be kept, as set.
    pub(super) fn cache_limit(&self) -> usize {
        self.cache.limit()
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
