//! Functions of one or two elements at a time, of activations or floats, and the cast between them.

use super::check;
use crate::error::check_shape;
use crate::memory::Destination;
use crate::profile::Call;
use crate::{DType, Device, Result, Shape, Tensor};

pub use crate::backend::pointwise::{Binary, Unary};

/// A function of each element.
///
/// # Errors
/// Wrong element type; out of memory.
///
/// ```
/// use tensor_core::{Device, Tensor, ops::pointwise::{Unary, unary}};
/// # fn main() -> tensor_core::Result<()> {
/// let device = Device::cpu()?;
/// let x = Tensor::from_f32(&device, [3], &[-1.0, 0.0, 2.0])?;
/// assert_eq!(unary(Unary::Relu, &x)?.to_f32()?, [0.0, 0.0, 2.0]);
/// # Ok(())
/// # }
/// ```
pub fn unary(function: Unary, input: &Tensor) -> Result<Tensor> {
    const OP: &str = "pointwise.unary";
    check::activations(OP, &[input])?;
    let mut output = Tensor::uninitialised(input.device(), input.shape(), input.dtype())?;
    input.device().run(OP, work(input, 2), |backend| {
        backend.unary(function, input.as_slice(), output.as_slice_mut())
    })?;
    Ok(output)
}

/// The gradient of [`unary`]'s input, into a destination.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the lengths differ.
pub fn unary_gradient_into(
    function: Unary,
    input: &Tensor,
    output_gradient: &Tensor,
    target: Destination,
) -> Result<()> {
    const OP: &str = "pointwise.unary_gradient";
    check::activations(OP, &[input, output_gradient])?;
    let elements = input.shape().elements();
    check::elements(OP, "the output's gradient", output_gradient, elements)?;
    check::destination(OP, &target, elements, input.dtype())?;
    input.device().run(OP, work(input, 3), |backend| {
        backend.unary_gradient(function, input.as_slice(), output_gradient.as_slice(), target)
    })
}

/// A function of the elements of two tensors. `right` may be shorter: it is repeated along `left`, so
/// that a `[c]` row meets every row and a single number every element.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if `right` does not divide `left`; out of memory.
pub fn binary(function: Binary, left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let mut output = Tensor::uninitialised(left.device(), left.shape(), left.dtype())?;
    binary_into(function, left, right, Destination::write(output.as_slice_mut()))?;
    Ok(output)
}

/// [`binary`] into a destination.
///
/// # Errors
/// As [`binary`].
pub fn binary_into(
    function: Binary,
    left: &Tensor,
    right: &Tensor,
    target: Destination,
) -> Result<()> {
    const OP: &str = "pointwise.binary";
    check::activations(OP, &[left, right])?;
    let (long, short) = (left.shape().elements(), right.shape().elements());
    check_shape(short > 0 && long.is_multiple_of(short), OP, || {
        format!("{} cannot be repeated along {}", right.shape(), left.shape())
    })?;
    check::destination(OP, &target, long, left.dtype())?;
    left.device().run(OP, work(left, 3), |backend| {
        backend.binary(function, left.as_slice(), right.as_slice(), target)
    })
}

/// The elements themselves, into a destination: a copy, or added to what is there.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the lengths differ.
pub fn copy_into(input: &Tensor, target: Destination) -> Result<()> {
    // The gradient of the identity: no constant has to be brought to the device.
    unary_gradient_into(Unary::Affine { scale: 1.0, shift: 0.0 }, input, input, target)
}

/// A tensor whose elements are all `value`, made on the device: nothing is copied from the host.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) if the device lacks the type; out of memory.
pub fn constant(
    device: &Device,
    shape: impl Into<Shape>,
    dtype: DType,
    value: f32,
) -> Result<Tensor> {
    check::supported("pointwise.unary", device, dtype)?;
    let zeros = Tensor::zeros(device, shape, dtype)?;
    unary(Unary::Affine { scale: 0.0, shift: value.into() }, &zeros)
}

/// The elements as `dtype`, one of the device's two float types; the tensor itself if it is of that
/// type already. `Bf16` rounds to the nearest, to even between two.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) if the device lacks either type; out of memory.
pub fn cast(input: &Tensor, dtype: DType) -> Result<Tensor> {
    const OP: &str = "pointwise.cast";
    let device = input.device();
    check::activations(OP, &[input])?;
    check::supported(OP, device, dtype)?;
    if input.dtype() == dtype {
        return Ok(input.clone());
    }
    let mut output = Tensor::uninitialised(device, input.shape(), dtype)?;
    let elements = input.shape().elements();
    let bytes = (elements * (input.dtype().size() + dtype.size())) as u64;
    device.run(OP, Call::new(elements as u64, bytes).on(input.shape()), |backend| {
        backend.cast(input.as_slice(), output.as_slice_mut())
    })?;
    Ok(output)
}

fn work(tensor: &Tensor, passes: usize) -> Call {
    let elements = tensor.shape().elements();
    let bytes = (passes * elements * tensor.dtype().size()) as u64;
    Call::new(elements as u64, bytes).on(tensor.shape())
}
