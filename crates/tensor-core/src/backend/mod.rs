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
#[cfg(feature = "nvrtc")]
mod custom;
pub mod dropout;
pub mod loss;
pub mod matmul;
pub mod norm;
pub mod optimizer;
mod plan;
pub mod pointwise;
pub mod pool;
pub mod reduce;
mod support;

pub use augment::AugmentKernels;
pub use conv::ConvKernels;
#[cfg(feature = "nvrtc")]
pub use custom::{CustomKernel, KernelArgument};
pub use dropout::DropoutKernels;
pub use loss::LossKernels;
pub use matmul::MatmulKernels;
pub use norm::NormKernels;
pub use optimizer::OptimizerKernels;
pub use plan::Plan;
pub use pointwise::PointwiseKernels;
pub use pool::PoolKernels;
pub use reduce::ReduceKernels;
pub use support::{OPS, Operands};

use crate::memory::MemoryPool;
use crate::{DType, Error, Result};

/// Work that was recorded.
pub trait Replay: Send {
    /// Gives the work to the device once more, at the same addresses.
    ///
    /// # Errors
    /// What earlier work failed with.
    fn replay(&mut self) -> Result<()>;
}

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

    /// The float type of parameters, batch-norm state, weight gradients, logits, losses and workspaces.
    fn float(&self) -> DType;

    /// The type of activations and their gradients, from the batch up to the pooling of whole pictures:
    /// [`float`](Self::float), or `Bf16`.
    fn activation(&self) -> DType;

    /// Whether [`capture`](Self::capture) works here.
    fn can_capture(&self) -> bool {
        false
    }

    /// Records the work that `record` gives to this backend, to be run again and again.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a backend that runs work while it is given; what `record` failed with.
    fn capture(&self, _record: &mut dyn FnMut() -> Result<()>) -> Result<Box<dyn Replay>> {
        let message = "it runs work at once; there is nothing to capture".to_string();
        Err(Error::Unsupported { op: "capture", device: self.name().to_string(), message })
    }

    /// Compiles a kernel of the user's own.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a backend that has no compiler; [`Error::Device`] with its words.
    #[cfg(feature = "nvrtc")]
    fn compile(&self, _source: &str, name: &str) -> Result<Box<dyn CustomKernel>> {
        let message = format!("it cannot compile `{name}`");
        Err(Error::Unsupported { op: "compile", device: self.name().to_string(), message })
    }

    /// Whether `op` (a name of [`OPS`]) takes activations, or floats where it has no activations, of
    /// this type. What is not supported is [`Error::Unsupported`] in `ops/`.
    fn supports(&self, op: &str, dtype: DType) -> bool {
        support::takes(op, dtype, self.float(), self.activation())
    }
}
