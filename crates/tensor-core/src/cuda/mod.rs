//! The CUDA backend: kernels written by hand (`kernels/` at the root of the repository), carried as
//! PTX, loaded through the driver that is found at run time. Nothing of CUDA is needed to build, and
//! a machine without it gets an error that says what is missing.
//!
//! `driver` finds devices, `context` opens one, `memory` and `staging` are its memory, `modules` and
//! `launch` its kernels, `graph` records them; each family of the contract has a file of its name.

mod augment;
#[cfg(feature = "nvrtc")]
mod compile;
mod context;
mod conv;
mod divisor;
mod driver;
mod dropout;
mod graph;
mod launch;
mod loss;
mod matmul;
mod memory;
mod modules;
mod norm;
mod optimizer;
mod pointwise;
mod pool;
mod ptx;
mod reduce;
mod rows;
mod staging;
mod vectors;

pub use driver::{Capability, DeviceInfo, DriverVersion, devices, driver_version, refusal};

pub use modules::target_for;

use std::sync::Arc;

use self::context::Context;
use self::launch::Launch;
use self::memory::CudaMemory;
use self::modules::Modules;
use self::staging::CapturedBytes;
#[cfg(feature = "nvrtc")]
use crate::backend::CustomKernel;
use crate::backend::{Backend, Replay};
use crate::memory::MemoryPool;
use crate::{DType, Error, Result};

/// What activations and their gradients are kept in; parameters are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// bf16, computed with f32 accumulators.
    Bf16,
}

impl Precision {
    /// The element type of activations.
    pub fn dtype(self) -> DType {
        match self {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::Bf16,
        }
    }
}

/// How to open a CUDA device.
///
/// ```
/// use tensor_core::cuda::{CudaOptions, Precision};
/// let options = CudaOptions::new().index(1).precision(Precision::F32).tf32(true);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CudaOptions {
    index: usize,
    precision: Option<Precision>,
    tf32: bool,
}

impl CudaOptions {
    /// The first device, at its best precision, without TF32.
    pub fn new() -> CudaOptions {
        CudaOptions::default()
    }

    /// The device of this number, as the driver counts them.
    pub fn index(self, index: usize) -> CudaOptions {
        CudaOptions { index, ..self }
    }

    /// What activations are kept in; bf16 from compute capability 8.0 on, else f32, if not said.
    pub fn precision(self, precision: Precision) -> CudaOptions {
        CudaOptions { precision: Some(precision), ..self }
    }

    /// Whether f32 convolutions and matrix products may round their factors to TF32 (10 bits of
    /// mantissa) for the tensor cores.
    pub fn tf32(self, tf32: bool) -> CudaOptions {
        CudaOptions { tf32, ..self }
    }
}

/// The module that is loaded when a device is opened.
const PROBED_STEM: &str = "pointwise";

/// An NVIDIA GPU.
pub struct Cuda {
    context: Arc<Context>,
    modules: Modules,
    memory: MemoryPool,
    captured_bytes: CapturedBytes,
    precision: Precision,
    tf32: bool,
}

impl Cuda {
    /// Opens a device.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no driver, it is too old, there is no such device, or it is too
    /// old for our kernels or the precision asked for; the message says what to do.
    pub fn new(options: CudaOptions) -> Result<Cuda> {
        let info = driver::usable_device(options.index)?;
        let precision = precision_of(&options, &info)?;
        let context = Arc::new(Context::open(info)?);
        let modules = Modules::new(context.clone());
        let captured_bytes = CapturedBytes::default();
        let memory = CudaMemory::new(context.clone(), captured_bytes.clone());
        let memory = MemoryPool::new(memory);
        let tf32 = options.tf32 && context.info.capability.has_bf16();
        // A driver that refuses our PTX shall say so now, not in the middle of a run.
        modules.load(PROBED_STEM)?;
        Ok(Cuda { context, modules, memory, captured_bytes, precision, tf32 })
    }

    /// What this device is.
    pub fn info(&self) -> &DeviceInfo {
        &self.context.info
    }

    /// Whether f32 convolutions and matrix products may use TF32.
    fn allows_tf32(&self) -> bool {
        self.tf32
    }

    /// Begins a launch of the kernel `name` of `kernels/<stem>.cu`.
    fn launch(&self, stem: &'static str, name: &str) -> Result<Launch<'_>> {
        Ok(Launch::new(&self.context, self.modules.function(stem, name)?))
    }
}

impl Backend for Cuda {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn description(&self) -> String {
        let DeviceInfo { index, name, capability, memory, .. } = self.info();
        let gibibytes = *memory as f64 / f64::from(1 << 30);
        let tf32 = if self.tf32 { ", TF32 products" } else { "" };
        let precision = self.precision.dtype();
        format!(
            "CUDA device {index}: {name}, compute capability {capability}, {gibibytes:.1} GiB, \
             {precision} activations{tf32}"
        )
    }

    fn pool(&self) -> &MemoryPool {
        &self.memory
    }

    fn float(&self) -> DType {
        DType::F32
    }

    fn activation(&self) -> DType {
        self.precision.dtype()
    }

    fn can_capture(&self) -> bool {
        true
    }

    fn capture(&self, record: &mut dyn FnMut() -> Result<()>) -> Result<Box<dyn Replay>> {
        self.capture_graph(record)
    }

    #[cfg(feature = "nvrtc")]
    fn compile(&self, source: &str, name: &str) -> Result<Box<dyn CustomKernel>> {
        self.compile_kernel(source, name)
    }
}

/// Bytes of a device's memory that no process uses now.
///
/// # Errors
/// As [`Cuda::new`].
pub fn free_memory(index: usize) -> Result<usize> {
    Context::open(driver::usable_device(index)?)?.free_memory()
}

fn precision_of(options: &CudaOptions, info: &DeviceInfo) -> Result<Precision> {
    let has_bf16 = info.capability.has_bf16();
    match options.precision {
        Some(Precision::Bf16) if !has_bf16 => Err(Error::Device(format!(
            "CUDA device {} ({}) has compute capability {}, and bf16 needs 8.0; use f32",
            info.index, info.name, info.capability
        ))),
        Some(precision) => Ok(precision),
        None if has_bf16 => Ok(Precision::Bf16),
        None => Ok(Precision::F32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_computes_in_bf16_if_it_can_and_says_so_if_it_cannot() {
        let info = |major, minor| DeviceInfo {
            index: 0,
            name: "a chip".to_string(),
            capability: Capability::new(major, minor),
            memory: 0,
            multiprocessors: 0,
            shared_memory: 0,
        };
        let options = CudaOptions::new();
        assert_eq!(precision_of(&options, &info(7, 5)), Ok(Precision::F32));
        assert_eq!(precision_of(&options, &info(8, 0)), Ok(Precision::Bf16));
        let f32 = options.precision(Precision::F32);
        assert_eq!(precision_of(&f32, &info(9, 0)), Ok(Precision::F32));
        let refused = precision_of(&options.precision(Precision::Bf16), &info(7, 5));
        let text = refused.expect_err("there is no bf16 on 7.5").to_string();
        assert!(text.contains("a chip") && text.contains("7.5"), "{text}");
    }
}
