//! Launching kernels: arguments in the order of the kernel's parameters, then grid and block.
//!
//! ```text
//! self.launch("norm", &format!("norm_apply_{dtype}"))?
//!     .read(input)
//!     .read_optional(addend)
//!     .write(&output)
//!     .value(rows)
//!     .run([blocks, 1, 1], 256)
//! ```
//!
//! Where functions come from is in `modules.rs`.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::sys;

use super::context::Context;
use super::driver::check;
use super::modules::Function;
use crate::memory::{Slice, SliceMut};
use crate::{Error, Result};

/// The most arguments of a kernel, and the most 8-byte words that they fill: far above what any
/// kernel here takes, far below what a device does.
const ARGUMENTS: usize = 32;
const WORDS: usize = 64;

/// The most blocks along each dimension of a grid.
const GRID: [usize; 3] = [i32::MAX as usize, 65_535, 65_535];

/// A value that a kernel takes as it is.
///
/// # Safety
/// The type has no padding and the layout of the kernel's own type: a number, or a `repr(C)` struct of
/// them.
pub unsafe trait DeviceParameter: Copy + 'static {}

// SAFETY: numbers are the same on both sides.
unsafe impl DeviceParameter for f32 {}
// SAFETY: as above.
unsafe impl DeviceParameter for i32 {}
// SAFETY: as above.
unsafe impl DeviceParameter for u32 {}
// SAFETY: as above.
unsafe impl DeviceParameter for u64 {}

/// A launch being put together.
pub(super) struct Launch<'a> {
    context: &'a Context,
    function: Arc<Function>,
    words: [u64; WORDS],
    used_words: usize,
    starts: [u8; ARGUMENTS],
    arguments: usize,
    shared: usize,
}

impl<'a> Launch<'a> {
    pub fn new(context: &'a Context, function: Arc<Function>) -> Launch<'a> {
        let (words, starts) = ([0; WORDS], [0; ARGUMENTS]);
        Launch { context, function, words, used_words: 0, starts, arguments: 0, shared: 0 }
    }

    /// A pointer that the kernel reads from.
    pub fn read(self, slice: Slice) -> Self {
        self.value(slice.address())
    }

    /// A pointer that the kernel reads from, null if there is nothing to read.
    pub fn read_optional(self, slice: Option<Slice>) -> Self {
        self.value(slice.map_or(0, |slice| slice.address()))
    }

    /// A pointer that the kernel writes to.
    pub fn write(self, slice: &SliceMut) -> Self {
        self.value(slice.address())
    }

    /// A pointer that the kernel writes to, null if it is not to write there.
    pub fn write_optional(self, slice: Option<&SliceMut>) -> Self {
        self.value(slice.map_or(0, |slice| slice.address()))
    }

    /// A number or a struct of numbers.
    ///
    /// # Panics
    /// If there are more arguments than any kernel here takes.
    pub fn value<T: DeviceParameter>(mut self, value: T) -> Self {
        const { assert!(align_of::<T>() <= align_of::<u64>(), "words are aligned to 8 bytes") };
        let end = self.used_words + size_of::<T>().div_ceil(size_of::<u64>());
        let fits = end <= WORDS && self.arguments < ARGUMENTS;
        assert!(fits, "{}: too many arguments", self.function.name);
        let target = &mut self.words[self.used_words..end];
        // SAFETY: the words have room for the value and are aligned for it.
        unsafe { target.as_mut_ptr().cast::<T>().write(value) };
        self.starts[self.arguments] = self.used_words as u8;
        self.arguments += 1;
        self.used_words = end;
        self
    }

    /// Dynamic shared memory of each block, in bytes.
    pub fn shared(self, bytes: usize) -> Self {
        Launch { shared: bytes, ..self }
    }

    /// Puts the kernel into the compute stream; a grid without blocks is nothing to do.
    pub fn run(mut self, grid: [usize; 3], threads: usize) -> Result<()> {
        let name = &self.function.name;
        if grid.contains(&0) {
            return Ok(());
        }
        if grid.iter().zip(GRID).any(|(&blocks, most)| blocks > most) {
            return Err(Error::Device(format!(
                "{name}: a grid of {grid:?} blocks is beyond {GRID:?}; use a smaller batch or \
                 picture size"
            )));
        }
        if threads == 0 || threads > self.function.threads {
            return Err(Error::Device(format!(
                "{name}: {threads} threads a block, where 1 to {} can be",
                self.function.threads
            )));
        }
        self.context.begin_work()?;
        self.function.allow_shared_memory(self.shared)?;
        let words = self.words.as_mut_ptr();
        // Null where no argument was given: a kernel that takes more fails at once.
        let mut pointers = [std::ptr::null_mut::<c_void>(); ARGUMENTS];
        for (pointer, start) in pointers.iter_mut().zip(&self.starts[..self.arguments]) {
            // SAFETY: every start lies inside the words.
            *pointer = unsafe { words.add(usize::from(*start)) }.cast();
        }
        let [x, y, z] = grid.map(|blocks| blocks as u32);
        // SAFETY: function and stream are live. That number, order and types of the arguments are
        // those of the kernel is what the tests of each family show; the driver copies them before it
        // returns. Slices promise that what they point to lives; the pool gives memory that is freed
        // from here on only to later work of the same stream.
        let result = unsafe {
            sys::cuLaunchKernel(
                self.function.handle,
                x,
                y,
                z,
                threads as u32,
                1,
                1,
                self.shared as u32,
                self.context.compute,
                pointers.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        check(format_args!("launching `{name}` with {grid:?} blocks of {threads} threads"), result)
    }
}

/// A length as kernels index it.
///
/// # Errors
/// [`Error::Unsupported`] if 32 bits cannot.
pub fn index(op: &'static str, what: &str, len: usize) -> Result<i32> {
    i32::try_from(len).map_err(|_| Error::Unsupported {
        op,
        device: "cuda".to_string(),
        message: format!(
            "{what} has {len} elements and kernels index at most {}; use a smaller batch or picture \
             size",
            i32::MAX
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_32_bits_cannot_index_is_refused_by_name() {
        assert_eq!(index("conv.forward", "the input", 5), Ok(5));
        let refused = index("conv.forward", "the input", 1 << 31).expect_err("one too many");
        let text = refused.to_string();
        assert!(text.contains("conv.forward") && text.contains("2147483648"), "{text}");
    }
}
