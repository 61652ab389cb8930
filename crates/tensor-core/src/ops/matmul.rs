//! Matrix multiplication.

use super::check;
use crate::backend::Plan;
use crate::backend::matmul::MatmulShape;
use crate::error::check_shape;
use crate::memory::Destination;
use crate::profile::Call;
use crate::{DType, Device, Result, Tensor};

const OP: &str = "matmul";

/// The product's shape for two matrices, either of them stored transposed.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if they are no matrices or their inner lengths differ.
pub fn shape(
    left: &Tensor,
    right: &Tensor,
    transpose_left: bool,
    transpose_right: bool,
) -> Result<MatmulShape> {
    check::rank(OP, "the left matrix", left.shape(), 2)?;
    check::rank(OP, "the right matrix", right.shape(), 2)?;
    let ordered = |tensor: &Tensor, transposed: bool| {
        let (rows, columns) = (tensor.shape().dims()[0], tensor.shape().dims()[1]);
        if transposed { (columns, rows) } else { (rows, columns) }
    };
    let ((m, k), (inner, n)) = (ordered(left, transpose_left), ordered(right, transpose_right));
    check_shape(k == inner && m * n * k > 0, OP, || {
        format!("inner lengths {k} and {inner} of {} and {}", left.shape(), right.shape())
    })?;
    Ok(MatmulShape { m, n, k, transpose_left, transpose_right })
}

/// The best plan for this shape and type of matrices.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) if the device does not multiply this type.
pub fn plan(device: &Device, shape: &MatmulShape, dtype: DType) -> Result<Plan> {
    check::supported(OP, device, dtype)?;
    Ok(super::best(device.backend().matmul_plans(shape, dtype)))
}

/// `input [m, k] x weights [n, k] transposed + bias [n]`: a linear layer.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if they do not fit together; out of memory.
pub fn linear(input: &Tensor, weights: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let shape = shape(input, weights, false, true)?;
    product(&shape, input, weights, bias)
}

/// `left x right`, either of them read transposed.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if they do not fit together; out of memory.
///
/// ```
/// use tensor_core::{Device, Tensor, ops::matmul};
/// # fn main() -> tensor_core::Result<()> {
/// let device = Device::cpu()?;
/// let row = Tensor::from_f32(&device, [1, 2], &[1.0, 2.0])?;
/// assert_eq!(matmul::multiply(&row, &row, false, true)?.item()?, 5.0);
/// # Ok(())
/// # }
/// ```
pub fn multiply(
    left: &Tensor,
    right: &Tensor,
    transpose_left: bool,
    transpose_right: bool,
) -> Result<Tensor> {
    let shape = shape(left, right, transpose_left, transpose_right)?;
    product(&shape, left, right, None)
}

fn product(
    shape: &MatmulShape,
    left: &Tensor,
    right: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let mut product = Tensor::uninitialised(left.device(), [shape.m, shape.n], left.dtype())?;
    let plan = plan(left.device(), shape, left.dtype())?;
    multiply_into(&plan, shape, left, right, bias, Destination::write(product.as_slice_mut()))?;
    Ok(product)
}

/// [`multiply`] by a given plan, with an optional `[n]` bias, into a destination.
///
/// # Errors
/// As [`multiply`].
pub fn multiply_into(
    plan: &Plan,
    shape: &MatmulShape,
    left: &Tensor,
    right: &Tensor,
    bias: Option<&Tensor>,
    target: Destination,
) -> Result<()> {
    check::activations(OP, &[left, right])?;
    check::dtype(OP, left, plan.dtype)?;
    check::elements(OP, "the left matrix", left, shape.m * shape.k)?;
    check::elements(OP, "the right matrix", right, shape.k * shape.n)?;
    check::destination(OP, &target, shape.m * shape.n, plan.dtype)?;
    if let Some(bias) = bias {
        left.device().check_same(bias.device(), OP)?;
        check::floats(OP, &[bias])?;
        check::elements(OP, "the bias", bias, shape.n)?;
    }
    let device = left.device();
    let mut workspace = Tensor::uninitialised(device, [plan.workspace], device.float())?;
    let call = Call::new(plan.flops, plan.bytes).on(left.shape()).on(right.shape());
    device.run(OP, call.by(plan.variant), |backend| {
        let (left, right, bias) = (left.as_slice(), right.as_slice(), bias.map(Tensor::as_slice));
        backend.matmul(plan, shape, left, right, bias, workspace.as_slice_mut(), target)
    })
}
