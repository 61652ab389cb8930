//! What every op asks of its tensors before it calls a kernel.

use crate::error::check_shape;
use crate::memory::Destination;
use crate::{DType, Error, Result, Shape, Tensor};

/// All tensors live on one device and hold that device's float type.
pub(super) fn floats(op: &'static str, tensors: &[&Tensor]) -> Result<()> {
    let device = tensors[0].device();
    for tensor in tensors {
        device.check_same(tensor.device(), op)?;
        dtype(op, tensor, device.float())?;
    }
    Ok(())
}

/// The tensor holds elements of this type.
pub(super) fn dtype(op: &'static str, tensor: &Tensor, expected: DType) -> Result<()> {
    if tensor.dtype() == expected {
        return Ok(());
    }
    Err(Error::DType { op, expected, found: tensor.dtype() })
}

/// The tensor has exactly this shape; `name` says which tensor it is.
pub(super) fn shape(
    op: &'static str,
    name: &str,
    tensor: &Tensor,
    expected: impl Into<Shape>,
) -> Result<()> {
    let expected = expected.into();
    check_shape(tensor.shape() == expected, op, || {
        format!("{name} should be {expected} but is {}", tensor.shape())
    })
}

/// The tensor has this many elements, whatever its shape.
pub(super) fn elements(
    op: &'static str,
    name: &str,
    tensor: &Tensor,
    expected: usize,
) -> Result<()> {
    check_shape(tensor.shape().elements() == expected, op, || {
        format!("{name} should have {expected} elements but is {}", tensor.shape())
    })
}

/// The destination has room for exactly this many elements of the right type.
pub(super) fn destination(
    op: &'static str,
    target: &Destination,
    expected: usize,
    float: DType,
) -> Result<()> {
    check_shape(target.slice.len() == expected, op, || {
        format!("the destination should have {expected} elements but has {}", target.slice.len())
    })?;
    let found = target.slice.dtype();
    if found == float { Ok(()) } else { Err(Error::DType { op, expected: float, found }) }
}

/// The shape has this many dimensions.
pub(super) fn rank(op: &'static str, name: &str, shape: Shape, expected: usize) -> Result<()> {
    check_shape(shape.rank() == expected, op, || {
        format!("{name} should have {expected} dimensions but is {shape}")
    })
}
