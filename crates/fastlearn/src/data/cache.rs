//! Decoded and shrunk pictures kept in memory, so that only the first epoch decodes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::transforms::{Prepared, Presize};

/// Pictures as [`Plan::prepare`](crate::transforms::Plan::prepare) leaves them, up to a number of
/// bytes. What is in stays in: an epoch goes over all pictures alike, and dropping one to keep
/// another would only cost.
#[derive(Debug)]
pub struct PictureCache {
    limit: usize,
    pictures: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    by_file: HashMap<(PathBuf, Presize), Arc<Prepared>>,
}

impl PictureCache {
    /// An empty cache that keeps at most `limit` bytes of pixels; 0 keeps nothing.
    pub fn new(limit: usize) -> PictureCache {
        PictureCache { limit, pictures: Mutex::default() }
    }

    /// Bytes of pixels that may be kept.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of pixels kept now.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    pub(crate) fn get(&self, file: &Path, presize: Presize) -> Option<Arc<Prepared>> {
        self.lock().by_file.get(&(file.to_owned(), presize)).cloned()
    }

    pub(crate) fn keep(&self, file: &Path, presize: Presize, picture: &Arc<Prepared>) {
        let size = picture.picture.pixels.len();
        let mut kept = self.lock();
        let fits = kept.bytes.checked_add(size).is_some_and(|bytes| bytes <= self.limit);
        if fits && kept.by_file.insert((file.to_owned(), presize), picture.clone()).is_none() {
            kept.bytes += size;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
