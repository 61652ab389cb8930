//! What every op asks of its tensors before it calls a kernel.

use crate::error::check_shape;
use crate::memory::Destination;
use crate::{DType, Device, Error, Result, Shape, Tensor};

/// All tensors live on one device and hold that device's float type.
pub(super) fn floats(op: &'static str, tensors: &[&Tensor]) -> Result<()> {
    all_of(op, tensors, tensors[0].device().float())
}

/// All tensors live on one device and hold one type: activations', or floats if `op` takes them.
pub(super) fn activations(op: &'static str, tensors: &[&Tensor]) -> Result<()> {
    supported(op, tensors[0].device(), tensors[0].dtype())?;
    all_of(op, tensors, tensors[0].dtype())
}

/// The device can do this op in this type.
pub(super) fn supported(op: &'static str, device: &Device, found: DType) -> Result<()> {
    if device.supports(op, found) {
        return Ok(());
    }
    let expected = device.activation();
    match found {
        DType::U8 | DType::I32 => Err(Error::DType { op, expected, found }),
        DType::F32 | DType::Bf16 | DType::F64 => {
            let message = format!(
                "it was given {found}, but this device computes in {} and keeps activations in \
                 {expected}: convert with ops::pointwise::cast, or open a device of another precision",
                device.float()
            );
            Err(Error::Unsupported { op, device: device.name().to_string(), message })
        }
    }
}

fn all_of(op: &'static str, tensors: &[&Tensor], expected: DType) -> Result<()> {
    let device = tensors[0].device();
    for tensor in tensors {
        device.check_same(tensor.device(), op)?;
        dtype(op, tensor, expected)?;
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
    dtype: DType,
) -> Result<()> {
    check_shape(target.slice.len() == expected, op, || {
        format!("the destination should have {expected} elements but has {}", target.slice.len())
    })?;
    let found = target.slice.dtype();
    if found == dtype { Ok(()) } else { Err(Error::DType { op, expected: dtype, found }) }
}

/// The shape has this many dimensions.
pub(super) fn rank(op: &'static str, name: &str, shape: Shape, expected: usize) -> Result<()> {
    check_shape(shape.rank() == expected, op, || {
        format!("{name} should have {expected} dimensions but is {shape}")
    })
}
