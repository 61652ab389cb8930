//! The reference backend: every contract function as the plainest loop in f64. Slow on purpose:
//! it is the judge that the other backends and the gradients are held against.

mod augment;
mod conv;
mod dropout;
mod loss;
mod matmul;
mod norm;
mod optimizer;
mod pointwise;
mod pool;
mod reduce;

use crate::DType;
use crate::backend::Backend;
use crate::memory::{Destination, HostMemory, MemoryPool, WriteMode};

/// Plain loops in f64 on one thread.
pub struct Reference {
    memory: MemoryPool,
}

impl Reference {
    /// A reference device with memory of its own.
    pub fn new() -> Reference {
        Reference { memory: MemoryPool::new(HostMemory::new("reference")) }
    }
}

impl Default for Reference {
    fn default() -> Reference {
        Reference::new()
    }
}

impl Backend for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn description(&self) -> String {
        "reference loops in f64".to_string()
    }

    fn pool(&self) -> &MemoryPool {
        &self.memory
    }

    fn float(&self) -> DType {
        DType::F64
    }

    fn activation(&self) -> DType {
        DType::F64
    }
}

/// Puts a result where it is wanted, or adds it to what lies there.
fn store(destination: Destination, result: &[f64]) {
    let target = destination.slice.host::<f64>();
    match destination.mode {
        WriteMode::Write => target.copy_from_slice(result),
        WriteMode::Accumulate => target.iter_mut().zip(result).for_each(|(t, r)| *t += r),
    }
}
