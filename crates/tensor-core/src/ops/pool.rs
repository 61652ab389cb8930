//! Pooling: maxima over windows, means and maxima over whole pictures. Behind whole pictures
//! everything is float.

use super::check;
use crate::backend::pool::{GlobalPool, GlobalPoolShape, MaxPoolShape};
use crate::error::check_shape;
use crate::memory::Destination;
use crate::profile::Call;
use crate::{Result, Shape, Tensor};

/// The whole pooling for an `[n, h, w, c]` input.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if a window does not fit or is mostly padding.
pub fn max_pool_shape(
    input: Shape,
    window: usize,
    stride: usize,
    padding: usize,
) -> Result<MaxPoolShape> {
    const OP: &str = "max_pool";
    check::rank(OP, "the input", input, 4)?;
    let &[n, h, w, c] = input.dims() else { unreachable!("the rank was checked") };
    check_shape(window > 0 && stride > 0 && 2 * padding <= window, OP, || {
        format!(
            "window {window}, stride {stride}, padding {padding}: padding is at most half a window"
        )
    })?;
    check_shape(n * c > 0 && h.min(w) + 2 * padding >= window, OP, || {
        format!("a window of {window} does not fit into {input} with padding {padding}")
    })?;
    let (window, stride, padding) = ([window; 2], [stride; 2], [padding; 2]);
    Ok(MaxPoolShape { n, h, w, c, window, stride, padding })
}

/// The largest element of each window: `[n, p, q, c]`.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the input is not that of `shape`; out of memory.
pub fn max_pool(shape: &MaxPoolShape, input: &Tensor) -> Result<Tensor> {
    const OP: &str = "max_pool";
    check::activations(OP, &[input])?;
    check::shape(OP, "the input", input, [shape.n, shape.h, shape.w, shape.c])?;
    let dims = [shape.n, shape.p(), shape.q(), shape.c];
    let mut output = Tensor::uninitialised(input.device(), dims, input.dtype())?;
    input.device().run(OP, work(input, shape.output_len()), |backend| {
        backend.max_pool(shape, input.as_slice(), output.as_slice_mut())
    })?;
    Ok(output)
}

/// The gradient of [`max_pool`]'s input, into a destination.
///
/// # Errors
/// As [`max_pool`].
pub fn max_pool_gradient_into(
    shape: &MaxPoolShape,
    input: &Tensor,
    output_gradient: &Tensor,
    target: Destination,
) -> Result<()> {
    const OP: &str = "max_pool.gradient";
    check::activations(OP, &[input, output_gradient])?;
    check::elements(OP, "the input", input, shape.input_len())?;
    check::elements(OP, "the output's gradient", output_gradient, shape.output_len())?;
    check::destination(OP, &target, shape.input_len(), input.dtype())?;
    input.device().run(OP, work(input, shape.input_len() + shape.output_len()), |backend| {
        backend.max_pool_gradient(shape, input.as_slice(), output_gradient.as_slice(), target)
    })
}

/// An `[n, h, w, c]` input as whole-picture pooling sees it.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the input has no pixels.
pub fn global_pool_shape(input: Shape) -> Result<GlobalPoolShape> {
    const OP: &str = "global_pool";
    check::rank(OP, "the input", input, 4)?;
    let &[n, h, w, c] = input.dims() else { unreachable!("the rank was checked") };
    check_shape(n * h * w * c > 0, OP, || format!("{input} has no elements"))?;
    Ok(GlobalPoolShape { n, pixels: h * w, c })
}

/// One float a channel and picture, or two: `[n, columns]`.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the input has no pixels; out of memory.
pub fn global_pool(kind: GlobalPool, input: &Tensor) -> Result<Tensor> {
    const OP: &str = "global_pool";
    check::activations(OP, &[input])?;
    let shape = global_pool_shape(input.shape())?;
    let dims = [shape.n, kind.columns(shape.c)];
    let device = input.device();
    let mut output = Tensor::uninitialised(device, dims, device.float())?;
    device.run(OP, work(input, output.shape().elements()), |backend| {
        backend.global_pool(kind, &shape, input.as_slice(), output.as_slice_mut())
    })?;
    Ok(output)
}

/// The gradient of [`global_pool`]'s input, in the input's type, from floats, into a destination.
///
/// # Errors
/// As [`global_pool`].
pub fn global_pool_gradient_into(
    kind: GlobalPool,
    input: &Tensor,
    output_gradient: &Tensor,
    target: Destination,
) -> Result<()> {
    const OP: &str = "global_pool.gradient";
    check::activations(OP, &[input])?;
    check::floats(OP, &[output_gradient])?;
    input.device().check_same(output_gradient.device(), OP)?;
    let shape = global_pool_shape(input.shape())?;
    let columns = kind.columns(shape.c);
    check::shape(OP, "the output's gradient", output_gradient, [shape.n, columns])?;
    check::destination(OP, &target, input.shape().elements(), input.dtype())?;
    input.device().run(OP, work(input, input.shape().elements()), |backend| {
        let (input, gradient) = (input.as_slice(), output_gradient.as_slice());
        backend.global_pool_gradient(kind, &shape, input, gradient, target)
    })
}

fn work(input: &Tensor, written: usize) -> Call {
    let elements = input.shape().elements();
    let bytes = ((elements + written) * input.dtype().size()) as u64;
    Call::new(elements as u64, bytes).on(input.shape())
}
