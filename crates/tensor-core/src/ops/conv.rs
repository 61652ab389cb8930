//! Two-dimensional convolution of NHWC pictures with KRSC weights, and its two gradients.

use super::check;
use crate::backend::conv::{ConvDirection, ConvInput, ConvOutput, ConvShape};
use crate::backend::{Backend, Plan};
use crate::error::check_shape;
use crate::memory::Destination;
use crate::profile::Call;
use crate::{DType, Device, Result, Shape, Tensor, ops};

const FORWARD: &str = "conv.forward";
const INPUT_GRADIENT: &str = "conv.input_gradient";
const WEIGHT_GRADIENT: &str = "conv.weight_gradient";

/// Step, border and groups of a convolution.
///
/// ```
/// use tensor_core::ops::conv::ConvGeometry;
/// let geometry = ConvGeometry::new().stride(2).padding(1);
/// assert_eq!(geometry.groups, 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Step between outputs, down and across.
    pub stride: [usize; 2],
    /// Zero rows and columns added on each side.
    pub padding: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for ConvGeometry {
    fn default() -> ConvGeometry {
        ConvGeometry { stride: [1, 1], padding: [0, 0], groups: 1 }
    }
}

impl ConvGeometry {
    /// Stride 1, no padding, one group.
    pub fn new() -> ConvGeometry {
        ConvGeometry::default()
    }

    /// The same step down and across.
    pub fn stride(self, stride: usize) -> ConvGeometry {
        ConvGeometry { stride: [stride; 2], ..self }
    }

    /// The same border on all sides.
    pub fn padding(self, padding: usize) -> ConvGeometry {
        ConvGeometry { padding: [padding; 2], ..self }
    }

    /// Groups of channels that do not see each other.
    pub fn groups(self, groups: usize) -> ConvGeometry {
        ConvGeometry { groups, ..self }
    }
}

/// The whole convolution for an `[n, h, w, c]` input and `[k, r, s, c / groups]` weights.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if they do not fit together.
pub fn shape(input: Shape, weights: Shape, geometry: &ConvGeometry) -> Result<ConvShape> {
    const OP: &str = "conv";
    check::rank(OP, "the input", input, 4)?;
    check::rank(OP, "the weights", weights, 4)?;
    let (&[n, h, w, c], &[k, r, s, group_c]) = (input.dims(), weights.dims()) else {
        unreachable!("both ranks were checked")
    };
    let ConvGeometry { stride, padding, groups } = *geometry;
    let positive = [n, h, w, c, k, r, s, stride[0], stride[1], groups].iter().all(|&x| x > 0);
    check_shape(positive, OP, || {
        format!("lengths, stride and groups must be positive: {input}, {weights}, {geometry:?}")
    })?;
    check_shape(c == group_c * groups && k.is_multiple_of(groups), OP, || {
        format!("{groups} groups of {group_c} input channels, but the input is {input} and k={k}")
    })?;
    check_shape(h + 2 * padding[0] >= r && w + 2 * padding[1] >= s, OP, || {
        format!("the kernel r={r} s={s} is larger than the padded input {input} ({padding:?})")
    })?;
    Ok(ConvShape { n, h, w, c, k, r, s, stride, padding, groups })
}

/// The best plan for this shape, type of activations and direction.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) if the device has no activations of this type.
pub fn plan(
    device: &Device,
    shape: &ConvShape,
    dtype: DType,
    direction: ConvDirection,
) -> Result<Plan> {
    let op = match direction {
        ConvDirection::Forward => FORWARD,
        ConvDirection::InputGradient => INPUT_GRADIENT,
        ConvDirection::WeightGradient => WEIGHT_GRADIENT,
    };
    check::supported(op, device, dtype)?;
    Ok(super::best(device.backend().conv_plans(shape, dtype, direction)))
}

/// Weights in the layout that `plan` reads; the weights themselves if it reads them as they are.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the weights are not those of `shape`; out of memory.
pub fn prepare(
    plan: &Plan,
    shape: &ConvShape,
    direction: ConvDirection,
    weights: &Tensor,
) -> Result<Tensor> {
    const OP: &str = "conv.prepare";
    check::floats(OP, &[weights])?;
    check::elements(OP, "the weights", weights, shape.weight_len())?;
    if plan.prepared == 0 {
        return Ok(weights.clone());
    }
    if plan.reads_twin {
        return ops::pointwise::cast(weights, plan.dtype);
    }
    let device = weights.device();
    let mut prepared = Tensor::uninitialised(device, [plan.prepared], plan.dtype)?;
    let read = shape.weight_len() * weights.dtype().size();
    let bytes = (read + plan.prepared * plan.dtype.size()) as u64;
    device.run(OP, Call::new(0, bytes).on(weights.shape()).by(plan.variant), |backend| {
        let target = prepared.as_slice_mut();
        backend.conv_prepare(plan, shape, direction, weights.as_slice(), target)
    })?;
    Ok(prepared)
}

/// The convolution of an `[n, h, w, c]` input with `[k, r, s, c / groups]` weights: `[n, p, q, k]`.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if they do not fit together; out of memory.
///
/// ```
/// use tensor_core::{Device, Tensor, ops::conv};
/// # fn main() -> tensor_core::Result<()> {
/// let device = Device::cpu()?;
/// let picture = Tensor::full(&device, [1, 4, 4, 1], device.activation(), 1.0)?;
/// let weights = Tensor::full(&device, [1, 3, 3, 1], device.float(), 1.0)?;
/// let sums = conv::forward(&picture, &weights, &conv::ConvGeometry::new().padding(1))?;
/// assert_eq!(sums.to_f32()?[..5], [4.0, 6.0, 6.0, 4.0, 6.0]);
/// # Ok(())
/// # }
/// ```
pub fn forward(input: &Tensor, weights: &Tensor, geometry: &ConvGeometry) -> Result<Tensor> {
    let shape = shape(input.shape(), weights.shape(), geometry)?;
    let plan = plan(input.device(), &shape, input.dtype(), ConvDirection::Forward)?;
    let weights = prepare(&plan, &shape, ConvDirection::Forward, weights)?;
    forward_planned(&plan, &shape, input, &weights)
}

/// [`forward`] by a given plan, from weights prepared for it.
///
/// # Errors
/// As [`forward`].
pub fn forward_planned(
    plan: &Plan,
    shape: &ConvShape,
    input: &Tensor,
    prepared: &Tensor,
) -> Result<Tensor> {
    let mut output = output_tensor(shape, input)?;
    run_forward(plan, shape, input, prepared, |backend, workspace| {
        let output = ConvOutput::Plain(output.as_slice_mut());
        let input = ConvInput::Plain(input.as_slice());
        let (prepared, workspace) = (prepared.as_slice(), workspace.as_slice_mut());
        backend.conv_forward(plan, shape, input, prepared, workspace, output)
    })?;
    Ok(output)
}

/// The output and its partial batch-norm statistics (see [`ops::norm::statistics`]), taken while the
/// output is written if the plan can do that, else after.
///
/// # Errors
/// As [`forward`].
pub fn forward_with_statistics(
    plan: &Plan,
    shape: &ConvShape,
    input: &Tensor,
    prepared: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let Some(part_rows) = plan.fuses_statistics else {
        let output = forward_planned(plan, shape, input, prepared)?;
        let partials = ops::norm::statistics(&output)?;
        return Ok((output, partials));
    };
    let mut output = output_tensor(shape, input)?;
    let partials_shape = [shape.output_norm().parts_of(part_rows), 3, shape.k];
    let device = input.device();
    let mut partials = Tensor::uninitialised(device, partials_shape, device.float())?;
    run_forward(plan, shape, input, prepared, |backend, workspace| {
        let output = ConvOutput::WithStatistics {
            output: output.as_slice_mut(),
            partials: partials.as_slice_mut(),
        };
        let input = ConvInput::Plain(input.as_slice());
        let (prepared, workspace) = (prepared.as_slice(), workspace.as_slice_mut());
        backend.conv_forward(plan, shape, input, prepared, workspace, output)
    })?;
    Ok((output, partials))
}

/// `relu?(output * scale + shift + addend?)`: the convolution and what [`ops::norm::apply`] makes of it, in
/// one pass if the device can do that.
///
/// # Errors
/// As [`forward`] and [`ops::norm::apply`].
pub fn forward_normalised(
    plan: &Plan,
    shape: &ConvShape,
    input: &Tensor,
    prepared: &Tensor,
    factors: &ops::norm::Factors,
    addend: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    if !input.device().backend().conv_normalises(plan) {
        let output = forward_planned(plan, shape, input, prepared)?;
        return ops::norm::apply(&output, factors, addend, relu);
    }
    let mut output = output_tensor(shape, input)?;
    let vectors = [&factors.scale, &factors.shift];
    check::floats(FORWARD, &vectors)?;
    vectors.iter().try_for_each(|v| check::elements(FORWARD, "a vector", v, shape.k))?;
    if let Some(addend) = addend {
        check::activations(FORWARD, &[input, addend])?;
        check::shape(FORWARD, "the addend", addend, output.shape())?;
    }
    run_forward(plan, shape, input, prepared, |backend, workspace| {
        let [scale, shift] = vectors.map(Tensor::as_slice);
        let addend = addend.map(Tensor::as_slice);
        let output = output.as_slice_mut();
        let output = ConvOutput::Normalised { output, scale, shift, addend, relu };
        let input = ConvInput::Plain(input.as_slice());
        let (prepared, workspace) = (prepared.as_slice(), workspace.as_slice_mut());
        backend.conv_forward(plan, shape, input, prepared, workspace, output)
    })?;
    Ok(output)
}

fn output_tensor(shape: &ConvShape, input: &Tensor) -> Result<Tensor> {
    let output_shape = [shape.n, shape.p(), shape.q(), shape.k];
    Tensor::uninitialised(input.device(), output_shape, input.dtype())
}

fn run_forward(
    plan: &Plan,
    shape: &ConvShape,
    input: &Tensor,
    prepared: &Tensor,
    call: impl FnOnce(&dyn Backend, &mut Tensor) -> Result<()>,
) -> Result<()> {
    check_planned(FORWARD, plan, &[input])?;
    check::shape(FORWARD, "the input", input, [shape.n, shape.h, shape.w, shape.c])?;
    check_prepared(FORWARD, plan, shape, input, prepared)?;
    let mut workspace = workspace(plan, input)?;
    input.device().run(FORWARD, work(plan, shape), |backend| call(backend, &mut workspace))
}

/// The gradient of the `[n, h, w, c]` input from the `[n, p, q, k]` gradient of the output.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if they do not fit `shape`; out of memory.
pub fn input_gradient(
    shape: &ConvShape,
    output_gradient: &Tensor,
    weights: &Tensor,
) -> Result<Tensor> {
    let device = output_gradient.device();
    let dtype = output_gradient.dtype();
    let plan = plan(device, shape, dtype, ConvDirection::InputGradient)?;
    let prepared = prepare(&plan, shape, ConvDirection::InputGradient, weights)?;
    let dims = [shape.n, shape.h, shape.w, shape.c];
    let mut gradient = Tensor::uninitialised(device, dims, dtype)?;
    let target = Destination::write(gradient.as_slice_mut());
    input_gradient_into(&plan, shape, output_gradient, &prepared, target)?;
    Ok(gradient)
}

/// [`input_gradient`] by a given plan, from weights prepared for it, into a destination.
///
/// # Errors
/// As [`input_gradient`].
pub fn input_gradient_into(
    plan: &Plan,
    shape: &ConvShape,
    output_gradient: &Tensor,
    prepared: &Tensor,
    target: Destination,
) -> Result<()> {
    check_planned(INPUT_GRADIENT, plan, &[output_gradient])?;
    let elements = shape.output_len();
    check::elements(INPUT_GRADIENT, "the output's gradient", output_gradient, elements)?;
    check_prepared(INPUT_GRADIENT, plan, shape, output_gradient, prepared)?;
    check::destination(INPUT_GRADIENT, &target, shape.input_len(), plan.dtype)?;
    let mut workspace = workspace(plan, output_gradient)?;
    output_gradient.device().run(INPUT_GRADIENT, work(plan, shape), |backend| {
        let (gradient, weights) = (output_gradient.as_slice(), prepared.as_slice());
        let workspace = workspace.as_slice_mut();
        backend.conv_input_gradient(plan, shape, gradient, weights, workspace, target)
    })
}

/// The gradient of the `[k, r, s, c / groups]` weights.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the tensors do not fit `shape`; out of memory.
pub fn weight_gradient(
    shape: &ConvShape,
    input: &Tensor,
    output_gradient: &Tensor,
) -> Result<Tensor> {
    let device = input.device();
    let plan = plan(device, shape, input.dtype(), ConvDirection::WeightGradient)?;
    let dims = [shape.k, shape.r, shape.s, shape.group_c()];
    let mut gradient = Tensor::uninitialised(device, dims, device.float())?;
    let target = Destination::write(gradient.as_slice_mut());
    weight_gradient_into(&plan, shape, input, output_gradient, target)?;
    Ok(gradient)
}

/// [`weight_gradient`] by a given plan, into a destination.
///
/// # Errors
/// As [`weight_gradient`].
pub fn weight_gradient_into(
    plan: &Plan,
    shape: &ConvShape,
    input: &Tensor,
    output_gradient: &Tensor,
    target: Destination,
) -> Result<()> {
    check_planned(WEIGHT_GRADIENT, plan, &[input, output_gradient])?;
    check::elements(WEIGHT_GRADIENT, "the input", input, shape.input_len())?;
    let elements = shape.output_len();
    check::elements(WEIGHT_GRADIENT, "the output's gradient", output_gradient, elements)?;
    check::destination(WEIGHT_GRADIENT, &target, shape.weight_len(), input.device().float())?;
    let mut workspace = workspace(plan, input)?;
    input.device().run(WEIGHT_GRADIENT, work(plan, shape), |backend| {
        let (input, gradient) = (input.as_slice(), output_gradient.as_slice());
        let workspace = workspace.as_slice_mut();
        backend.conv_weight_gradient(plan, shape, input, gradient, workspace, target)
    })
}

/// The activations are of the type that the plan was made for.
fn check_planned(op: &'static str, plan: &Plan, activations: &[&Tensor]) -> Result<()> {
    check::activations(op, activations)?;
    check::dtype(op, activations[0], plan.dtype)
}

fn check_prepared(
    op: &'static str,
    plan: &Plan,
    shape: &ConvShape,
    activations: &Tensor,
    prepared: &Tensor,
) -> Result<()> {
    let device = activations.device();
    device.check_same(prepared.device(), op)?;
    let as_they_are = plan.prepared == 0;
    check::dtype(op, prepared, if as_they_are { device.float() } else { plan.dtype })?;
    let expected = if as_they_are { shape.weight_len() } else { plan.prepared };
    check::elements(op, "the prepared weights", prepared, expected)
}

fn workspace(plan: &Plan, like: &Tensor) -> Result<Tensor> {
    Tensor::uninitialised(like.device(), [plan.workspace], like.device().float())
}

fn work(plan: &Plan, shape: &ConvShape) -> Call {
    let input = [shape.n, shape.h, shape.w, shape.c];
    let weights = [shape.k, shape.r, shape.s, shape.group_c()];
    Call::new(plan.flops, plan.bytes).on(input).on(weights).by(plan.variant)
}
