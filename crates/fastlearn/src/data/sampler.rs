//! Which pictures make up which batch: order, ranks of a data-parallel run, and batch bounds.

use tensor_core::random::Philox;

use super::draws::Draws;
use crate::transforms::Purpose;

/// One picture's place in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index into the split.
    pub index: usize,
    /// Position in the epoch's order over all ranks; the random draws hang on it.
    pub position: usize,
}

/// Order in which a split is gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As in the split, each picture once, also over several ranks.
    Sequential,
    /// Anew for each epoch. With several ranks some pictures come twice, so that every rank has
    /// as many. A last batch of one picture is merged with the one before: batch norm cannot
    /// learn from one.
    Shuffled {
        /// Seed of the run.
        seed: u64,
        /// Epoch, from 0.
        epoch: usize,
    },
}

/// Share of a data-parallel run: this process is `rank` of `world_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub rank: usize,
    /// Number of processes, at least 1.
    pub world_size: usize,
}

impl Default for Shard {
    fn default() -> Shard {
        Shard { rank: 0, world_size: 1 }
    }
}

/// The batches of one epoch for one rank, each of `batch_size` pictures but the last.
///
/// Ranks take turns in the common order, so the ranks' batches number `i` together are the batch
/// number `i` of a single process with the batch size of all of them.
pub fn epoch_batches(len: usize, batch_size: usize, order: Order, shard: Shard) -> Vec<Vec<Place>> {
    let (batch_size, world_size) = (batch_size.max(1), shard.world_size.max(1));
    let mut indexes: Vec<usize> = (0..len).collect();
    if let Order::Shuffled { seed, epoch } = order {
        let random = Philox::new(seed).derive(Purpose::Shuffle as u64);
        random.stream([epoch as u32, 0, 0]).shuffle(&mut indexes);
        let even = len.next_multiple_of(world_size);
        indexes = indexes.iter().copied().cycle().take(even).collect();
    }
    let places: Vec<Place> = indexes
        .into_iter()
        .enumerate()
        .map(|(position, index)| Place { index, position })
        .skip(shard.rank)
        .step_by(world_size)
        .collect();
    let mut batches: Vec<Vec<Place>> = places.chunks(batch_size).map(<[Place]>::to_vec).collect();
    if matches!(order, Order::Shuffled { .. }) && batches.len() > 1 {
        batches = merge_single_last(batches);
    }
    batches
}

/// As [`epoch_batches`], where in training some pictures come several times or not at all.
pub fn drawn_batches(
    draws: &Draws,
    len: usize,
    batch_size: usize,
    order: Order,
    shard: Shard,
) -> Vec<Vec<Place>> {
    let Order::Shuffled { seed, epoch } = order else {
        return epoch_batches(len, batch_size, order, shard);
    };
    let drawn = draws.pictures(len, seed, epoch);
    let mut batches = epoch_batches(drawn.len(), batch_size, order, shard);
    for place in batches.iter_mut().flatten() {
        place.index = drawn[place.index];
    }
    batches
}

fn merge_single_last(mut batches: Vec<Vec<Place>>) -> Vec<Vec<Place>> {
    if batches.last().is_some_and(|last| last.len() == 1) {
        let single = batches.pop().unwrap_or_default();
        if let Some(last) = batches.last_mut() {
            last.extend(single);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Shard = Shard { rank: 0, world_size: 1 };

    fn indexes(batches: &[Vec<Place>]) -> Vec<usize> {
        batches.iter().flatten().map(|place| place.index).collect()
    }

    #[test]
    fn every_picture_comes_once_in_a_new_order_each_epoch() {
        let epoch =
            |seed, epoch| indexes(&epoch_batches(100, 16, Order::Shuffled { seed, epoch }, ALONE));
        let first = epoch(1, 0);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_ne!(first, sorted);
        assert_eq!(first, epoch(1, 0));
        assert_ne!(first, epoch(1, 1));
        assert_ne!(first, epoch(2, 0));
    }

    #[test]
    fn a_last_batch_of_one_is_merged_in_training_only() {
        let sizes = |len, order| -> Vec<usize> {
            epoch_batches(len, 4, order, ALONE).iter().map(Vec::len).collect()
        };
        let shuffled = Order::Shuffled { seed: 0, epoch: 0 };
        assert_eq!(sizes(9, shuffled), [4, 5]);
        assert_eq!(sizes(10, shuffled), [4, 4, 2]);
        assert_eq!(sizes(1, shuffled), [1]);
        assert_eq!(sizes(9, Order::Sequential), [4, 4, 1]);
        assert_eq!(sizes(0, shuffled), [0; 0]);
    }

    #[test]
    fn ranks_share_the_batches_of_one_process() {
        let order = Order::Shuffled { seed: 3, epoch: 2 };
        let alone = epoch_batches(24, 8, order, ALONE);
        let ranks = [0, 1].map(|rank| epoch_batches(24, 4, order, Shard { rank, world_size: 2 }));
        for (number, batch) in alone.iter().enumerate() {
            let mut together = [ranks[0][number].clone(), ranks[1][number].clone()].concat();
            together.sort_by_key(|place| place.position);
            assert_eq!(&together, batch);
        }
    }

    #[test]
    fn ranks_are_even_in_training_and_exact_in_validation() {
        let order = Order::Shuffled { seed: 3, epoch: 2 };
        let lens = |order| {
            [0, 1, 2].map(|rank| {
                indexes(&epoch_batches(10, 4, order, Shard { rank, world_size: 3 })).len()
            })
        };
        assert_eq!(lens(order), [4, 4, 4]);
        assert_eq!(lens(Order::Sequential), [4, 3, 3]);
    }
}
