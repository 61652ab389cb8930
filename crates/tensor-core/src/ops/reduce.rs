//! Sums, means and maxima of rows, columns or everything.

use super::check;
use crate::error::check_shape;
use crate::profile::Call;
use crate::{Result, Shape, Tensor};

pub use crate::backend::reduce::{Axis, Reduction};

/// Reduces a tensor, seen as a matrix whose columns are its last dimension, along an axis.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if it has no elements; out of memory.
///
/// ```
/// use tensor_core::{Device, Tensor, ops::reduce::{Axis, Reduction, reduce}};
/// # fn main() -> tensor_core::Result<()> {
/// let device = Device::cpu()?;
/// let x = Tensor::from_f32(&device, [2, 2], &[1.0, 2.0, 3.0, 4.0])?;
/// assert_eq!(reduce(Reduction::Sum, Axis::Rows, &x)?.to_f32()?, [4.0, 6.0]);
/// assert_eq!(reduce(Reduction::Mean, Axis::All, &x)?.item()?, 2.5);
/// # Ok(())
/// # }
/// ```
pub fn reduce(reduction: Reduction, axis: Axis, input: &Tensor) -> Result<Tensor> {
    const OP: &str = "reduce";
    check::floats(OP, &[input])?;
    let (rows, columns) = (input.shape().rows(), input.shape().channels());
    check_shape(rows * columns > 0, OP, || format!("{} has no elements", input.shape()))?;
    let shape = match axis {
        Axis::Rows => Shape::from([columns]),
        Axis::Columns => Shape::from([rows]),
        Axis::All => Shape::from([1]),
    };
    let mut output = Tensor::uninitialised(input.device(), shape, input.dtype())?;
    let elements = rows * columns;
    let bytes = (elements * input.dtype().size()) as u64;
    let call = Call::new(elements as u64, bytes).on(input.shape());
    input.device().run(OP, call, |backend| {
        let output = output.as_slice_mut();
        backend.reduce(reduction, axis, rows, columns, input.as_slice(), output)
    })?;
    Ok(output)
}
