//! A split: files with their labels; and how pictures are held out where no split is given.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::draws::Draws;
use super::labels::Labels;
use super::mersenne_twister::MersenneTwister;
use crate::Result;
use crate::picture::{Picture, PictureSize, open_picture, picture_size};

/// Which part of the pictures is held out for validation when the folders do not say.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HoldOut {
    /// Which of the disjoint parts, from 0.
    pub fold: usize,
    /// Size of a part, 0 to 1.
    pub fraction: f64,
    /// Seed of the permutation.
    pub seed: u32,
}

impl Default for HoldOut {
    /// The first fifth of the permutation of seed 42, as fastai has it.
    fn default() -> HoldOut {
        HoldOut { fold: 0, fraction: 0.2, seed: 42 }
    }
}

/// Indexes held out of `0..n`: the part number `fold` of a random permutation cut into parts of
/// `floor(fraction * n)`. Bit for bit fastai 0.7's `get_cv_idxs`, which uses numpy's legacy
/// generator. Parts beyond the end of the permutation are shorter or empty.
///
/// ```
/// use fastlearn::data::cross_validation_indexes;
/// assert_eq!(cross_validation_indexes(10, 0, 0.2, 42), [8, 1]);
/// ```
pub fn cross_validation_indexes(n: usize, fold: usize, fraction: f64, seed: u32) -> Vec<usize> {
    let mut random = MersenneTwister::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, random.up_to(i as u32) as usize);
    }
    let part = (fraction * n as f64) as usize;
    let start = fold.saturating_mul(part).min(n);
    let end = start.saturating_add(part).min(n);
    order[start..end].to_vec()
}

/// Pictures in a fixed order, with their labels if they are known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Split {
    root: Arc<Path>,
    files: Arc<[PathBuf]>,
    labels: Arc<Labels>,
    draws: Draws,
}

impl Split {
    /// Files without labels, in the order given; names are the paths as they are.
    pub fn unlabelled(files: Vec<PathBuf>) -> Split {
        Split::new(Path::new(""), files, Labels::Unknown)
    }

    /// Files with their labels, in the order given; names are the paths as they are.
    ///
    /// # Panics
    /// If labels are known and not as many as the files.
    pub fn labelled(files: Vec<PathBuf>, labels: Labels) -> Split {
        assert!(
            labels == Labels::Unknown || labels.len() == files.len(),
            "{} labels of {} files",
            labels.len(),
            files.len()
        );
        Split::new(Path::new(""), files, labels)
    }

    /// Labels are unknown or as many as `files`; names are relative to `root`.
    pub(crate) fn new(root: &Path, files: Vec<PathBuf>, labels: Labels) -> Split {
        debug_assert!(labels == Labels::Unknown || labels.len() == files.len());
        Split {
            root: root.into(),
            files: files.into(),
            labels: Arc::new(labels),
            draws: Draws::Once,
        }
    }

    /// The same with another say in how often each picture comes in training.
    pub(super) fn with_draws(&self, draws: Draws) -> Split {
        Split { draws, ..self.clone() }
    }

    /// These pictures, then others of the same folder.
    pub(super) fn followed_by(&self, others: &Split) -> Split {
        let files = self.files.iter().chain(others.files.iter()).cloned().collect();
        let mut labels = self.labels().clone();
        labels.extend(others.labels());
        Split::new(&self.root, files, labels)
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// True if there is no picture.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files, in order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What each file should be recognised as, if it is known.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// How often each picture comes in an epoch of training.
    pub fn draws(&self) -> &Draws {
        &self.draws
    }

    /// Pictures in an epoch of training: more than [`len`](Split::len) where some come several times.
    pub fn epoch_len(&self) -> usize {
        self.draws.count(self.len())
    }

    /// Name of a picture for people and result files: its path within the data folder. Bytes that
    /// are not UTF-8 are replaced; the file itself is found all the same.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Split::len).
    pub fn name(&self, index: usize) -> Cow<'_, str> {
        let path = &self.files[index];
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy()
    }

    /// The name of every picture, in order; see [`name`](Split::name).
    pub fn file_names(&self) -> Vec<String> {
        (0..self.len()).map(|index| self.name(index).into_owned()).collect()
    }

    /// Decodes one picture as it is on disk.
    ///
    /// # Errors
    /// As [`open_picture`].
    ///
    /// # Panics
    /// If `index` is not below [`len`](Split::len).
    pub fn open(&self, index: usize) -> Result<Picture> {
        open_picture(&self.files[index])
    }

    /// Width and height of every picture as it is upright, read in parallel from the files' beginnings
    /// without decoding any.
    ///
    /// # Errors
    /// Each by itself: a file that cannot be read or is no picture. One that is damaged further on is not
    /// noticed here.
    pub fn sizes(&self) -> Vec<Result<PictureSize>> {
        self.files.par_iter().map(|file| picture_size(file)).collect()
    }

    /// These pictures only, in this order.
    ///
    /// # Panics
    /// If an index is not below [`len`](Split::len).
    pub fn select(&self, indexes: &[usize]) -> Split {
        let files = indexes.iter().map(|&i| self.files[i].clone()).collect();
        let selected = Split::new(&self.root, files, self.labels.select(indexes));
        selected.with_draws(self.draws.select(indexes))
    }

    /// At most `limit` pictures, as evenly by class as there are pictures, spread over each class; where
    /// a picture has several classes or they are not known, spread over all pictures.
    pub fn limited(&self, limit: usize) -> Split {
        if limit >= self.len() {
            return self.clone();
        }
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for index in 0..self.len() {
            let label = self.labels.one().map_or(0, |classes| classes[index] as usize);
            classes.resize_with(classes.len().max(label + 1), Vec::new);
            classes[label].push(index);
        }
        let mut shares = vec![0; classes.len()];
        let mut left = limit;
        // One picture for each class in turn. Ends: limit is below the number of pictures.
        while left > 0 {
            for (share, class) in shares.iter_mut().zip(&classes) {
                if left > 0 && *share < class.len() {
                    *share += 1;
                    left -= 1;
                }
            }
        }
        let spread = |(class, &share): (&Vec<usize>, &usize)| -> Vec<usize> {
            (0..share).map(|i| class[i * class.len() / share]).collect()
        };
        let mut chosen: Vec<usize> = classes.iter().zip(&shares).flat_map(spread).collect();
        chosen.sort_unstable();
        self.select(&chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(mut indexes: Vec<usize>) -> Vec<usize> {
        indexes.sort_unstable();
        indexes
    }

    #[test]
    fn cross_validation_agrees_with_numpy() {
        assert_eq!(cross_validation_indexes(10, 0, 0.2, 42), [8, 1]);

        let hundred = cross_validation_indexes(100, 0, 0.2, 42);
        assert_eq!(hundred[..10], [83, 53, 70, 45, 44, 39, 22, 80, 10, 0]);
        assert_eq!((hundred.len(), hundred.iter().sum::<usize>()), (20, 890));

        let breeds = cross_validation_indexes(10_222, 0, 0.2, 42);
        assert_eq!(breeds[..10], [2882, 4514, 7717, 33, 4924, 532, 8028, 5860, 6054, 1543]);
        assert_eq!((breeds.len(), breeds.iter().sum::<usize>()), (2044, 10_320_706));
        assert_eq!(sorted(breeds)[..8], [0, 3, 8, 10, 12, 14, 19, 20]);

        let planet = cross_validation_indexes(40_479, 0, 0.2, 42);
        let first = [34602, 11243, 14499, 18918, 30631, 21503, 39602, 27556, 19889, 31739];
        assert_eq!(planet[..10], first);
        assert_eq!((planet.len(), planet.iter().sum::<usize>()), (8095, 163_567_548));
        assert_eq!(sorted(planet)[..6], [1, 4, 7, 13, 23, 34]);
    }

    #[test]
    fn folds_are_disjoint_and_end_with_the_permutation() {
        let all: Vec<usize> =
            (0..5).flat_map(|k| cross_validation_indexes(53, k, 0.2, 7)).collect();
        let mut unique = sorted(all);
        assert_eq!(unique.len(), 50);
        unique.dedup();
        assert_eq!(unique.len(), 50);
        assert_eq!(cross_validation_indexes(53, 5, 0.2, 7).len(), 3);
        assert!(cross_validation_indexes(53, usize::MAX, 0.2, 7).is_empty());
        assert!(cross_validation_indexes(0, 0, 0.2, 42).is_empty());
    }

    #[test]
    fn a_limit_takes_evenly_from_each_class() {
        let labels: Vec<u32> = [vec![0; 2], vec![1; 30], vec![2; 30]].concat();
        let files = (0..62).map(|i| PathBuf::from(format!("{i}.png"))).collect();
        let split = Split::new(Path::new(""), files, Labels::One(labels));
        let limited = split.limited(21);
        assert_eq!(limited.labels().counts(3), [2, 10, 9]);
        assert_eq!(limited.name(2), "2.png");
        assert_eq!(limited.name(3), "5.png");
        assert_eq!(split.limited(100).len(), 62);
    }
}
