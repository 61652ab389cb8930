//! Batch normalisation in five parts over `[..., c]` tensors: statistics, finalise, apply, and two
//! backward parts. The formulas stand at [`crate::backend::norm`]. What is normalised may be
//! activations or floats; vectors and statistics are floats.

use super::check;
use crate::backend::norm::{NormBackward, NormFactors, NormShape, NormStatistics};
use crate::error::check_shape;
use crate::memory::Destination;
use crate::profile::Call;
use crate::{Result, Tensor};

/// What normalises each channel, `[c]` each.
#[derive(Clone, Debug)]
pub struct Factors {
    /// Mean that is subtracted.
    pub mean: Tensor,
    /// `1 / sqrt(variance + epsilon)`.
    pub inv_std: Tensor,
    /// `gamma * inv_std`.
    pub scale: Tensor,
    /// `beta - mean * scale`.
    pub shift: Tensor,
}

/// Running mean and variance, `[c]` each.
#[derive(Clone, Debug)]
pub struct Running {
    /// Running mean.
    pub mean: Tensor,
    /// Running unbiased variance.
    pub var: Tensor,
}

/// The two numbers of a batch norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormOptions {
    /// Added to the variance: 1e-5 in residual networks.
    pub epsilon: f64,
    /// Share of a batch in the running values: 0.1 in residual networks.
    pub momentum: f64,
}

impl Default for NormOptions {
    fn default() -> NormOptions {
        NormOptions { epsilon: 1e-5, momentum: 0.1 }
    }
}

/// A tensor as batch norm sees it: its last dimension is the channels.
pub fn shape(input: &Tensor) -> NormShape {
    NormShape { rows: input.shape().rows(), channels: input.shape().channels() }
}

/// Part 1: the `[parts, 3, c]` partial statistics (count, mean, M2).
///
/// # Errors
/// Wrong element type; out of memory.
pub fn statistics(input: &Tensor) -> Result<Tensor> {
    const OP: &str = "norm.statistics";
    check::activations(OP, &[input])?;
    let (shape, device) = (shape(input), input.device());
    let dims = [shape.parts(), 3, shape.channels];
    let mut partials = Tensor::uninitialised(device, dims, device.float())?;
    device.run(OP, work(&shape, input, 1), |backend| {
        backend.norm_statistics(&shape, input.as_slice(), partials.as_slice_mut())
    })?;
    Ok(partials)
}

/// Part 2 from a batch's partial statistics: the factors, and the running values after the batch.
/// Nothing is changed: the caller decides whether to keep the new running values.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if a vector has not one element a channel; out of memory.
pub fn finalise_batch(
    shape: &NormShape,
    partials: &Tensor,
    running: &Running,
    gamma: &Tensor,
    beta: &Tensor,
    options: &NormOptions,
) -> Result<(Factors, Running)> {
    const OP: &str = "norm.finalise";
    check::floats(OP, &[partials, gamma, beta, &running.mean, &running.var])?;
    let found = partials.shape().elements();
    check_shape(found > 0 && found.is_multiple_of(3 * shape.channels), OP, || {
        format!("partial statistics {} for {} channels", partials.shape(), shape.channels)
    })?;
    let vectors = [gamma, beta, &running.mean, &running.var];
    vectors.iter().try_for_each(|v| check::elements(OP, "a vector", v, shape.channels))?;
    let mut new = Running { mean: vector(gamma, shape)?, var: vector(gamma, shape)? };
    let statistics = NormStatistics::Batch {
        partials: partials.as_slice(),
        running_mean: running.mean.as_slice(),
        running_var: running.var.as_slice(),
        new_mean: new.mean.as_slice_mut(),
        new_var: new.var.as_slice_mut(),
        momentum: options.momentum,
    };
    let factors = finalise(shape, statistics, gamma, beta, options)?;
    Ok((factors, new))
}

/// Part 2 from running values.
///
/// # Errors
/// As [`finalise_batch`].
pub fn finalise_running(
    running: &Running,
    gamma: &Tensor,
    beta: &Tensor,
    options: &NormOptions,
) -> Result<Factors> {
    const OP: &str = "norm.finalise";
    let shape = NormShape { rows: 0, channels: gamma.shape().elements() };
    check::floats(OP, &[gamma, beta, &running.mean, &running.var])?;
    let vectors = [beta, &running.mean, &running.var];
    vectors.iter().try_for_each(|v| check::elements(OP, "a vector", v, shape.channels))?;
    let (mean, var) = (running.mean.as_slice(), running.var.as_slice());
    finalise(&shape, NormStatistics::Running { mean, var }, gamma, beta, options)
}

fn finalise(
    shape: &NormShape,
    statistics: NormStatistics,
    gamma: &Tensor,
    beta: &Tensor,
    options: &NormOptions,
) -> Result<Factors> {
    let mut factors = Factors {
        mean: vector(gamma, shape)?,
        inv_std: vector(gamma, shape)?,
        scale: vector(gamma, shape)?,
        shift: vector(gamma, shape)?,
    };
    gamma.device().run("norm.finalise", Call::new(0, 0).on(gamma.shape()), |backend| {
        let target = NormFactors {
            mean: factors.mean.as_slice_mut(),
            inv_std: factors.inv_std.as_slice_mut(),
            scale: factors.scale.as_slice_mut(),
            shift: factors.shift.as_slice_mut(),
        };
        let (gamma, beta) = (gamma.as_slice(), beta.as_slice());
        backend.norm_finalise(shape, statistics, gamma, beta, options.epsilon, target)
    })?;
    Ok(factors)
}

/// Part 3: `input * scale + shift`, plus `addend` if there is one, through a ReLU if `relu`.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the tensors do not fit together; out of memory.
pub fn apply(
    input: &Tensor,
    factors: &Factors,
    addend: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    const OP: &str = "norm.apply";
    let shape = shape(input);
    check::activations(OP, &[input])?;
    check_vectors(OP, input, &[&factors.scale, &factors.shift], shape.channels)?;
    if let Some(addend) = addend {
        check::activations(OP, &[input, addend])?;
        check::shape(OP, "the addend", addend, input.shape())?;
    }
    let mut output = Tensor::uninitialised(input.device(), input.shape(), input.dtype())?;
    let passes = 2 + usize::from(addend.is_some());
    input.device().run(OP, work(&shape, input, passes), |backend| {
        let (scale, shift) = (factors.scale.as_slice(), factors.shift.as_slice());
        let (input, addend) = (input.as_slice(), addend.map(Tensor::as_slice));
        backend.norm_apply(&shape, input, scale, shift, addend, relu, output.as_slice_mut())
    })?;
    Ok(output)
}

/// What both backward parts read.
#[derive(Clone, Copy)]
pub struct Backward<'a> {
    /// Gradient of the output.
    pub output_gradient: &'a Tensor,
    /// The output, if it went through a ReLU.
    pub relu_output: Option<&'a Tensor>,
    /// True if something was added before the ReLU: then the input does not tell the output's sign.
    pub has_addend: bool,
    /// Input of the normalisation.
    pub input: &'a Tensor,
    /// The factors of the forward pass.
    pub factors: &'a Factors,
}

impl Backward<'_> {
    fn check(&self, op: &'static str) -> Result<NormShape> {
        let shape = shape(self.input);
        check::activations(op, &[self.input, self.output_gradient])?;
        check::elements(op, "the output's gradient", self.output_gradient, shape.len())?;
        let Factors { mean, inv_std, scale, shift } = self.factors;
        let vectors = [mean, inv_std, scale, shift];
        check_vectors(op, self.input, &vectors, shape.channels)?;
        if let Some(output) = self.relu_output {
            check::activations(op, &[self.input, output])?;
            check::elements(op, "the output", output, shape.len())?;
        }
        Ok(shape)
    }

    fn slices(&self) -> NormBackward<'_> {
        NormBackward {
            output_gradient: self.output_gradient.as_slice(),
            relu_output: self.relu_output.map(Tensor::as_slice),
            relu_factors: (!self.has_addend && self.relu_output.is_some())
                .then(|| [&self.factors.scale, &self.factors.shift].map(Tensor::as_slice)),
            input: self.input.as_slice(),
            mean: self.factors.mean.as_slice(),
            inv_std: self.factors.inv_std.as_slice(),
        }
    }
}

/// Part 4: `[2, c]`, the gradients of beta (first row) and gamma (second row).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the tensors do not fit together; out of memory.
pub fn backward_reduce(backward: &Backward) -> Result<Tensor> {
    const OP: &str = "norm.backward_reduce";
    let shape = backward.check(OP)?;
    let device = backward.input.device();
    let parts = [shape.parts(), 2, shape.channels];
    let mut workspace = Tensor::uninitialised(device, parts, device.float())?;
    let mut sums = Tensor::uninitialised(device, [2, shape.channels], device.float())?;
    let passes = 2 + usize::from(backward.relu_output.is_some());
    device.run(OP, work(&shape, backward.input, passes), |backend| {
        let (workspace, sums) = (workspace.as_slice_mut(), sums.as_slice_mut());
        backend.norm_backward_reduce(&shape, backward.slices(), workspace, sums)
    })?;
    Ok(sums)
}

/// Part 5: gradients of the input and of the addend. `sums` are those of part 4 if the statistics
/// were the batch's, and absent if they were running values.
///
/// # Errors
/// As [`backward_reduce`].
pub fn backward_apply_into(
    backward: &Backward,
    gamma: &Tensor,
    sums: Option<&Tensor>,
    input_gradient: Option<Destination>,
    addend_gradient: Option<Destination>,
) -> Result<()> {
    const OP: &str = "norm.backward_apply";
    let shape = backward.check(OP)?;
    check_vectors(OP, backward.input, &[gamma], shape.channels)?;
    if let Some(sums) = sums {
        check::floats(OP, &[gamma, sums])?;
        check::elements(OP, "the sums", sums, 2 * shape.channels)?;
    }
    for target in input_gradient.iter().chain(&addend_gradient) {
        check::destination(OP, target, shape.len(), backward.input.dtype())?;
    }
    let targets = usize::from(input_gradient.is_some()) + usize::from(addend_gradient.is_some());
    let passes = 2 + usize::from(backward.relu_output.is_some()) + targets;
    gamma.device().run(OP, work(&shape, backward.input, passes), |backend| {
        let (gamma, sums) = (gamma.as_slice(), sums.map(Tensor::as_slice));
        let slices = backward.slices();
        backend.norm_backward_apply(&shape, slices, gamma, sums, input_gradient, addend_gradient)
    })
}

/// Each is `[channels]` floats on the device of `activations`.
fn check_vectors(
    op: &'static str,
    activations: &Tensor,
    vectors: &[&Tensor],
    channels: usize,
) -> Result<()> {
    check::floats(op, vectors)?;
    vectors.iter().try_for_each(|vector| {
        activations.device().check_same(vector.device(), op)?;
        check::elements(op, "a vector", vector, channels)
    })
}

fn vector(like: &Tensor, shape: &NormShape) -> Result<Tensor> {
    Tensor::uninitialised(like.device(), [shape.channels], like.dtype())
}

/// A few operations an element, and `passes` tensors read or written.
fn work(shape: &NormShape, tensor: &Tensor, passes: usize) -> Call {
    let bytes = (passes * shape.len() * tensor.dtype().size()) as u64;
    Call::new(4 * shape.len() as u64, bytes).on(tensor.shape())
}
