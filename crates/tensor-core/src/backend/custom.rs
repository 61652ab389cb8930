//! Contract of kernels that a user writes and that are compiled at run time.

use crate::Result;
use crate::memory::{Slice, SliceMut};

/// An argument of a kernel, in the order of its parameters.
pub enum KernelArgument<'a> {
    /// A pointer to elements that it reads.
    Read(Slice<'a>),
    /// A pointer to elements that it writes.
    Write(SliceMut<'a>),
    /// A `float`.
    F32(f32),
    /// An `int`.
    I32(i32),
    /// An `unsigned int`.
    U32(u32),
}

/// A compiled kernel.
pub trait CustomKernel: Send + Sync {
    /// Gives one launch to the device: `grid` blocks of `threads` threads with `shared` bytes of dynamic
    /// shared memory each.
    ///
    /// # Safety
    /// Number, order and types of the arguments are those of the kernel's parameters, and it reads and
    /// writes nothing but the elements of their slices.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device refuses the launch.
    unsafe fn launch(
        &self,
        arguments: &[KernelArgument],
        grid: [usize; 3],
        threads: usize,
        shared: usize,
    ) -> Result<()>;
}
