//! Blocks cut from segments of address space that are taken at once: the best fit is cut, free
//! neighbours are joined again. Where untouched memory costs nothing, blocks of all sizes then share the
//! same bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::Address;

/// The free ranges of all segments.
#[derive(Default)]
pub(super) struct Segments {
    /// Where each segment begins, and its length.
    segments: BTreeMap<Address, usize>,
    /// Free ranges by where they begin, and by length.
    by_address: BTreeMap<Address, usize>,
    by_length: BTreeSet<(usize, Address)>,
}

impl Segments {
    /// Makes a new segment free.
    pub fn add(&mut self, address: Address, length: usize) {
        self.segments.insert(address, length);
        self.insert(address, length);
    }

    /// A block from the smallest free range that has room for it.
    pub fn take(&mut self, length: usize) -> Option<Address> {
        let &(free, address) = self.by_length.range((length, 0)..).next()?;
        self.remove(address, free);
        if free > length {
            self.insert(address + length as Address, free - length);
        }
        Some(address)
    }

    /// Takes a block back.
    pub fn put_back(&mut self, address: Address, length: usize) {
        let (mut first, mut length) = (address, length);
        let end = address + length as Address;
        if let Some((&before, &free)) = self.by_address.range(..address).next_back()
            && before + free as Address == address
            && !self.segments.contains_key(&address)
        {
            self.remove(before, free);
            (first, length) = (before, length + free);
        }
        if let Some(&free) = self.by_address.get(&end)
            && !self.segments.contains_key(&end)
        {
            self.remove(end, free);
            length += free;
        }
        self.insert(first, length);
    }

    /// Forgets and returns the segments of which nothing is in use.
    pub fn remove_unused(&mut self) -> Vec<(Address, usize)> {
        let is_free =
            |(address, length): &(&Address, &usize)| self.by_address.get(*address) == Some(*length);
        let unused: Vec<(Address, usize)> = self
            .segments
            .iter()
            .filter(is_free)
            .map(|(&address, &length)| (address, length))
            .collect();
        for &(address, length) in &unused {
            self.segments.remove(&address);
            self.remove(address, length);
        }
        unused
    }

    fn insert(&mut self, address: Address, length: usize) {
        self.by_address.insert(address, length);
        self.by_length.insert((length, address));
    }

    fn remove(&mut self, address: Address, length: usize) {
        self.by_address.remove(&address);
        self.by_length.remove(&(length, address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_fit_is_cut_and_neighbours_are_joined() {
        let mut segments = Segments::default();
        segments.add(1000, 100);
        let [a, b, c] = [30, 20, 50].map(|length| segments.take(length).expect("room"));
        assert_eq!([a, b, c], [1000, 1030, 1050]);
        assert_eq!(segments.take(1), None);
        segments.put_back(a, 30);
        segments.put_back(c, 50);
        assert_eq!(segments.take(25), Some(1000), "the smaller of two that would do");
        segments.put_back(1000, 25);
        segments.put_back(b, 20);
        assert_eq!(segments.take(100), Some(1000), "all in one piece again");
    }

    #[test]
    fn blocks_never_span_segments_that_happen_to_touch() {
        let mut segments = Segments::default();
        segments.add(1000, 100);
        segments.add(1100, 100);
        assert_eq!(segments.take(150), None);
        let [a, b] = [100, 100].map(|length| segments.take(length).expect("room"));
        assert_eq!([a, b], [1000, 1100]);
        segments.put_back(b, 100);
        assert_eq!(segments.remove_unused(), [(1100, 100)]);
        segments.put_back(a, 100);
        assert_eq!(segments.remove_unused(), [(1000, 100)]);
        assert_eq!(segments.take(1), None);
    }

    #[test]
    fn any_order_of_taking_and_giving_back_ends_where_it_began() {
        let mut segments = Segments::default();
        segments.add(0, 1 << 20);
        let mut random = crate::random::Philox::new(1).stream([0; 3]);
        let mut held: Vec<(Address, usize)> = Vec::new();
        for _ in 0..2000 {
            let draw = random.next_u32() as usize;
            if draw.is_multiple_of(2)
                && let Some(address) = segments.take(1 + draw % 9000)
            {
                held.push((address, 1 + draw % 9000));
            } else if !held.is_empty() {
                let (address, length) = held.swap_remove(draw / 2 % held.len());
                segments.put_back(address, length);
            }
            held.sort_unstable();
            let overlap = held.windows(2).any(|two| two[0].0 + two[0].1 as Address > two[1].0);
            assert!(!overlap);
        }
        held.into_iter().for_each(|(address, length)| segments.put_back(address, length));
        assert_eq!(segments.take(1 << 20), Some(0));
    }
}
