//! Typed ranges of a buffer: what kernels read and write. They know no shape.

use std::marker::PhantomData;
use std::ops::Range;

use super::Address;
use crate::{DType, Element};

/// A range of elements to be read.
#[derive(Clone, Copy)]
pub struct Slice<'a> {
    address: Address,
    len: usize,
    dtype: DType,
    host: bool,
    lifetime: PhantomData<&'a ()>,
}

impl<'a> Slice<'a> {
    /// A slice of what lies at `address`.
    ///
    /// # Safety
    /// `len` elements of `dtype` at `address` stay alive and unwritten for `'a`; `host` says whether
    /// the address is a pointer of this process.
    pub unsafe fn from_raw(address: Address, len: usize, dtype: DType, host: bool) -> Slice<'a> {
        Slice { address, len, dtype, host, lifetime: PhantomData }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the first element lies, in the device's own addresses.
    pub fn address(&self) -> Address {
        self.address
    }

    /// A part of this slice, in elements.
    ///
    /// # Panics
    /// If the part is not inside: a fault of the caller's code.
    pub fn range(self, range: Range<usize>) -> Slice<'a> {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        let address = self.address + (range.start * self.dtype.size()) as u64;
        Slice { address, len: range.len(), ..self }
    }

    /// The elements, on a device whose memory is the host's.
    ///
    /// # Panics
    /// If the elements are of another type or on another device: a fault of the caller's code.
    pub fn host<T: Element>(self) -> &'a [T] {
        assert!(self.host, "device memory was read as host memory");
        assert_eq!(self.dtype, T::DTYPE, "a slice was read as another type");
        // SAFETY: `from_raw` promised `len` live, unwritten elements of this type; blocks are aligned
        // and every bit pattern of an `Element` is a value.
        unsafe { std::slice::from_raw_parts(self.address as *const T, self.len) }
    }
}

/// A range of elements to be written, reached by nobody else.
pub struct SliceMut<'a> {
    inner: Slice<'a>,
    unique: PhantomData<&'a mut ()>,
}

impl<'a> SliceMut<'a> {
    /// A slice of what lies at `address`, for writing.
    ///
    /// # Safety
    /// As for [`Slice::from_raw`], and nothing else reads or writes the range for `'a`.
    pub unsafe fn from_raw(address: Address, len: usize, dtype: DType, host: bool) -> SliceMut<'a> {
        // SAFETY: the caller's promise covers the weaker one.
        let inner = unsafe { Slice::from_raw(address, len, dtype, host) };
        SliceMut { inner, unique: PhantomData }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.inner.len
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.inner.len == 0
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.inner.dtype
    }

    /// Where the first element lies, in the device's own addresses.
    pub fn address(&self) -> Address {
        self.inner.address
    }

    /// The same range for a shorter time.
    pub fn reborrow(&mut self) -> SliceMut<'_> {
        SliceMut { inner: self.inner, unique: PhantomData }
    }

    /// A part of this slice, in elements.
    ///
    /// # Panics
    /// If the part is not inside: a fault of the caller's code.
    pub fn range(self, range: Range<usize>) -> SliceMut<'a> {
        SliceMut { inner: self.inner.range(range), unique: PhantomData }
    }

    /// The range for reading, for a shorter time.
    pub fn as_slice(&self) -> Slice<'_> {
        self.inner
    }

    /// The elements, on a device whose memory is the host's.
    ///
    /// # Panics
    /// If the elements are of another type or on another device: a fault of the caller's code.
    pub fn host<T: Element>(self) -> &'a mut [T] {
        assert!(self.inner.host, "device memory was written as host memory");
        assert_eq!(self.inner.dtype, T::DTYPE, "a slice was written as another type");
        // SAFETY: `from_raw` promised that this range is live, aligned and reached by nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.inner.address as *mut T, self.inner.len) }
    }
}

/// Whether a gradient replaces what lies at its destination or is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Replace; what lies there may be uninitialised.
    Write,
    /// Add to what lies there.
    Accumulate,
}

/// Where a gradient goes, and how.
pub struct Destination<'a> {
    /// The elements to be written.
    pub slice: SliceMut<'a>,
    /// Replace or add.
    pub mode: WriteMode,
}

impl<'a> Destination<'a> {
    /// A destination to be replaced.
    pub fn write(slice: SliceMut<'a>) -> Destination<'a> {
        Destination { slice, mode: WriteMode::Write }
    }

    /// A destination to be added to.
    pub fn accumulate(slice: SliceMut<'a>) -> Destination<'a> {
        Destination { slice, mode: WriteMode::Accumulate }
    }
}
