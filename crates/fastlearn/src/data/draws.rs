//! How often each training picture comes in an epoch: once, as whole copies, or drawn by weight.
//!
//! Only the order of training is concerned. A split still lists each picture once, activations are
//! computed once for each, and copies cannot come into validation. Each copy has its own place in the
//! epoch, so each is augmented differently.

use std::sync::Arc;

use tensor_core::random::Philox;

use super::ImageData;
use super::labels::{LabelKind, Labels};
use crate::transforms::Purpose;
use crate::{Error, Result};

/// How often each picture of a split comes in an epoch of training.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub enum Draws {
    /// Each picture once.
    #[default]
    Once,
    /// Each picture so many times.
    Copies(Arc<[usize]>),
    /// As many draws as there are pictures, each with a probability in proportion to its weight, with
    /// replacement.
    Weighted(Arc<[f64]>),
}

impl Draws {
    /// The pictures of one epoch before they are shuffled; `len` pictures there are.
    pub fn pictures(&self, len: usize, seed: u64, epoch: usize) -> Vec<usize> {
        match self {
            Draws::Once => (0..len).collect(),
            Draws::Copies(copies) => {
                let copies = copies.iter().enumerate();
                copies.flat_map(|(index, &count)| std::iter::repeat_n(index, count)).collect()
            }
            Draws::Weighted(weights) => weighted(weights, seed, epoch),
        }
    }

    /// Pictures in an epoch, of a split of `len`.
    pub fn count(&self, len: usize) -> usize {
        match self {
            Draws::Once | Draws::Weighted(_) => len,
            Draws::Copies(copies) => copies.iter().sum(),
        }
    }

    /// The same for these pictures only, in this order.
    pub(super) fn select(&self, indexes: &[usize]) -> Draws {
        match self {
            Draws::Once => Draws::Once,
            Draws::Copies(copies) => Draws::Copies(indexes.iter().map(|&i| copies[i]).collect()),
            Draws::Weighted(weights) => {
                Draws::Weighted(indexes.iter().map(|&i| weights[i]).collect())
            }
        }
    }
}

fn weighted(weights: &[f64], seed: u64, epoch: usize) -> Vec<usize> {
    let mut sum = 0.0;
    let ends: Vec<f64> = weights
        .iter()
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect();
    let random = Philox::new(seed).derive(Purpose::Draw as u64);
    let mut stream = random.stream([epoch as u32, 0, 0]);
    let mut draw = || {
        // 53 bits: with fewer, the last of millions of pictures would come too rarely.
        let bits = (u64::from(stream.next_u32()) << 21) | u64::from(stream.next_u32() >> 11);
        let at = bits as f64 / (1u64 << 53) as f64 * sum;
        // The first whose end lies beyond; pictures of weight 0 have no room before theirs.
        ends.partition_point(|&end| end <= at).min(weights.len() - 1)
    };
    (0..weights.len()).map(|_| draw()).collect()
}

/// How many copies of each picture bring its rarest class up to the target, at most `most`.
fn copies(labels: &Labels, classes: usize, kind: LabelKind, most: usize) -> Vec<usize> {
    let counts = labels.counts(classes);
    let target = match kind {
        LabelKind::One => counts.iter().copied().max().unwrap_or(0),
        // With several classes a picture, the commonest are in nearly all, copies included.
        LabelKind::Several => median(&counts),
    };
    let of = |index: usize| {
        let rarest = labels.of(index).iter().map(|&class| counts[class as usize]).min();
        let needed = rarest.map_or(1, |count| (target as f64 / count as f64).round() as usize);
        needed.clamp(1, most)
    };
    (0..labels.len()).map(of).collect()
}

fn median(counts: &[usize]) -> usize {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

impl ImageData {
    /// Rare classes come more often in training, as whole copies of their pictures, each copy augmented
    /// differently: up to as many as the commonest class has pictures (where a picture has several
    /// classes, its rarest counts, up to the median class), but at most `most` copies of any.
    ///
    /// Probabilities then follow the evened classes, not those of the data. It concerns the training
    /// pictures of now: hold out and limit first.
    ///
    /// # Errors
    /// [`Error::Setting`] if `most` is 0.
    pub fn oversample(mut self, most: usize) -> Result<ImageData> {
        if most == 0 {
            return Err(Error::setting("the most copies of a picture", 0, "it must be at least 1"));
        }
        let copies = copies(self.train.labels(), self.classes.len(), self.kind, most);
        self.train = self.train.with_draws(Draws::Copies(copies.into()));
        Ok(self)
    }

    /// Training pictures are drawn with replacement, in proportion to a weight for each.
    ///
    /// # Errors
    /// [`Error::Setting`] unless there is a weight for each training picture, none below 0 and one above.
    pub fn weighted(mut self, weights: Vec<f64>) -> Result<ImageData> {
        let rule = "there must be one for each training picture, finite and from 0, not all 0";
        let are_weights = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
        let sum: f64 = weights.iter().sum();
        if weights.len() != self.train.len() || !are_weights || !(sum > 0.0 && sum.is_finite()) {
            let given = format!("{} numbers with the sum {sum}", weights.len());
            return Err(Error::setting("the weights", given, rule));
        }
        self.train = self.train.with_draws(Draws::Weighted(weights.into()));
        Ok(self)
    }

    /// Training pictures drawn so that every class comes equally often on average: weighted by one over
    /// the number of pictures of their (rarest) class.
    ///
    /// # Errors
    /// None in practice: there are pictures.
    pub fn balanced(self) -> Result<ImageData> {
        let labels = self.train.labels();
        let counts = labels.counts(self.classes.len());
        let weight = |index: usize| {
            let rarest = labels.of(index).iter().map(|&class| counts[class as usize]).min();
            1.0 / rarest.unwrap_or(labels.len()).max(1) as f64
        };
        let weights = (0..labels.len()).map(weight).collect();
        self.weighted(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_bring_rare_classes_up() {
        let one = Labels::One([vec![0; 12], vec![1; 5], vec![2; 1]].concat());
        let drawn = Draws::Copies(copies(&one, 3, LabelKind::One, 100).into());
        let classes = one.select(&drawn.pictures(18, 0, 0));
        assert_eq!(classes.counts(3), [12, 10, 12]);
        assert_eq!(drawn.count(18), 34);
        assert_eq!(copies(&one, 3, LabelKind::One, 3)[17], 3);

        let several = Labels::several(vec![vec![0], vec![0, 1], vec![0, 1], vec![0, 1, 2], vec![]]);
        assert_eq!(copies(&several, 3, LabelKind::Several, 100), [1, 1, 1, 3, 1]);
    }

    #[test]
    fn weights_decide_how_often_pictures_come() {
        let mut weights = vec![1.0; 4000];
        weights[..1000].fill(3.0);
        weights[3000..].fill(0.0);
        let draws = Draws::Weighted(weights.into());
        let drawn = draws.pictures(4000, 7, 0);
        assert_eq!(drawn.len(), 4000);
        let part = |range: std::ops::Range<usize>| {
            drawn.iter().filter(|index| range.contains(index)).count() as f64 / 4000.0
        };
        assert_eq!(part(3000..4000), 0.0);
        // 4000 draws of probability 0.6: five standard deviations are 0.039.
        assert!((part(0..1000) - 0.6).abs() < 0.039, "{}", part(0..1000));
        assert_eq!(draws.pictures(4000, 7, 0), drawn);
        assert_ne!(draws.pictures(4000, 7, 1), drawn);
        assert_ne!(draws.pictures(4000, 8, 0), drawn);
    }

    #[test]
    fn a_selection_keeps_its_copies() {
        let draws = Draws::Copies([1, 5, 2].into());
        assert_eq!(draws.select(&[2, 1]), Draws::Copies([2, 5].into()));
        assert_eq!(Draws::Once.select(&[2]), Draws::Once);
    }
}
