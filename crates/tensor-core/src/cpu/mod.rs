//! The CPU backend: f32, vector instructions chosen once at start, a thread pool of its own.
//!
//! Work is cut into parts by shape alone and each part is computed in one order, so the number of
//! threads changes no bit of a result. Results may differ between instruction sets.

mod augment;
mod conv;
mod dropout;
mod gemm;
mod instruction_set;
mod loss;
mod matmul;
mod norm;
mod optimizer;
mod pointwise;
mod pool;
mod reduce;
mod vector;

pub use instruction_set::InstructionSet;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::backend::Backend;
use crate::memory::{HostMemory, MemoryPool};
use crate::{DType, Error, Result};

/// How to open the CPU.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuOptions {
    /// Threads that compute; `None`: one a core.
    pub threads: Option<usize>,
    /// Vector instructions; `None`: the best that this processor has.
    pub instruction_set: Option<InstructionSet>,
}

/// This machine's processor.
pub struct Cpu {
    memory: MemoryPool,
    threads: ThreadPool,
    instruction_set: InstructionSet,
}

impl Cpu {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`Error::Device`] if this processor lacks the instruction set, or no thread can be started.
    pub fn new(options: CpuOptions) -> Result<Cpu> {
        let instruction_set = match options.instruction_set {
            Some(wanted) => wanted.check()?,
            None => InstructionSet::best(),
        };
        let threads = ThreadPoolBuilder::new()
            .num_threads(options.threads.unwrap_or(0))
            .thread_name(|index| format!("tensor-core-{index}"))
            .build()
            .map_err(|error| Error::Device(format!("cannot start compute threads: {error}")))?;
        Ok(Cpu { memory: MemoryPool::new(HostMemory::new("cpu")), threads, instruction_set })
    }

    /// Runs `work` on this backend's threads.
    fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.threads.install(work)
    }
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn description(&self) -> String {
        format!("CPU, {}, {} threads", self.instruction_set, self.threads.current_num_threads())
    }

    fn pool(&self) -> &MemoryPool {
        &self.memory
    }

    fn float(&self) -> DType {
        DType::F32
    }

    fn activation(&self) -> DType {
        DType::F32
    }
}
