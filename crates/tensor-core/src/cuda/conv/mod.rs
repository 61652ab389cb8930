//! Convolution on CUDA: which algorithms there are, in what order they are preferred, and who launches
//! a plan. What an algorithm is legal for, what it needs and how it is launched is in its own file:
//! `stem`, `grouped` and `implicit` on the ordinary float units, `stem_mma` and `mma` on tensor cores.

mod extents;
mod grouped;
mod implicit;
mod mma;
mod split;
mod stem;
mod stem_mma;

#[cfg(test)]
mod tests;

use super::{Capability, Cuda};
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvKernels, ConvOutput, ConvShape};
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::{DType, Error, Result};

const FORWARD: &str = "conv.forward";
const INPUT_GRADIENT: &str = "conv.input_gradient";
const WEIGHT_GRADIENT: &str = "conv.weight_gradient";
const PREPARE: &str = "conv.prepare";

/// Every algorithm; where several are legal for a shape, the first is the best.
const ALGORITHMS: &[&dyn Algorithm] =
    &[&stem_mma::StemMma, &stem::Stem, &mma::TensorCores, &grouped::Grouped, &implicit::Implicit];

/// What an algorithm may ask of a device before it says what it can do there.
#[derive(Debug, Clone, Copy)]
struct Abilities {
    capability: Capability,
    /// Whether f32 factors may be rounded to TF32.
    tf32: bool,
}

impl Abilities {
    /// True if the device keeps activations of this type.
    fn has_activations(&self, dtype: DType) -> bool {
        match dtype {
            DType::F32 => true,
            DType::Bf16 => self.capability.has_bf16(),
            _ => false,
        }
    }
}

/// One way to compute convolutions. Its functions are those of [`ConvKernels`], called for its own
/// plans alone.
trait Algorithm: Sync {
    /// The plans that are legal, the best first.
    fn plans(
        &self,
        shape: &ConvShape,
        dtype: DType,
        direction: ConvDirection,
        abilities: &Abilities,
    ) -> Vec<Plan>;

    /// True if a plan of this variant is this algorithm's.
    fn has_variant(&self, variant: &str) -> bool;

    fn prepare(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &ConvShape,
        direction: ConvDirection,
        weights: Slice,
        prepared: SliceMut,
    ) -> Result<()>;

    #[expect(clippy::too_many_arguments, reason = "those of the contract")]
    fn forward(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &ConvShape,
        input: ConvInput,
        weights: Slice,
        workspace: SliceMut,
        output: ConvOutput,
    ) -> Result<()>;

    #[expect(clippy::too_many_arguments, reason = "those of the contract")]
    fn input_gradient(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &ConvShape,
        output_gradient: Slice,
        weights: Slice,
        workspace: SliceMut,
        input_gradient: Destination,
    ) -> Result<()>;

    #[expect(clippy::too_many_arguments, reason = "those of the contract")]
    fn weight_gradient(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &ConvShape,
        input: Slice,
        output_gradient: Slice,
        workspace: SliceMut,
        weight_gradient: Destination,
    ) -> Result<()>;
}

/// Every legal plan on a device of these abilities, the best first.
fn plans(
    shape: &ConvShape,
    dtype: DType,
    direction: ConvDirection,
    abilities: &Abilities,
) -> Vec<Plan> {
    let of = |algorithm: &&dyn Algorithm| algorithm.plans(shape, dtype, direction, abilities);
    ALGORITHMS.iter().flat_map(of).collect()
}

/// Whose plan this is.
fn algorithm(op: &'static str, plan: &Plan, shape: &ConvShape) -> Result<&'static dyn Algorithm> {
    let found = ALGORITHMS.iter().find(|algorithm| algorithm.has_variant(plan.variant));
    found.copied().ok_or_else(|| Error::IllegalPlan {
        op,
        variant: plan.variant.to_string(),
        shape: shape.to_string(),
        legal: "those of this device's `conv_plans`".to_string(),
    })
}

/// A plan of a variant that needs nothing.
fn plan(variant: &'static str, shape: &ConvShape, dtype: DType) -> Plan {
    Plan {
        variant,
        dtype,
        workspace: 0,
        prepared: 0,
        reads_twin: false,
        fuses_input: false,
        fuses_statistics: None,
        flops: shape.flops(),
        bytes: shape.bytes(dtype),
    }
}

/// Whether kernels add to what lies at a destination, as they take it.
fn accumulates(mode: WriteMode) -> i32 {
    i32::from(mode == WriteMode::Accumulate)
}

impl ConvKernels for Cuda {
    fn conv_plans(&self, shape: &ConvShape, dtype: DType, direction: ConvDirection) -> Vec<Plan> {
        let abilities = Abilities { capability: self.info().capability, tf32: self.allows_tf32() };
        plans(shape, dtype, direction, &abilities)
    }

    fn conv_prepare(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        direction: ConvDirection,
        weights: Slice,
        prepared: SliceMut,
    ) -> Result<()> {
        algorithm(PREPARE, plan, shape)?.prepare(self, plan, shape, direction, weights, prepared)
    }

    fn conv_forward(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        input: ConvInput,
        weights: Slice,
        workspace: SliceMut,
        output: ConvOutput,
    ) -> Result<()> {
        let algorithm = algorithm(FORWARD, plan, shape)?;
        algorithm.forward(self, plan, shape, input, weights, workspace, output)
    }

    fn conv_input_gradient(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        output_gradient: Slice,
        weights: Slice,
        workspace: SliceMut,
        target: Destination,
    ) -> Result<()> {
        let algorithm = algorithm(INPUT_GRADIENT, plan, shape)?;
        algorithm.input_gradient(self, plan, shape, output_gradient, weights, workspace, target)
    }

    fn conv_weight_gradient(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        input: Slice,
        output_gradient: Slice,
        workspace: SliceMut,
        target: Destination,
    ) -> Result<()> {
        let algorithm = algorithm(WEIGHT_GRADIENT, plan, shape)?;
        algorithm.weight_gradient(self, plan, shape, input, output_gradient, workspace, target)
    }
}
