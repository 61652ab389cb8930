//! One case table, several uses: each file lists the shapes of one op family as plain data, makes
//! random inputs for them, runs the op on any device, and says how large rounding errors may be.
//!
//! `agreement.rs` holds devices against Reference, `gradient.rs` holds the analytic gradients against
//! numeric ones. The tests that run all of it are in `tests/ops.rs` and, for CUDA devices, in
//! `tests/cuda_ops.rs`.

pub mod agreement;
pub mod augment;
pub mod compare;
pub mod conv;
pub mod dropout;
pub mod format;
pub mod gradient;
pub mod input;
pub mod loss;
pub mod matmul;
pub mod norm;
pub mod optimizer;
pub mod pointwise;
pub mod pool;
pub mod reduce;
pub mod view;

use compare::Bounds;
use format::{Format, Rounding};
use input::{Draw, Input};
use tensor_core::backend::Plan;
use tensor_core::memory::Destination;
use tensor_core::{DType, Device, Result, Tensor};

/// What an op computed, read back.
#[derive(Debug, Clone)]
pub struct Output {
    /// Which of the op's results it is.
    pub name: &'static str,
    /// The elements.
    pub values: Vec<f64>,
    /// How they were rounded.
    pub rounding: Rounding,
}

impl Output {
    /// Reads a float tensor back.
    pub fn new(name: &'static str, tensor: &Tensor) -> Result<Output> {
        let dtype = tensor.dtype();
        let values = match dtype {
            DType::F64 => tensor.to_vec::<f64>()?,
            _ => tensor.to_f32()?.into_iter().map(f64::from).collect(),
        };
        Ok(Output { name, values, rounding: Rounding::Last(dtype) })
    }

    /// The same output, computed from results that were rounded to this format.
    pub fn computed_within(self, format: Format) -> Output {
        Output { rounding: Rounding::Within(format), ..self }
    }
}

/// An op on one shape.
pub trait Case {
    /// Op, shape and options: unique, for it also seeds the inputs.
    fn name(&self) -> String;

    /// Random inputs, already rounded to f32; what is an activation says so.
    fn inputs(&self, draw: &mut Draw) -> Vec<Input>;

    /// Every plan that is legal on this device; none for ops that are not planned.
    fn plans(&self, _device: &Device) -> Result<Vec<Plan>> {
        Ok(Vec::new())
    }

    /// Runs the op by this plan (there is one unless `plans` gives none).
    fn run(&self, device: &Device, plan: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>>;

    /// For each output element the size of what was added up to get it (such as the sum of |a b|),
    /// which rounding errors are proportional to. Without any, that is the result itself.
    fn magnitudes(&self, _inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        Ok(expected.iter().map(|output| absolute(&output.values)).collect())
    }

    /// How far from Reference the results may be.
    fn bounds(&self) -> Bounds {
        Bounds::DEFAULT
    }
}

/// The outputs of a case on Reference for other inputs, as magnitudes.
pub fn magnitudes_by_reference(case: &dyn Case, inputs: &[Input]) -> Result<Vec<Vec<f64>>> {
    let outputs = run_on_reference(case, inputs)?;
    Ok(outputs.into_iter().map(|output| absolute(&output.values)).collect())
}

/// The outputs of a case on Reference.
pub fn run_on_reference(case: &dyn Case, inputs: &[Input]) -> Result<Vec<Output>> {
    let device = poisoned(Device::reference());
    let plans = case.plans(&device)?;
    case.run(&device, plans.first(), &input::upload(&device, inputs)?)
}

/// The same device, handing out memory full of not-a-number, so that nothing stays unwritten unseen.
pub fn poisoned(device: Device) -> Device {
    device.memory().set_poison(true);
    device
}

/// Runs an op into a destination twice: to be written over not-a-number, and to be added to `base`.
pub fn write_and_accumulate(
    base: &Tensor,
    mut call: impl FnMut(Destination) -> Result<()>,
) -> Result<[Output; 2]> {
    let mut written = Tensor::uninitialised(base.device(), base.shape(), base.dtype())?;
    call(Destination::write(written.as_slice_mut()))?;
    let mut accumulated = base.duplicate()?;
    call(Destination::accumulate(accumulated.as_slice_mut()))?;
    Ok([Output::new("written", &written)?, Output::new("accumulated", &accumulated)?])
}

/// A tensor that `call` writes.
pub fn written(like: &Tensor, call: impl FnOnce(Destination) -> Result<()>) -> Result<Tensor> {
    let mut target = Tensor::uninitialised(like.device(), like.shape(), like.dtype())?;
    call(Destination::write(target.as_slice_mut()))?;
    Ok(target)
}

/// Magnitudes of what [`write_and_accumulate`] gives for an op whose results are single roundings.
pub fn written_and_base(written: &Output, base: &Input) -> Vec<Vec<f64>> {
    let written = absolute(&written.values);
    let with_base = written.iter().zip(base.floats()).map(|(w, b)| w + f64::from(b.abs()));
    let with_base = with_base.collect();
    vec![written, with_base]
}

/// `|x|` of each element.
pub fn absolute(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.abs()).collect()
}
