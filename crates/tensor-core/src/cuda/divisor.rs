//! Divisors that kernels divide indices by, with a multiplication and a shift: the host's half of
//! `kernels/common/divide.cuh`.

use super::launch::DeviceParameter;

/// A divisor and its reciprocal, exact for every index below 2^31.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Divisor {
    value: u32,
    multiplier: u32,
    shift: u32,
}

// SAFETY: three words without padding, the kernels' `Divisor`.
unsafe impl DeviceParameter for Divisor {}

impl Divisor {
    /// Source: Granlund and Montgomery 1994, the round-up method.
    pub fn new(value: i32) -> Divisor {
        let value = value.max(1).unsigned_abs();
        let shift = value.next_power_of_two().ilog2();
        let above = (1u64 << shift) - u64::from(value);
        let multiplier = (above << 32) / u64::from(value) + 1;
        Divisor { value, multiplier: multiplier as u32, shift }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernels do it.
    fn divide(index: u32, by: Divisor) -> u32 {
        let high = (u64::from(index) * u64::from(by.multiplier)) >> 32;
        (high as u32 + index) >> by.shift
    }

    #[test]
    fn quotients_are_exact_at_every_edge() {
        let largest = i32::MAX.unsigned_abs();
        let divisors =
            (1..300).chain([641, 12_544, 65_535, 65_537, 1 << 30, i32::MAX - 1, i32::MAX]);
        for value in divisors {
            let by = Divisor::new(value);
            let value = value.unsigned_abs();
            let multiples = [1, 2, 3, 7, 1000, largest / value / 2, largest / value];
            let edges = multiples.iter().filter_map(|&times| value.checked_mul(times));
            let near = edges.flat_map(|edge| [edge.saturating_sub(1), edge, edge + 1]);
            for index in near.chain([0, largest]).filter(|&index| index <= largest) {
                assert_eq!(divide(index, by), index / value, "{index} / {value}");
            }
        }
    }
}
