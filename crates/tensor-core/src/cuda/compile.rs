//! Kernels of the user's own, compiled at run time by NVIDIA's NVRTC library, which has to be on the
//! machine (feature `nvrtc`). Our own kernels are compiled ahead of time: `modules.rs`.

use std::sync::Arc;

use cudarc::nvrtc::{self, CompileError, CompileOptions};

use super::Cuda;
use super::context::Context;
use super::launch::Launch;
use super::modules::{Function, Module, target_for};
use crate::backend::{CustomKernel, KernelArgument};
use crate::{Error, Result};

impl Cuda {
    /// Compiles CUDA C++ for this device and finds the kernel `name` in it.
    pub(super) fn compile_kernel(&self, source: &str, name: &str) -> Result<Box<dyn CustomKernel>> {
        let Some(target) = target_for(self.info().capability) else {
            return Err(Error::Device(format!("{} is too old to compile for", self.context)));
        };
        let module = Module::load(&self.context, name, &ptx(source, name, target)?)?;
        let function = Arc::new(Arc::new(module).function(name)?);
        Ok(Box::new(CompiledKernel { context: self.context.clone(), function }))
    }
}

/// The PTX of a source for a target such as `sm_80`.
fn ptx(source: &str, name: &str, target: &str) -> Result<String> {
    // SAFETY: opens the library and closes it again; its initialisers are NVIDIA's.
    if !unsafe { nvrtc::sys::is_culib_present() } {
        return Err(Error::Device(format!(
            "{name} cannot be compiled: NVIDIA's NVRTC library (libnvrtc.so.12) was not found; \
             install it, or add its folder to LD_LIBRARY_PATH"
        )));
    }
    if source.contains('\0') {
        return Err(Error::Device(format!("{name} cannot be compiled: a zero character in it")));
    }
    let architecture = target.replace("sm_", "--gpu-architecture=compute_");
    let options = vec![architecture, "--std=c++17".to_string()];
    let options = CompileOptions { options, ..CompileOptions::default() };
    let compiled = nvrtc::compile_ptx_with_opts(source, options);
    compiled.map(|ptx| ptx.to_src()).map_err(|error| match error {
        CompileError::CompileError { log, .. } => {
            let log = log.to_string_lossy();
            Error::Device(format!("{name} does not compile for {target}:\n{}", log.trim()))
        }
        other => Error::Device(format!("{name} cannot be compiled: {other:?}")),
    })
}

struct CompiledKernel {
    context: Arc<Context>,
    function: Arc<Function>,
}

impl CustomKernel for CompiledKernel {
    unsafe fn launch(
        &self,
        arguments: &[KernelArgument],
        grid: [usize; 3],
        threads: usize,
        shared: usize,
    ) -> Result<()> {
        let mut launch = Launch::new(&self.context, self.function.clone()).shared(shared);
        for argument in arguments {
            launch = match argument {
                KernelArgument::Read(slice) => launch.read(*slice),
                KernelArgument::Write(slice) => launch.write(slice),
                KernelArgument::F32(value) => launch.value(*value),
                KernelArgument::I32(value) => launch.value(*value),
                KernelArgument::U32(value) => launch.value(*value),
            };
        }
        launch.run(grid, threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBLE: &str = "extern \"C\" __global__ void twice(float* x) { x[threadIdx.x] *= 2.0f; }";

    /// Where the library is missing, that is what both must say.
    #[test]
    fn a_source_becomes_ptx_or_an_error_with_the_compilers_words() {
        let (good, bad) = (ptx(DOUBLE, "twice", "sm_80"), ptx("no C++", "wrong", "sm_80"));
        let bad = bad.expect_err("this is no C++").to_string();
        // SAFETY: as in `ptx`.
        if unsafe { nvrtc::sys::is_culib_present() } {
            assert!(good.is_ok_and(|text| text.contains(".visible .entry twice")));
            assert!(
                bad.contains("wrong does not compile for sm_80") && bad.contains("error"),
                "{bad}"
            );
        } else {
            assert!(good.is_err() && bad.contains("LD_LIBRARY_PATH"), "{bad}");
        }
    }
}
