//! Vector registers behind one trait, and [`dispatch!`], which compiles a function once for each
//! instruction set. What is computed with them lives in the families' own files.

/// Lanes of the widest register.
pub(super) const MOST_LANES: usize = 16;

/// A register of `f32` lanes.
///
/// Every function is unsafe for the same reason: it may only run where the processor has the
/// instructions of the implementing type, inlined into a function compiled for them. Pointers need
/// no alignment beyond that of `f32`.
pub(super) trait Vector: Copy {
    /// Floats in a register.
    const LANES: usize;

    /// All lanes zero.
    unsafe fn zero() -> Self;

    /// All lanes `value`.
    unsafe fn splat(value: f32) -> Self;

    /// `LANES` floats from `from`.
    unsafe fn load(from: *const f32) -> Self;

    /// The first `count < LANES` floats from `from`, the other lanes zero; reads no further.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;

    /// `LANES` floats to `to`.
    unsafe fn store(self, to: *mut f32);

    /// The first `count < LANES` lanes to `to`; writes no further.
    unsafe fn store_first(self, to: *mut f32, count: usize);

    /// Lane by lane `self + other`.
    unsafe fn add(self, other: Self) -> Self;

    /// Lane by lane `self + left * right`.
    unsafe fn add_product(self, left: Self, right: Self) -> Self;

    /// Lane `i` is lane `lanes[i]`, a number below `LANES`; the first `LANES` of them count.
    unsafe fn permute(self, lanes: &[i32; MOST_LANES]) -> Self;

    /// Asks for the cache line at `address`, which may be anywhere.
    unsafe fn prefetch(address: *const f32);

    /// The same, into the second-level cache alone.
    unsafe fn prefetch_second_level(address: *const f32);
}

/// Eight lanes in plain Rust, for every processor.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

impl Vector for Portable {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Portable([0.0; 8])
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Portable([value; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for eight floats; an array of them has a float's alignment.
        Portable(unsafe { from.cast::<[f32; 8]>().read() })
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        let mut lanes = [0.0; 8];
        // SAFETY: the caller vouches for `count < 8` floats.
        unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count) };
        Portable(lanes)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for eight floats.
        unsafe { to.cast::<[f32; 8]>().write(self.0) };
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        // SAFETY: the caller vouches for `count < 8` floats.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, count) };
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Portable(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }

    #[inline(always)]
    unsafe fn add_product(self, left: Self, right: Self) -> Self {
        // Not `f32::mul_add`: without the instruction that is a library call a lane.
        Portable(std::array::from_fn(|lane| self.0[lane] + left.0[lane] * right.0[lane]))
    }

    #[inline(always)]
    unsafe fn permute(self, lanes: &[i32; MOST_LANES]) -> Self {
        Portable(std::array::from_fn(|lane| self.0[lanes[lane] as usize]))
    }

    #[inline(always)]
    unsafe fn prefetch(_address: *const f32) {}

    #[inline(always)]
    unsafe fn prefetch_second_level(_address: *const f32) {}
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{MOST_LANES, Vector};

    /// Eight lanes, with fused multiply-add.
    #[derive(Clone, Copy)]
    pub(in crate::cpu) struct Avx2(__m256);

    impl Avx2 {
        /// All bits set in the first `count` lanes.
        #[inline(always)]
        unsafe fn mask(count: usize) -> __m256i {
            // SAFETY: the trait's callers run this only where AVX2 is there.
            unsafe {
                let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
            }
        }
    }

    // SAFETY (of all functions below): the trait's callers vouch for AVX2, FMA and the pointers; a
    // masked access touches no lane whose mask is clear.
    impl Vector for Avx2 {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: as said above the implementation.
            Avx2(unsafe { _mm256_setzero_ps() })
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as said above the implementation.
            Avx2(unsafe { _mm256_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as said above the implementation.
            Avx2(unsafe { _mm256_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> Self {
            // SAFETY: as said above the implementation.
            Avx2(unsafe { _mm256_maskload_ps(from, Avx2::mask(count)) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as said above the implementation.
            unsafe { _mm256_storeu_ps(to, self.0) };
        }

        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, count: usize) {
            // SAFETY: as said above the implementation.
            unsafe { _mm256_maskstore_ps(to, Avx2::mask(count), self.0) };
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as said above the implementation.
            Avx2(unsafe { _mm256_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        unsafe fn add_product(self, left: Self, right: Self) -> Self {
            // SAFETY: as said above the implementation.
            Avx2(unsafe { _mm256_fmadd_ps(left.0, right.0, self.0) })
        }

        #[inline(always)]
        unsafe fn permute(self, lanes: &[i32; MOST_LANES]) -> Self {
            // SAFETY: as said above the implementation; the array is longer than the register.
            Avx2(unsafe {
                _mm256_permutevar8x32_ps(self.0, _mm256_loadu_si256(lanes.as_ptr().cast()))
            })
        }

        #[inline(always)]
        unsafe fn prefetch(address: *const f32) {
            // SAFETY: a hint, which never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
        }

        #[inline(always)]
        unsafe fn prefetch_second_level(address: *const f32) {
            // SAFETY: a hint, which never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
        }
    }

    /// Sixteen lanes.
    #[derive(Clone, Copy)]
    pub(in crate::cpu) struct Avx512(__m512);

    // SAFETY (of all functions below): the trait's callers vouch for AVX-512F and the pointers; a
    // masked access touches no lane whose bit is clear.
    impl Vector for Avx512 {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: as said above the implementation.
            Avx512(unsafe { _mm512_setzero_ps() })
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as said above the implementation.
            Avx512(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as said above the implementation.
            Avx512(unsafe { _mm512_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> Self {
            // SAFETY: as said above the implementation.
            Avx512(unsafe { _mm512_maskz_loadu_ps((1 << count) - 1, from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as said above the implementation.
            unsafe { _mm512_storeu_ps(to, self.0) };
        }

        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, count: usize) {
            // SAFETY: as said above the implementation.
            unsafe { _mm512_mask_storeu_ps(to, (1 << count) - 1, self.0) };
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as said above the implementation.
            Avx512(unsafe { _mm512_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        unsafe fn add_product(self, left: Self, right: Self) -> Self {
            // SAFETY: as said above the implementation.
            Avx512(unsafe { _mm512_fmadd_ps(left.0, right.0, self.0) })
        }

        #[inline(always)]
        unsafe fn permute(self, lanes: &[i32; MOST_LANES]) -> Self {
            // SAFETY: as said above the implementation; the array is as long as the register.
            Avx512(unsafe {
                _mm512_permutexvar_ps(_mm512_loadu_si512(lanes.as_ptr().cast()), self.0)
            })
        }

        #[inline(always)]
        unsafe fn prefetch(address: *const f32) {
            // SAFETY: a hint, which never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
        }

        #[inline(always)]
        unsafe fn prefetch_second_level(address: *const f32) {
            // SAFETY: a hint, which never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
        }
    }
}

/// Compiles plain-loop functions once for each instruction set, so that the compiler vectorises
/// them for it; the function made takes an `InstructionSet` before the arguments written here.
///
/// ```ignore
/// dispatch! {
///     /// `y += a x`.
///     pub(super) fn axpy(a: f32, x: &[f32], y: &mut [f32]) {
///         for (y, x) in y.iter_mut().zip(x) {
///             *y += a * x;
///         }
///     }
/// }
/// axpy(self.instruction_set, 2.0, x, y);
/// ```
///
/// Constant parameters are allowed (`fn apply<const RELU: bool>(...)`), other generics and `self`
/// are not. Functions that the body calls must be `#[inline(always)]`, closures are as they are:
/// what is not inlined is compiled for the plainest processor. Cut work for threads outside, call
/// inside: a task that rayon runs does not inherit the instructions. The set must be one that this
/// processor has, as that of an opened `Cpu` is.
macro_rules! dispatch {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<$(const $constant:ident: $kind:ty),+>)? (
            $($argument:ident: $type:ty),* $(,)?
        ) $(-> $result:ty)? $body:block
    )+) => {$(
        $(#[$attribute])*
        $visibility fn $name $(<$(const $constant: $kind),+>)? (
            instruction_set: $crate::cpu::InstructionSet,
            $($argument: $type),*
        ) $(-> $result)? {
            #[inline(always)]
            fn plain $(<$(const $constant: $kind),+>)? ($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$(const $constant: $kind),+>)? ($($argument: $type),*) $(-> $result)? {
                plain $(::<$($constant),+>)? ($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512bw,avx512vl")]
            fn avx512 $(<$(const $constant: $kind),+>)? ($($argument: $type),*) $(-> $result)? {
                plain $(::<$($constant),+>)? ($($argument),*)
            }

            debug_assert!(instruction_set.is_available());
            match instruction_set {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: an opened `Cpu` has checked that the processor has these instructions.
                $crate::cpu::InstructionSet::Avx512 => unsafe {
                    avx512 $(::<$($constant),+>)? ($($argument),*)
                },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::cpu::InstructionSet::Avx2 => unsafe {
                    avx2 $(::<$($constant),+>)? ($($argument),*)
                },
                _ => plain $(::<$($constant),+>)? ($($argument),*),
            }
        }
    )+};
}
pub(super) use dispatch;

#[cfg(test)]
mod tests {
    use crate::InstructionSet;

    dispatch! {
        /// Sums `left[i] * right[i]` and optionally doubles it.
        fn dot<const DOUBLE: bool>(left: &[f32], right: &[f32]) -> f32 {
            let dot: f32 = left.iter().zip(right).map(|(left, right)| left * right).sum();
            if DOUBLE { 2.0 * dot } else { dot }
        }

        fn axpy(factor: f32, x: &[f32], y: &mut [f32]) {
            for (y, x) in y.iter_mut().zip(x) {
                *y += factor * x;
            }
        }
    }

    #[test]
    fn dispatched_functions_agree_on_every_instruction_set() {
        let x: Vec<f32> = (0..37).map(|i| i as f32).collect();
        let expected: f32 = 2.0 * (0..37).map(|i| (i * i) as f32).sum::<f32>();
        for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
            assert_eq!(dot::<true>(set, &x, &x), expected, "{set}");
            let mut y = x.clone();
            axpy(set, 2.0, &x, &mut y);
            assert!(y.iter().zip(&x).all(|(y, x)| *y == 3.0 * x), "{set}");
        }
    }
}
