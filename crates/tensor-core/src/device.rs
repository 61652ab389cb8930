//! A device: which backend computes, found and chosen at run time.

mod choice;

pub use choice::DeviceChoice;

use std::fmt;
use std::sync::Arc;

use crate::backend::{Backend, Replay};
use crate::cpu::{Cpu, CpuOptions};
use crate::cuda::{self, Cuda, CudaOptions};
use crate::memory::{MemoryPool, MemoryReport};
use crate::profile::{Call, OpCall, Profile, Profiler};
use crate::reference::Reference;
use crate::{DType, Error, Result};

/// Something that holds tensors and computes with them. Cheap to clone; clones are the same device.
///
/// ```
/// # fn main() -> tensor_core::Result<()> {
/// let device = tensor_core::Device::best()?;
/// println!("{}", device.description());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Device {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Box<dyn Backend>,
    profiler: Profiler,
    choice: String,
}

impl Device {
    /// The fastest device of this machine: the first CUDA device that can be used, else the CPU.
    /// [`description`](Self::description) says what was chosen and why.
    ///
    /// # Errors
    /// [`Error::Device`] if not even a thread can be started.
    pub fn best() -> Result<Device> {
        Device::best_with(CudaOptions::new())
    }

    /// As [`best`](Self::best); a CUDA device is opened with these options, whatever index they have.
    ///
    /// # Errors
    /// As [`best`](Self::best).
    pub fn best_with(options: CudaOptions) -> Result<Device> {
        match Device::first_cuda(options) {
            Ok(cuda) => {
                Ok(Device::with_choice(Box::new(cuda), "the first CUDA device that can be used"))
            }
            Err(error) => {
                let cpu = Cpu::new(CpuOptions::default())?;
                // What follows the semicolon says what to do, which `fastlearn doctor` shows.
                let reason = error.to_string();
                let reason = reason.split_once(';').map_or(&*reason, |(reason, _)| reason);
                Ok(Device::with_choice(Box::new(cpu), reason))
            }
        }
    }

    fn first_cuda(options: CudaOptions) -> Result<Cuda> {
        let devices = cuda::devices()?;
        let usable = devices.iter().position(|info| cuda::refusal(info).is_none());
        Cuda::new(options.index(usable.unwrap_or(0)))
    }

    /// The device that the environment variable `FASTLEARN_DEVICE` names (`auto`, `cpu`, `cuda` or
    /// `cuda:1`), [`best`](Self::best) if it is not set: what benches and examples run on.
    ///
    /// # Errors
    /// [`Error::Device`] if it names no kind of device, or one that cannot be opened.
    pub fn from_environment() -> Result<Device> {
        DeviceChoice::from_environment()?.open()
    }

    /// The CUDA device of this index.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no usable driver or device; the message says what to do.
    pub fn cuda(index: usize) -> Result<Device> {
        Device::cuda_with(CudaOptions::new().index(index))
    }

    /// A CUDA device with chosen index or precision.
    ///
    /// # Errors
    /// As [`cuda`](Self::cuda), and if the device lacks the precision.
    pub fn cuda_with(options: CudaOptions) -> Result<Device> {
        Ok(Device::with_choice(Box::new(Cuda::new(options)?), "asked for"))
    }

    /// The CPU with its best instruction set and a thread a core.
    ///
    /// # Errors
    /// As [`best`](Self::best).
    pub fn cpu() -> Result<Device> {
        Device::cpu_with(CpuOptions::default())
    }

    /// The CPU with chosen threads or instruction set.
    ///
    /// # Errors
    /// [`Error::Device`] if this processor lacks the instruction set or the threads cannot start.
    pub fn cpu_with(options: CpuOptions) -> Result<Device> {
        Ok(Device::with_choice(Box::new(Cpu::new(options)?), "asked for"))
    }

    /// Plain loops in f64: slow, and the judge of the others in tests.
    pub fn reference() -> Device {
        Device::with_choice(Box::new(Reference::new()), "asked for")
    }

    fn with_choice(backend: Box<dyn Backend>, choice: &str) -> Device {
        let (profiler, choice) = (Profiler::default(), choice.to_string());
        Device { shared: Arc::new(Shared { backend, profiler, choice }) }
    }

    /// The kernels.
    pub fn backend(&self) -> &dyn Backend {
        &*self.shared.backend
    }

    /// A short name such as `cpu`.
    pub fn name(&self) -> &'static str {
        self.backend().name()
    }

    /// One line for people: what it is, and why it was chosen.
    pub fn description(&self) -> String {
        format!("{} ({})", self.backend().description(), self.shared.choice)
    }

    /// The type of parameters, statistics, weight gradients, logits and losses.
    pub fn float(&self) -> DType {
        self.backend().float()
    }

    /// The type of activations and their gradients up to the pooling of whole pictures.
    pub fn activation(&self) -> DType {
        self.backend().activation()
    }

    /// Whether `op`, by the name under which it is profiled, takes activations of this type, or floats
    /// where it has no activations.
    ///
    /// ```
    /// # fn main() -> tensor_core::Result<()> {
    /// use tensor_core::{DType, Device};
    /// assert!(Device::cpu()?.supports("conv.forward", DType::F32));
    /// assert!(!Device::cpu()?.supports("conv.forward", DType::Bf16));
    /// # Ok(())
    /// # }
    /// ```
    pub fn supports(&self, op: &str, dtype: DType) -> bool {
        self.backend().supports(op, dtype)
    }

    /// The device's memory.
    pub fn memory(&self) -> &MemoryPool {
        self.backend().pool()
    }

    /// Bytes in use, peak and limit.
    pub fn memory_report(&self) -> MemoryReport {
        self.memory().report()
    }

    /// Starts counting time, FLOPs and bytes of every op from zero.
    pub fn start_profile(&self) {
        self.shared.profiler.start();
    }

    /// What was counted since [`start_profile`](Self::start_profile); counting goes on.
    pub fn profile(&self) -> Profile {
        self.shared.profiler.report()
    }

    /// Tells `listener` of every op as it ends, with its shapes, time and rates, for as long as the device
    /// lives; the first listener stays. Every op is then waited for, and nothing is captured: it shows
    /// where time goes, not how fast the whole is.
    ///
    /// ```
    /// # fn main() -> tensor_core::Result<()> {
    /// use tensor_core::{Device, Tensor, ops::pointwise::{Unary, unary}};
    /// let device = Device::cpu()?;
    /// device.trace(|call| eprintln!("{call}"));
    /// unary(Unary::Relu, &Tensor::zeros(&device, [4, 8], device.float())?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn trace(&self, listener: impl Fn(&OpCall) + Send + Sync + 'static) {
        self.shared.profiler.trace(Box::new(listener));
    }

    /// Waits until all work given to the device is done.
    ///
    /// # Errors
    /// What that work failed with.
    pub fn synchronize(&self) -> Result<()> {
        self.memory().memory().event()?.wait()
    }

    /// Whether [`capture`](Self::capture) works now: not on a device that runs work while it is given, as
    /// the CPU does, nor while ops are profiled.
    pub fn can_capture(&self) -> bool {
        self.backend().can_capture() && !self.shared.profiler.is_on()
    }

    /// Records the work that `record` gives to this device, to be replayed at the price of one launch.
    ///
    /// Nothing runs while it is recorded, so nothing may wait for results meanwhile, and tensors made in
    /// it hold nothing before the first [`replay`](CapturedGraph::replay), which writes them; each later
    /// one overwrites them. Tensors that it reads must be written in place to change
    /// ([`Tensor::write`](crate::Tensor::write)). Its memory stays its own for as long as the graph or
    /// one of those tensors lives; memory that was in use by then is not handed out again before the graph
    /// is gone. Run the same work once before it is captured: that loads its kernels.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a device that runs work while it is given, as the CPU does;
    /// [`Error::Device`] while ops are profiled; what `record` failed with.
    pub fn capture<T, E: From<Error>>(
        &self,
        record: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<(T, CapturedGraph), E> {
        if self.shared.profiler.is_on() {
            let message = "ops are being profiled, which waits for each of them";
            let message = format!("{} cannot be captured: {message}", self.name());
            return Err(Error::Device(message).into());
        }
        let (mut record, mut outcome) = (Some(record), None);
        let captured = self.backend().capture(&mut || {
            outcome = record.take().map(|record| record());
            match outcome {
                Some(Ok(_)) => Ok(()),
                // The backend gives up; the caller gets the error itself.
                _ => Err(Error::Device("what was to be captured failed".to_string())),
            }
        });
        let made = outcome.transpose()?;
        let work = captured?;
        let Some(made) = made else {
            let message = format!("{} captured without recording anything", self.name());
            return Err(Error::Device(message).into());
        };
        Ok((made, CapturedGraph { device: self.clone(), work }))
    }

    /// Compiles a kernel of your own, CUDA C++, for this device. Needs NVIDIA's NVRTC library where it
    /// runs; its launches go behind all work given so far, as those of ops do.
    ///
    /// ```no_run
    /// # fn main() -> tensor_core::Result<()> {
    /// use tensor_core::{Device, Tensor, backend::KernelArgument};
    /// let source = r#"
    ///     extern "C" __global__ void clamp(float* x, float most, int len) {
    ///       int i = blockIdx.x * blockDim.x + threadIdx.x;
    ///       if (i < len && x[i] > most) x[i] = most;
    ///     }"#;
    /// let device = Device::cuda(0)?;
    /// let clamp = device.compile(source, "clamp")?;
    /// let mut x = Tensor::full(&device, [1000], 5.0)?;
    /// let arguments = [
    ///     KernelArgument::Write(x.as_slice_mut()),
    ///     KernelArgument::F32(1.0),
    ///     KernelArgument::I32(1000),
    /// ];
    /// // SAFETY: these are the kernel's parameters, and it stays inside the tensor.
    /// unsafe { clamp.launch(&arguments, [4, 1, 1], 256, 0)? };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a device without a compiler, such as the CPU; [`Error::Device`] with the
    /// compiler's words.
    #[cfg(feature = "nvrtc")]
    pub fn compile(
        &self,
        source: &str,
        name: &str,
    ) -> Result<Box<dyn crate::backend::CustomKernel>> {
        self.backend().compile(source, name)
    }

    /// The hook that all ops pass: runs one contract function and, while profiling, counts it.
    pub(crate) fn run<T>(
        &self,
        op: &'static str,
        about: Call,
        call: impl FnOnce(&dyn Backend) -> Result<T>,
    ) -> Result<T> {
        if !self.shared.profiler.is_on() {
            return call(self.backend());
        }
        let start = std::time::Instant::now();
        let result = call(self.backend())?;
        self.synchronize()?;
        let in_use = self.memory_report().in_use;
        self.shared.profiler.count(op, start.elapsed(), about, in_use);
        Ok(result)
    }

    /// Fails unless `other` is the same device.
    pub(crate) fn check_same(&self, other: &Device, op: &'static str) -> Result<()> {
        if Arc::ptr_eq(&self.shared, &other.shared) {
            return Ok(());
        }
        let (left, right) = (self.name().to_string(), other.name().to_string());
        Err(Error::DeviceMismatch { op, left, right })
    }
}

/// Work of a device that can be run again; see [`Device::capture`].
pub struct CapturedGraph {
    device: Device,
    work: Box<dyn Replay>,
}

impl CapturedGraph {
    /// Gives the recorded work to the device once more; returns before it is done.
    ///
    /// # Errors
    /// [`Error::Device`] with what earlier work failed with.
    pub fn replay(&mut self) -> Result<()> {
        self.work.replay()
    }

    /// The device that it runs on.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

impl fmt::Debug for CapturedGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CapturedGraph({})", self.device.description())
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.description())
    }
}
