//! Batches made ahead by threads, delivered in order.
//!
//! What a batch holds depends on its pictures, the plan and the random key alone, never on how
//! many threads made it. Which pictures form a batch is the sampler's business.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use tensor_core::backend::augment::{AugmentPicture, AugmentShape};

use super::cache::PictureCache;
use super::labels::Labels;
use super::sampler::Place;
use super::splits::Split;
use crate::picture::open_picture;
use crate::transforms::{DrawKey, Plan, Prepared, Sampling};
use crate::{Error, Result};

/// Batches made ahead of the one being used. More would only take memory: if decoding is too slow,
/// it is too slow for every batch.
const BATCHES_AHEAD: usize = 3;

/// Decoded pictures of one batch and how to sample them: the input of `augment`.
#[derive(Debug, Clone)]
pub struct Batch {
    /// All pictures' bytes, one picture after the other, RGB.
    pub pixels: Vec<u8>,
    /// Where each picture lies in `pixels` and how it is sampled.
    pub pictures: Vec<AugmentPicture>,
    /// Size and normalisation of the tensor to make.
    pub shape: AugmentShape,
    /// What each picture should be recognised as, if the split has labels.
    pub labels: Labels,
    /// Index of each picture in its split.
    pub indexes: Vec<usize>,
}

impl Batch {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// True for a batch without pictures.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }
}

/// What a loader makes: which pictures, prepared how, drawn from which random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub split: Split,
    /// One, or one for each size that batches may have.
    pub plans: Vec<Plan>,
    /// Which plan each batch has.
    pub plan_of: Vec<usize>,
    pub key: DrawKey,
    pub batches: Vec<Vec<Place>>,
    pub cache: Arc<PictureCache>,
    /// Whether pictures not yet in the cache are put there.
    pub keep: bool,
}

/// An iterator over the batches of one epoch. A batch with a picture that cannot be read is an
/// `Err` that names the file; the batches after it still come. Dropping the loader stops its
/// threads.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    delivered: usize,
}

#[derive(Debug)]
struct Shared {
    request: Request,
    /// Batch and slot of every picture, in the order in which they are made.
    slots: Vec<(usize, usize)>,
    state: Mutex<State>,
    work_allowed: Condvar,
    batch_ready: Condvar,
}

#[derive(Debug)]
struct State {
    next_slot: usize,
    delivered: usize,
    stopped: bool,
    /// Batches from number `delivered` on.
    ahead: VecDeque<Pending>,
}

#[derive(Debug)]
struct Pending {
    made: Vec<Option<Result<Made>>>,
    missing: usize,
    batch: Option<Result<Batch>>,
}

/// A picture ready to go into a batch.
#[derive(Debug)]
struct Made {
    prepared: Arc<Prepared>,
    sampling: Sampling,
}

impl Loader {
    /// Starts `workers` threads; with 0 every batch is made when it is asked for.
    pub(crate) fn start(request: Request, workers: usize) -> Loader {
        let slots = request.batches.iter().enumerate();
        let slots = slots.flat_map(|(b, places)| (0..places.len()).map(move |i| (b, i))).collect();
        let ahead = VecDeque::new();
        let shared = Arc::new(Shared {
            request,
            slots,
            state: Mutex::new(State { next_slot: 0, delivered: 0, stopped: false, ahead }),
            work_allowed: Condvar::new(),
            batch_ready: Condvar::new(),
        });
        let start = |number: usize| {
            let shared = shared.clone();
            Builder::new().name(format!("decode-{number}")).spawn(move || shared.work()).ok()
        };
        // A thread that the system refuses is done without, down to none at all.
        let threads = (0..workers.min(shared.slots.len())).map_while(start).collect();
        Loader { shared, threads, delivered: 0 }
    }

    /// The name of each picture, in the order in which they come.
    pub fn ids(&self) -> Vec<String> {
        let Request { split, batches, .. } = &self.shared.request;
        batches.iter().flatten().map(|place| split.name(place.index).into_owned()).collect()
    }

    /// Pictures in all batches together.
    pub fn pictures(&self) -> usize {
        self.shared.slots.len()
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let number = self.delivered;
        if number == self.shared.request.batches.len() {
            return None;
        }
        self.delivered += 1;
        Some(match self.threads.is_empty() {
            true => self.shared.request.whole_batch(number),
            false => self.shared.wait_for_next(),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.shared.request.batches.len() - self.delivered;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Loader {}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.work_allowed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread's panic has already been turned into an error of its batch.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some((batch, slot)) = self.take_slot() {
            let made = self.request.make(batch, slot);
            if let Some(made) = self.put(batch, slot, made) {
                let whole = self.request.assemble(batch, made);
                let mut state = self.lock();
                let offset = batch - state.delivered;
                state.ahead[offset].batch = Some(whole);
                drop(state);
                self.batch_ready.notify_one();
            }
        }
    }

    /// The next picture to make, once its batch is near enough; `None` when all is done.
    fn take_slot(&self) -> Option<(usize, usize)> {
        let mut state = self.lock();
        loop {
            let (batch, slot) = *self.slots.get(state.next_slot)?;
            if state.stopped {
                return None;
            }
            if batch < state.delivered + BATCHES_AHEAD {
                state.next_slot += 1;
                let len = self.request.batches[batch].len();
                while state.ahead.len() <= batch - state.delivered {
                    let made = (0..len).map(|_| None).collect();
                    state.ahead.push_back(Pending { made, missing: len, batch: None });
                }
                return Some((batch, slot));
            }
            state = self.work_allowed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Stores a picture; the one who brings the last of a batch gets them all, to assemble.
    fn put(
        &self,
        batch: usize,
        slot: usize,
        made: Result<Made>,
    ) -> Option<Vec<Option<Result<Made>>>> {
        let mut state = self.lock();
        let offset = batch - state.delivered;
        let pending = &mut state.ahead[offset];
        pending.made[slot] = Some(made);
        pending.missing -= 1;
        (pending.missing == 0).then(|| std::mem::take(&mut pending.made))
    }

    fn wait_for_next(&self) -> Result<Batch> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.ahead.front_mut().and_then(|front| front.batch.take()) {
                state.ahead.pop_front();
                state.delivered += 1;
                drop(state);
                self.work_allowed.notify_all();
                return batch;
            }
            state = self.batch_ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Request {
    fn whole_batch(&self, batch: usize) -> Result<Batch> {
        let made =
            (0..self.batches[batch].len()).map(|slot| Some(self.make(batch, slot))).collect();
        self.assemble(batch, made)
    }

    fn make(&self, batch: usize, slot: usize) -> Result<Made> {
        let place = self.batches[batch][slot];
        let (file, plan) = (&self.split.files()[place.index], self.plan(batch));
        // A transform of the user's may panic; the epoch must not wait forever for its picture.
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let prepared = self.prepared(plan, place.index)?;
            let sampling = plan.sample(&prepared, &self.key, place.position);
            Ok(Made { prepared, sampling })
        }));
        made.unwrap_or_else(|_| Err(Error::picture(file, "a transform panicked on it")))
    }

    fn plan(&self, batch: usize) -> &Plan {
        &self.plans[self.plan_of[batch]]
    }

    fn prepared(&self, plan: &Plan, index: usize) -> Result<Arc<Prepared>> {
        let (file, presize) = (&self.split.files()[index], plan.presize());
        if let Some(prepared) = self.cache.get(file, presize) {
            return Ok(prepared);
        }
        let prepared = Arc::new(plan.prepare(open_picture(file)?));
        if self.keep {
            self.cache.keep(file, presize, &prepared);
        }
        Ok(prepared)
    }

    fn assemble(&self, number: usize, made: Vec<Option<Result<Made>>>) -> Result<Batch> {
        let made: Vec<Made> = made.into_iter().flatten().collect::<Result<_>>()?;
        let pictures: Vec<_> = made
            .iter()
            .map(|one| one.sampling.picture.as_ref().unwrap_or(&one.prepared.picture))
            .collect();
        let mut pixels =
            Vec::with_capacity(pictures.iter().map(|picture| picture.pixels.len()).sum());
        let mut placed = Vec::with_capacity(pictures.len());
        for (picture, one) in pictures.iter().zip(&made) {
            placed.push(AugmentPicture {
                offset: pixels.len(),
                height: picture.height,
                width: picture.width,
                geometry: one.sampling.geometry,
                colour: one.sampling.colour,
                border: one.sampling.border,
            });
            pixels.extend_from_slice(&picture.pixels);
        }
        let indexes: Vec<usize> = self.batches[number].iter().map(|place| place.index).collect();
        let labels = self.split.labels().select(&indexes);
        Ok(Batch {
            pixels,
            shape: self.plan(number).shape(placed.len()),
            pictures: placed,
            labels,
            indexes,
        })
    }
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;
