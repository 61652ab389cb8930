//! The generator of numpy's `RandomState`, for splits that agree with published ones. Nothing else
//! draws from it: the rest of the workspace uses counter-based random numbers.
//!
//! Matsumoto and Nishimura, *Mersenne Twister* (ACM TOMACS 1998).

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// MT19937 seeded by one integer.
pub struct MersenneTwister {
    state: [u32; WORDS],
    next: usize,
}

impl MersenneTwister {
    pub fn new(seed: u32) -> MersenneTwister {
        let mut state = [0; WORDS];
        state[0] = seed;
        for i in 1..WORDS {
            let last: u32 = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(last ^ last >> 30).wrapping_add(i as u32);
        }
        MersenneTwister { state, next: WORDS }
    }

    pub fn next_u32(&mut self) -> u32 {
        if self.next == WORDS {
            self.refill();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn refill(&mut self) {
        for i in 0..WORDS {
            let mixed = self.state[i] & 0x8000_0000 | self.state[(i + 1) % WORDS] & 0x7fff_ffff;
            let twist = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + MIDDLE) % WORDS] ^ mixed >> 1 ^ twist;
        }
        self.next = 0;
    }

    /// Uniform in `0..=highest`, drawn as numpy's legacy shuffle does: masked and rejected.
    pub fn up_to(&mut self, highest: u32) -> u32 {
        let mask = u32::MAX.checked_shr(highest.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.next_u32() & mask;
            if value <= highest {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_outputs_for_seed_42() {
        let mut random = MersenneTwister::new(42);
        let first: Vec<u32> = (0..4).map(|_| random.next_u32()).collect();
        assert_eq!(first, [1_608_637_542, 3_421_126_067, 4_083_286_876, 787_846_414]);
    }
}
