//! A tensor: a range of a shared buffer with a shape, an element type and a device.
//!
//! Tensors are contiguous and never change after the op that made them. What computes with them is
//! in `ops/`.

use std::ops::Range;

use half::bf16;

use crate::memory::{Buffer, Slice, SliceMut};
use crate::{DType, Device, Element, Error, Result, Shape};

/// A contiguous array of at most four dimensions on a device. Cheap to clone: clones share memory.
///
/// ```
/// use tensor_core::{Device, Tensor};
/// # fn main() -> tensor_core::Result<()> {
/// let device = Device::cpu()?;
/// let matrix = Tensor::from_slice(&device, [2, 2], &[1.0_f32, 2.0, 3.0, 4.0])?;
/// assert_eq!(matrix.rows(1..2)?.to_vec::<f32>()?, [3.0, 4.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tensor {
    buffer: Buffer,
    offset: usize,
    shape: Shape,
    dtype: DType,
    device: Device,
}

impl Tensor {
    /// A tensor whose elements are still to be written.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn uninitialised(device: &Device, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        let shape = shape.into();
        let bytes = shape.dims().iter().try_fold(dtype.size(), |bytes, &n| bytes.checked_mul(n));
        let buffer = device.memory().allocate(bytes.unwrap_or(usize::MAX / 2))?;
        Ok(Tensor { buffer, offset: 0, shape, dtype, device: device.clone() })
    }

    /// A tensor with these elements, outermost dimension first.
    ///
    /// # Errors
    /// [`Error::Elements`] if they do not fill the shape; [`Error::OutOfMemory`].
    pub fn from_slice<T: Element>(
        device: &Device,
        shape: impl Into<Shape>,
        values: &[T],
    ) -> Result<Tensor> {
        let shape = shape.into();
        if shape.elements() != values.len() {
            return Err(Error::Elements { shape, found: values.len() });
        }
        let mut tensor = Tensor::uninitialised(device, shape, T::DTYPE)?;
        tensor.write_bytes(as_bytes(values))?;
        Ok(tensor)
    }

    /// A tensor of the device's [`float`](Device::float) type from f32 values.
    ///
    /// # Errors
    /// As [`from_slice`](Self::from_slice).
    pub fn from_f32(device: &Device, shape: impl Into<Shape>, values: &[f32]) -> Result<Tensor> {
        Tensor::from_f32_as(device, shape, device.float(), values)
    }

    /// A tensor of any float type, such as [`Device::activation`], from f32 values; `Bf16` rounds to the
    /// nearest, to even between two.
    ///
    /// # Errors
    /// As [`from_slice`](Self::from_slice); [`Error::DType`] if `dtype` is no float type.
    ///
    /// ```
    /// use tensor_core::{DType, Device, Tensor};
    /// # fn main() -> tensor_core::Result<()> {
    /// let rounded = Tensor::from_f32_as(&Device::cpu()?, [1], DType::Bf16, &[1.001])?;
    /// assert_eq!(rounded.item()?, 1.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_f32_as(
        device: &Device,
        shape: impl Into<Shape>,
        dtype: DType,
        values: &[f32],
    ) -> Result<Tensor> {
        match dtype {
            DType::F32 => Tensor::from_slice(device, shape, values),
            DType::Bf16 => {
                let values: Vec<bf16> = values.iter().map(|&value| bf16::from_f32(value)).collect();
                Tensor::from_slice(device, shape, &values)
            }
            DType::F64 => {
                let values: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
                Tensor::from_slice(device, shape, &values)
            }
            DType::U8 | DType::I32 => {
                let (expected, found) = (device.float(), dtype);
                Err(Error::DType { op: "tensor.from_f32_as", expected, found })
            }
        }
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn zeros(device: &Device, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        let tensor = Tensor::uninitialised(device, shape, dtype)?;
        let bytes = tensor.shape.elements() * dtype.size();
        // SAFETY: the buffer was just made, has this many bytes, and nobody else knows it.
        unsafe { tensor.buffer.memory().fill(tensor.buffer.address(), 0, bytes)? };
        Ok(tensor)
    }

    /// A tensor of a float type, such as [`Device::float`] or [`Device::activation`], every element
    /// `value`.
    ///
    /// # Errors
    /// [`Error::DType`] if `dtype` is no float type; [`Error::OutOfMemory`].
    pub fn full(
        device: &Device,
        shape: impl Into<Shape>,
        dtype: DType,
        value: f32,
    ) -> Result<Tensor> {
        let shape = shape.into();
        Tensor::from_f32_as(device, shape, dtype, &vec![value; shape.elements()])
    }

    /// A tensor in a buffer that there is; what its memory holds is the caller's business.
    pub(crate) fn of_buffer(
        device: &Device,
        buffer: Buffer,
        offset: usize,
        shape: Shape,
        dtype: DType,
    ) -> Tensor {
        Tensor { buffer, offset, shape, dtype, device: device.clone() }
    }

    /// Lengths of the dimensions.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the tensor lives.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The elements, in order; waits until they are computed.
    ///
    /// # Errors
    /// [`Error::DType`] if they are of another type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if self.dtype != T::DTYPE {
            let (expected, found) = (T::DTYPE, self.dtype);
            return Err(Error::DType { op: "tensor.to_vec", expected, found });
        }
        let mut bytes = vec![0; self.shape.elements() * self.dtype.size()];
        // SAFETY: the range lies in this tensor's buffer, which `self` keeps alive.
        unsafe { self.buffer.memory().copy_to_host(self.as_slice().address(), &mut bytes)? };
        Ok(from_bytes(&bytes))
    }

    /// The elements of a float tensor as f32, whichever float type they are of.
    ///
    /// # Errors
    /// [`Error::DType`] if the elements are no floats.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        match self.dtype {
            DType::Bf16 => Ok(self.to_vec::<bf16>()?.into_iter().map(bf16::to_f32).collect()),
            DType::F64 => Ok(self.to_vec::<f64>()?.into_iter().map(|value| value as f32).collect()),
            _ => self.to_vec(),
        }
    }

    /// The only element of a float tensor.
    ///
    /// # Errors
    /// [`Error::Elements`] if there is not exactly one; [`Error::DType`] if it is no float.
    pub fn item(&self) -> Result<f32> {
        match self.to_f32()?[..] {
            [value] => Ok(value),
            ref values => Err(Error::Elements { shape: Shape::from([1]), found: values.len() }),
        }
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// [`Error::Elements`] if the number of elements differs.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if shape.elements() != self.shape.elements() {
            return Err(Error::Elements { shape, found: self.shape.elements() });
        }
        Ok(Tensor { shape, ..self.clone() })
    }

    /// A range of the first dimension.
    ///
    /// # Errors
    /// [`Error::Argument`] if the range does not lie inside it.
    pub fn rows(&self, range: Range<usize>) -> Result<Tensor> {
        let length = self.shape.dims().first().copied().unwrap_or(0);
        if range.start > range.end || range.end > length {
            let message = format!("rows {range:?} of a tensor {}", self.shape);
            return Err(Error::Argument { op: "tensor.rows", message });
        }
        let row = self.shape.elements() / length.max(1);
        let offset = self.offset + range.start * row * self.dtype.size();
        Ok(Tensor { offset, shape: self.shape.with_first(range.len()), ..self.clone() })
    }

    /// A copy in memory of its own.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn duplicate(&self) -> Result<Tensor> {
        let mut copy = Tensor::uninitialised(&self.device, self.shape, self.dtype)?;
        copy.copy_from(self)?;
        Ok(copy)
    }

    /// Overwrites this tensor, which must be the only owner of its memory, with another's elements.
    ///
    /// # Errors
    /// [`Error::Elements`] or [`Error::DType`] if the two differ in size or type.
    ///
    /// # Panics
    /// If the memory is shared: a fault of the caller's code.
    pub fn copy_from(&mut self, other: &Tensor) -> Result<()> {
        if other.shape.elements() != self.shape.elements() {
            return Err(Error::Elements { shape: self.shape, found: other.shape.elements() });
        }
        self.copy_range_from(0, other)
    }

    /// Overwrites the elements behind `start` of this tensor, which must be the only owner of its
    /// memory, with all of another's.
    ///
    /// # Errors
    /// As [`copy_from`](Self::copy_from), if the other does not fit behind `start`.
    ///
    /// # Panics
    /// If the memory is shared: a fault of the caller's code.
    pub fn copy_range_from(&mut self, start: usize, other: &Tensor) -> Result<()> {
        if other.dtype != self.dtype {
            let (expected, found) = (self.dtype, other.dtype);
            return Err(Error::DType { op: "tensor.copy_range_from", expected, found });
        }
        let end = start + other.shape.elements();
        if end > self.shape.elements() {
            return Err(Error::Elements { shape: self.shape, found: end });
        }
        self.device.check_same(&other.device, "tensor.copy_range_from")?;
        let (from, to) = (other.as_slice(), self.as_slice_mut().range(start..end).address());
        let bytes = from.len() * from.dtype().size();
        // SAFETY: both ranges were checked, and `as_slice_mut` made sure that nobody shares the
        // block that is written, so they do not overlap.
        unsafe { other.buffer.memory().copy(from.address(), to, bytes) }
    }

    /// True if this tensor is the only owner of its memory, so that it may be written.
    pub fn is_unique(&mut self) -> bool {
        self.buffer.is_unique()
    }

    /// Overwrites a range of this tensor's elements, which it must own alone, with host values.
    ///
    /// # Errors
    /// [`Error::Elements`] if the values do not fit behind `start`; [`Error::DType`] if they are of
    /// another type.
    ///
    /// # Panics
    /// If the memory is shared: a fault of the caller's code.
    pub fn write<T: Element>(&mut self, start: usize, values: &[T]) -> Result<()> {
        if self.dtype != T::DTYPE {
            let (expected, found) = (self.dtype, T::DTYPE);
            return Err(Error::DType { op: "tensor.write", expected, found });
        }
        if start + values.len() > self.shape.elements() {
            return Err(Error::Elements { shape: self.shape, found: start + values.len() });
        }
        let target = self.as_slice_mut().range(start..start + values.len()).address();
        // SAFETY: the range check passed, and `as_slice_mut` made sure that nobody shares the block.
        unsafe { self.buffer.memory().copy_from_host(as_bytes(values), target) }
    }

    /// The elements, for a kernel to read.
    pub fn as_slice(&self) -> Slice<'_> {
        self.buffer.slice(self.dtype, self.offset, self.shape.elements())
    }

    /// The elements, for a kernel to write.
    ///
    /// # Panics
    /// If the memory is shared: a fault of the caller's code.
    pub fn as_slice_mut(&mut self) -> SliceMut<'_> {
        self.buffer.slice_mut(self.dtype, self.offset, self.shape.elements())
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let target = self.as_slice_mut().address();
        // SAFETY: `as_slice_mut` checked the range and that nobody shares the block.
        unsafe { self.buffer.memory().copy_from_host(bytes, target) }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({} {} on {})", self.shape, self.dtype, self.device.name())
    }
}

pub(crate) fn as_bytes<T: Element>(values: &[T]) -> &[u8] {
    // SAFETY: elements are plain numbers without padding.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

pub(crate) fn from_bytes<T: Element>(bytes: &[u8]) -> Vec<T> {
    let chunks = bytes.chunks_exact(size_of::<T>());
    // SAFETY: each chunk has the bytes of one element, and every bit pattern of an element is valid.
    chunks.map(|chunk| unsafe { chunk.as_ptr().cast::<T>().read_unaligned() }).collect()
}
