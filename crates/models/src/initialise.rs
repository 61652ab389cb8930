//! First values of parameters, from one seeded stream.

use tensor_core::random::{Philox, RandomStream};

/// Draws first values in the order in which parameters are declared.
pub struct Initialiser {
    stream: RandomStream,
}

impl Initialiser {
    /// The values of this seed.
    pub fn new(seed: u64) -> Initialiser {
        const PURPOSE: u64 = 0x1217;
        Initialiser { stream: Philox::new(seed).derive(PURPOSE).stream([0; 3]) }
    }

    /// Normal with standard deviation `sqrt(2 / fan)` (He et al. 2015).
    pub fn kaiming_normal(&mut self, count: usize, fan: usize) -> Vec<f32> {
        let deviation = (2.0 / fan.max(1) as f32).sqrt();
        (0..count).map(|_| deviation * self.stream.normal()).collect()
    }

    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.stream.unit()).collect()
    }
}
