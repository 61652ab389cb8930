//! What the tests of the row-wise families share.

use crate::cpu::{Cpu, CpuOptions, InstructionSet};
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::random::Philox;
use crate::{Element, memory::Address};

/// Both ways to write a gradient.
pub(in crate::cpu) const MODES: [WriteMode; 2] = [WriteMode::Write, WriteMode::Accumulate];

/// A vector's elements for reading.
pub(in crate::cpu) fn read<T: Element>(from: &[T]) -> Slice<'_> {
    // SAFETY: the borrow keeps the elements alive and unwritten.
    unsafe { Slice::from_raw(from.as_ptr() as Address, from.len(), T::DTYPE, true) }
}

/// A vector's elements for writing.
pub(in crate::cpu) fn write<T: Element>(to: &mut [T]) -> SliceMut<'_> {
    // SAFETY: the borrow is unique.
    unsafe { SliceMut::from_raw(to.as_mut_ptr() as Address, to.len(), T::DTYPE, true) }
}

/// What lies at a destination before a kernel writes it: numbers to add to, else not-a-numbers.
pub(in crate::cpu) fn before(mode: WriteMode, len: usize) -> Vec<f32> {
    match mode {
        WriteMode::Write => vec![f32::NAN; len],
        WriteMode::Accumulate => normal(len, 77),
    }
}

/// A destination over a vector.
pub(in crate::cpu) fn destination(to: &mut [f32], mode: WriteMode) -> Destination<'_> {
    Destination { slice: write(to), mode }
}

/// Standard normal numbers.
pub(in crate::cpu) fn normal(len: usize, seed: u64) -> Vec<f32> {
    let mut stream = Philox::new(seed).stream([0; 3]);
    (0..len).map(|_| stream.normal()).collect()
}

/// Runs `compute` on every instruction set that is there, checks that 1, 2 and 4 threads give the
/// same bits, and hands each set's result to `check`.
pub(in crate::cpu) fn on_all_sets(
    compute: impl Fn(&Cpu) -> Vec<f32>,
    check: impl Fn(InstructionSet, &[f32]),
) {
    for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
        let run = |threads| {
            let options = CpuOptions { threads: Some(threads), instruction_set: Some(set) };
            compute(&Cpu::new(options).expect("a set that is available"))
        };
        let result = run(1);
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        for threads in [2, 4] {
            assert!(bits(&run(threads)) == bits(&result), "{set}, {threads} threads");
        }
        check(set, &result);
    }
}

/// Asserts `|found - expected| <= tolerance * (1 + |expected|)` for each element.
#[track_caller]
pub(in crate::cpu) fn assert_close(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let distance = (f64::from(found) - expected).abs();
        let close = distance <= tolerance * (1.0 + expected.abs());
        assert!(close, "{what}: element {i} is {found}, expected {expected}");
    }
}
