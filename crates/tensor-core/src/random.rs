//! Counter-based random numbers: the same key and counter give the same numbers on every machine,
//! in any order, from any thread.
//!
//! The generator is Philox4x32-10 of Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*
//! (SC 2011). What the keys and counters mean is decided by those who use it.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// A keyed family of random blocks, addressed by a 128-bit counter.
///
/// ```
/// use tensor_core::random::Philox;
/// let random = Philox::new(42);
/// assert_eq!(random.block([7, 0, 0, 0]), random.block([7, 0, 0, 0]));
/// assert_ne!(random.block([7, 0, 0, 0]), random.block([8, 0, 0, 0]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
}

impl Philox {
    /// The family of this key.
    pub fn new(key: u64) -> Philox {
        Philox { key: [key as u32, (key >> 32) as u32] }
    }

    /// A family of its own for a purpose or a layer within this one.
    pub fn derive(&self, purpose: u64) -> Philox {
        let block = self.block([purpose as u32, (purpose >> 32) as u32, u32::MAX, u32::MAX]);
        Philox { key: [block[0], block[1]] }
    }

    /// The key as one number, to hand to a kernel.
    pub fn key(&self) -> u64 {
        u64::from(self.key[0]) | u64::from(self.key[1]) << 32
    }

    /// Four independent uniform 32-bit words for this counter.
    #[inline(always)]
    pub fn block(&self, counter: [u32; 4]) -> [u32; 4] {
        let (mut counter, mut key) = (counter, self.key);
        for round in 0..ROUNDS {
            if round > 0 {
                key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
            }
            let left = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
            let right = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
            counter = [
                (right >> 32) as u32 ^ counter[1] ^ key[0],
                right as u32,
                (left >> 32) as u32 ^ counter[3] ^ key[1],
                left as u32,
            ];
        }
        counter
    }

    /// A stream that draws one number after the other, beginning at `counter` (its lowest word
    /// counts the blocks).
    pub fn stream(&self, counter: [u32; 3]) -> RandomStream {
        let counter = [0, counter[0], counter[1], counter[2]];
        RandomStream { random: *self, counter, block: [0; 4], used: 4 }
    }
}

/// Maps a random word to `[0, 1)` with 24 bits, exactly representable in `f32`.
#[inline(always)]
pub fn unit_f32(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// Numbers drawn one after the other from one [`Philox`] family.
#[derive(Debug, Clone)]
pub struct RandomStream {
    random: Philox,
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl RandomStream {
    /// The next uniform word.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = self.random.block(self.counter);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The next number, uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f32 {
        unit_f32(self.next_u32())
    }

    /// The next number, uniform in `[low, high)`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// The next standard normal number (Box-Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * f64::ln(1.0 - f64::from(self.unit()))).sqrt();
        let angle = std::f64::consts::TAU * f64::from(self.unit());
        (radius * angle.cos()) as f32
    }

    /// The next index, uniform below `bound` (without bias; `bound` of 0 gives 0).
    pub fn below(&mut self, bound: usize) -> usize {
        if bound <= 1 {
            return 0;
        }
        let bound = bound as u32;
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if product as u32 >= threshold {
                return (product >> 32) as usize;
            }
        }
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Puts a slice into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with the Random123 library.
    #[test]
    fn philox_gives_the_published_answers() {
        let zero = Philox::new(0).block([0; 4]);
        assert_eq!(zero, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = Philox::new(u64::MAX).block([u32::MAX; 4]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = Philox::new(0x299f_31d0_a409_3822).block([
            0x243f_6a88,
            0x85a3_08d3,
            0x1319_8a2e,
            0x0370_7344,
        ]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn streams_have_the_moments_of_their_distributions() {
        let mut stream = Philox::new(1).stream([0; 3]);
        let draws = 100_000;
        let mean = (0..draws).map(|_| f64::from(stream.unit())).sum::<f64>() / f64::from(draws);
        assert!((mean - 0.5).abs() < 0.005, "mean {mean}");
        let squares = (0..draws).map(|_| f64::from(stream.normal()).powi(2)).sum::<f64>();
        assert!((squares / f64::from(draws) - 1.0).abs() < 0.02);
        let mut seen = [0; 7];
        (0..70_000).for_each(|_| seen[stream.below(7)] += 1);
        assert!(seen.iter().all(|&count| (9_500..10_500).contains(&count)), "{seen:?}");
    }
}
