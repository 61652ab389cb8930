//! The kernels' PTX: which target suits a device, modules loaded on first use, functions by name.
//!
//! The PTX is compiled from `kernels/` by `cargo xtask ptx`, committed, and part of the program; the
//! driver translates it for the chip when a module is first used, and keeps the result in its own
//! cache on disk. How functions are called is in `launch.rs`.

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cudarc::driver::sys::{self, CUfunction_attribute as Attribute, CUjit_option, CUresult};

use super::context::Context;
use super::driver::{self, Capability, check};
use super::ptx;
use crate::{Error, Result};

/// Dynamic shared memory that a kernel may have without asking for more.
const UNASKED_SHARED_MEMORY: usize = 48 << 10;

/// Characters kept of what the driver says about PTX that it refuses.
const LOG_LENGTH: usize = 8 << 10;

/// The targets that PTX is made for, the best first.
const TARGETS: [&str; 3] = ["sm_90a", "sm_80", "sm_75"];

/// True if PTX for `target` runs on a device.
fn suits(target: &str, capability: Capability) -> bool {
    match target {
        // The `a` ties it to this one capability.
        "sm_90a" => capability == Capability::new(9, 0),
        "sm_80" => capability >= Capability::new(8, 0),
        _ => capability >= driver::LOWEST_CAPABILITY,
    }
}

/// The best target that suits a device, whether or not a kernel was made for it.
pub fn target_for(capability: Capability) -> Option<&'static str> {
    TARGETS.into_iter().find(|target| suits(target, capability))
}

/// The PTX of a stem that suits a device best.
fn ptx_for(stem: &str, capability: Capability) -> Option<(&'static str, String)> {
    let mut suiting = TARGETS.into_iter().filter(|target| suits(target, capability));
    suiting.find_map(|target| Some((target, ptx::find(stem, target)?)))
}

/// A device's loaded modules and functions.
pub(super) struct Modules {
    context: Arc<Context>,
    loaded: Mutex<HashMap<&'static str, Arc<Module>>>,
    functions: RwLock<HashMap<String, Arc<Function>>>,
}

impl Modules {
    pub fn new(context: Arc<Context>) -> Modules {
        Modules { context, loaded: Mutex::default(), functions: RwLock::default() }
    }

    /// Loads a module now rather than at its first launch.
    pub fn load(&self, stem: &'static str) -> Result<()> {
        self.module(stem).map(|_| ())
    }

    /// A kernel of `kernels/<stem>.cu`; the first call loads its module.
    pub fn function(&self, stem: &'static str, name: &str) -> Result<Arc<Function>> {
        let known = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = known.get(name) {
            return Ok(function.clone());
        }
        drop(known);
        let function = Arc::new(self.module(stem)?.function(name)?);
        let mut known = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(name.to_string()).or_insert(function).clone())
    }

    fn module(&self, stem: &'static str) -> Result<Arc<Module>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = loaded.get(stem) {
            return Ok(module.clone());
        }
        let capability = self.context.info.capability;
        let Some((target, ptx)) = ptx_for(stem, capability) else {
            return Err(Error::Unsupported {
                op: stem,
                device: self.context.to_string(),
                message: format!("there is no PTX of it for compute capability {capability}"),
            });
        };
        let module = Arc::new(Module::load(&self.context, &format!("{stem} for {target}"), &ptx)?);
        loaded.insert(stem, module.clone());
        Ok(module)
    }
}

/// PTX that the driver has translated.
pub(super) struct Module {
    context: Arc<Context>,
    handle: sys::CUmodule,
    name: String,
}

// SAFETY: the driver's handles are valid in every thread, and the driver locks what it shares.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Has the driver translate `ptx`, which calls itself `name` in errors.
    pub fn load(context: &Arc<Context>, name: &str, ptx: &str) -> Result<Module> {
        context.bind()?;
        let text = CString::new(ptx)
            .map_err(|_| Error::Device(format!("the PTX of {name} has a zero character")))?;
        let mut log = vec![0_u8; LOG_LENGTH];
        let mut options = [
            CUjit_option::CU_JIT_ERROR_LOG_BUFFER,
            CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        ];
        // The driver takes the size as the pointer's value.
        let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), LOG_LENGTH as *mut c_void];
        let mut handle = std::ptr::null_mut();
        // SAFETY: the text ends with a zero; both arrays have as many elements as is said, and the
        // log as many bytes.
        let result = unsafe {
            let image = text.as_ptr().cast();
            let (options, values) = (options.as_mut_ptr(), values.as_mut_ptr());
            sys::cuModuleLoadDataEx(&mut handle, image, 2, options, values)
        };
        if result != CUresult::CUDA_SUCCESS {
            return Err(refused(context, name, result, &log));
        }
        Ok(Module { context: context.clone(), handle, name: name.to_string() })
    }

    /// A kernel of this module.
    pub fn function(self: &Arc<Module>, name: &str) -> Result<Function> {
        self.context.bind()?;
        let symbol = CString::new(name)
            .map_err(|_| Error::Device(format!("no kernel is called {name:?}")))?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the module is live and the name ends with a zero.
        let found = unsafe { sys::cuModuleGetFunction(&mut handle, self.handle, symbol.as_ptr()) };
        check(format_args!("finding the kernel `{name}` in {}", self.name), found)?;
        let attribute = |which| {
            let mut value = 0;
            // SAFETY: the function is live; the driver writes one number.
            let result = unsafe { sys::cuFuncGetAttribute(&mut value, which, handle) };
            check(format_args!("asking for an attribute of `{name}`"), result)?;
            Ok::<_, Error>(usize::try_from(value).unwrap_or(0))
        };
        Ok(Function {
            threads: attribute(Attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
            static_shared: attribute(Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?,
            dynamic_shared: AtomicUsize::new(UNASKED_SHARED_MEMORY),
            name: name.to_string(),
            handle,
            module: self.clone(),
        })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: every function holds its module by `Arc`, so none is left. The driver waits for
        // launches that are still under way.
        unsafe {
            let _ = self.context.bind();
            let _ = sys::cuModuleUnload(self.handle);
        }
    }
}

fn refused(context: &Context, name: &str, result: CUresult, log: &[u8]) -> Error {
    let log = log.split(|&byte| byte == 0).next().unwrap_or_default();
    let log = String::from_utf8_lossy(log);
    let advice = match result {
        CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
            "; the driver is older than this PTX: update it to driver 525 or later"
        }
        _ => "",
    };
    Error::Device(format!(
        "the driver refuses the PTX of {name} on {context}: {}{advice}{}{}",
        driver::explain(result),
        if log.trim().is_empty() { "" } else { "\n" },
        log.trim()
    ))
}

/// A kernel that can be launched.
pub(super) struct Function {
    pub handle: sys::CUfunction,
    pub name: String,
    /// The most threads that a block of it may have.
    pub threads: usize,
    static_shared: usize,
    dynamic_shared: AtomicUsize,
    module: Arc<Module>,
}

// SAFETY: as for `Module`.
unsafe impl Send for Function {}
// SAFETY: as for `Module`.
unsafe impl Sync for Function {}

impl Function {
    /// Makes sure that a launch with this much dynamic shared memory is accepted.
    pub fn allow_shared_memory(&self, bytes: usize) -> Result<()> {
        if bytes <= self.dynamic_shared.load(Ordering::Relaxed) {
            return Ok(());
        }
        let context = &self.module.context;
        let (asked, most) = (bytes + self.static_shared, context.info.shared_memory);
        if asked > most {
            return Err(Error::Device(format!(
                "{}: {asked} bytes of shared memory are asked for, and a block on {context} can \
                 have {most}",
                self.name
            )));
        }
        let which = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: the function is live; the number was checked to fit.
        let result = unsafe { sys::cuFuncSetAttribute(self.handle, which, bytes as i32) };
        check(
            format_args!("raising the shared memory of `{}` to {bytes} bytes", self.name),
            result,
        )?;
        self.dynamic_shared.fetch_max(bytes, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_gets_the_best_target_that_suits_it() {
        let targets = [(7, 0), (7, 5), (8, 0), (8, 9), (9, 0), (10, 0), (12, 0)]
            .map(|(major, minor)| target_for(Capability::new(major, minor)));
        let expected = [None, Some("sm_75"), Some("sm_80"), Some("sm_80"), Some("sm_90a")];
        assert_eq!(targets[..5], expected);
        assert_eq!(targets[5..], [Some("sm_80"), Some("sm_80")], "sm_90a runs on 9.0 alone");
    }

    /// Shows something only where there is a device, real or emulated.
    #[test]
    fn ptx_that_the_driver_refuses_is_an_error_by_name() {
        let Ok(info) = driver::usable_device(0) else { return };
        let context = Arc::new(Context::open(info).expect("the device opens"));
        let refused = Module::load(&context, "nonsense", "this is no PTX").err();
        let text = refused.expect("it is no PTX").to_string();
        assert!(text.contains("refuses the PTX of nonsense"), "{text}");
        let modules = Modules::new(context);
        let unknown = modules.function("pointwise", "no_such_kernel").err();
        let text = unknown.expect("there is none").to_string();
        assert!(text.contains("no_such_kernel"), "{text}");
        assert!(matches!(modules.load("no_such_stem"), Err(Error::Unsupported { .. })));
    }
}
