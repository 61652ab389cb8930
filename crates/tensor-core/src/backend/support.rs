//! Which element types each op takes: the table behind [`Backend::supports`](super::Backend::supports).

use crate::DType;

/// The type of what an op reads and writes besides vectors of channels, classes and the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operands {
    /// The backend's activations, and its floats too.
    Activations,
    /// The backend's floats alone.
    Floats,
}

/// Every op by the name under which it is profiled, and what it takes.
pub const OPS: &[(&str, Operands)] = {
    use Operands::{Activations, Floats};
    &[
        ("augment", Activations),
        ("conv.prepare", Activations),
        ("conv.forward", Activations),
        ("conv.input_gradient", Activations),
        ("conv.weight_gradient", Activations),
        ("matmul", Activations),
        ("norm.statistics", Activations),
        ("norm.finalise", Floats),
        ("norm.apply", Activations),
        ("norm.backward_reduce", Activations),
        ("norm.backward_apply", Activations),
        ("max_pool", Activations),
        ("max_pool.gradient", Activations),
        ("global_pool", Activations),
        ("global_pool.gradient", Activations),
        ("pointwise.unary", Activations),
        ("pointwise.unary_gradient", Activations),
        ("pointwise.binary", Activations),
        ("pointwise.cast", Activations),
        ("reduce", Floats),
        ("dropout", Floats),
        ("loss", Floats),
        ("loss.gradient", Floats),
        ("loss.probabilities", Floats),
        ("optimizer.gradient_scale", Floats),
        ("optimizer.sgd_step", Floats),
        ("optimizer.adam_step", Floats),
        ("optimizer.commit", Floats),
    ]
};

/// Whether `op` takes `dtype` on a backend of these types.
pub(super) fn takes(op: &str, dtype: DType, float: DType, activation: DType) -> bool {
    OPS.iter().any(|&(name, operands)| {
        let fits = match operands {
            Operands::Activations => dtype == float || dtype == activation,
            Operands::Floats => dtype == float,
        };
        name == op && fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_end_where_floats_begin() {
        let takes = |op, dtype| takes(op, dtype, DType::F32, DType::Bf16);
        for &(op, operands) in OPS {
            assert!(takes(op, DType::F32), "{op}");
            assert_eq!(takes(op, DType::Bf16), operands == Operands::Activations, "{op}");
            assert!(!takes(op, DType::F64) && !takes(op, DType::U8), "{op}");
        }
        assert!(!takes("conv.backward", DType::F32), "no such op");
    }

    #[test]
    fn one_type_is_the_only_type() {
        for &(op, _) in OPS {
            assert!(takes(op, DType::F64, DType::F64, DType::F64), "{op}");
            assert!(!takes(op, DType::Bf16, DType::F32, DType::F32), "{op}");
        }
    }
}
