//! The contract between the ops and those who compute them: one small trait a family, over slices
//! and plain shapes. Nothing here knows a `Tensor`, allocates, or checks what a user did; `ops/` has
//! done that before it calls.
//!
//! A contract function gets slices to read and destinations to write. It may rely on lengths and
//! element types being right, must write every element of its destinations, must not depend on what
//! was there before (unless the mode is `Accumulate`), and gives the same bits whatever the number
//! of threads.

pub mod augment;
pub mod conv;
pub mod dropout;
pub mod loss;
pub mod matmul;
pub mod norm;
pub mod optimizer;
mod plan;
pub mod pointwise;
pub mod pool;
pub mod reduce;

pub use augment::AugmentKernels;
pub use conv::ConvKernels;
pub use dropout::DropoutKernels;
pub use loss::LossKernels;
pub use matmul::MatmulKernels;
pub use norm::NormKernels;
pub use optimizer::OptimizerKernels;
pub use plan::Plan;
pub use pointwise::PointwiseKernels;
pub use pool::PoolKernels;
pub use reduce::ReduceKernels;

use crate::DType;
use crate::memory::MemoryPool;

/// A device's kernels, all families, and its memory.
pub trait Backend:
    Send
    + Sync
    + ConvKernels
    + NormKernels
    + MatmulKernels
    + PoolKernels
    + PointwiseKernels
    + ReduceKernels
    + DropoutKernels
    + LossKernels
    + OptimizerKernels
    + AugmentKernels
{
    /// A short name such as `cpu`.
    fn name(&self) -> &'static str;

    /// One line for people: processor, instruction set, threads.
    fn description(&self) -> String;

    /// The memory that this backend's slices lie in.
    fn pool(&self) -> &MemoryPool;

    /// The float type that this backend computes with.
    fn float(&self) -> DType;
}
