//! Matrix products on CUDA: which algorithms there are, in what order they are preferred, and who
//! launches a plan. `simt` is on the ordinary float units, `mma` on tensor cores.

mod mma;
mod simt;

use super::{Capability, Cuda};
use crate::backend::Plan;
use crate::backend::matmul::{MatmulKernels, MatmulShape};
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Error, Result};

const MATMUL: &str = "matmul";

/// Every algorithm; where several are legal for a shape, the first is the best.
const ALGORITHMS: &[&dyn Algorithm] = &[&mma::TensorCores, &simt::Simt];

/// What an algorithm may ask of a device before it says what it can do there.
#[derive(Debug, Clone, Copy)]
struct Abilities {
    capability: Capability,
    /// Whether f32 factors may be rounded to TF32.
    tf32: bool,
}

/// One way to multiply. Its functions are those of [`MatmulKernels`], called for its own plans alone.
trait Algorithm: Sync {
    /// The plans that are legal, the best first.
    fn plans(&self, shape: &MatmulShape, dtype: DType, abilities: &Abilities) -> Vec<Plan>;

    /// True if a plan of this variant is this algorithm's.
    fn has_variant(&self, variant: &str) -> bool;

    #[expect(clippy::too_many_arguments, reason = "those of the contract")]
    fn multiply(
        &self,
        cuda: &Cuda,
        plan: &Plan,
        shape: &MatmulShape,
        left: Slice,
        right: Slice,
        bias: Option<Slice>,
        workspace: SliceMut,
        product: Destination,
    ) -> Result<()>;
}

/// A plan of a variant that needs nothing.
fn plan(variant: &'static str, shape: &MatmulShape, dtype: DType) -> Plan {
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

impl MatmulKernels for Cuda {
    fn matmul_plans(&self, shape: &MatmulShape, dtype: DType) -> Vec<Plan> {
        let abilities = Abilities { capability: self.info().capability, tf32: self.allows_tf32() };
        ALGORITHMS.iter().flat_map(|algorithm| algorithm.plans(shape, dtype, &abilities)).collect()
    }

    fn matmul(
        &self,
        plan: &Plan,
        shape: &MatmulShape,
        left: Slice,
        right: Slice,
        bias: Option<Slice>,
        workspace: SliceMut,
        product: Destination,
    ) -> Result<()> {
        let found = ALGORITHMS.iter().find(|algorithm| algorithm.has_variant(plan.variant));
        let algorithm = found.ok_or_else(|| Error::IllegalPlan {
            op: MATMUL,
            variant: plan.variant.to_string(),
            shape: shape.to_string(),
            legal: "those of this device's `matmul_plans`".to_string(),
        })?;
        algorithm.multiply(self, plan, shape, left, right, bias, workspace, product)
    }
}
