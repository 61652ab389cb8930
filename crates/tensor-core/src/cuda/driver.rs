//! The NVIDIA driver: whether it is there and new enough, which devices it has, and its errors as
//! ours.
//!
//! cudarc opens the driver at run time and panics on what that lacks, so every function that this
//! crate calls is looked up here first. Opened devices and their streams are in `context.rs`.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::sync::OnceLock;

use cudarc::driver::sys::{self, CUdevice_attribute as Attribute, CUresult};

use crate::{Error, Result};

/// CUDA 12.0, which came with driver 525.
const OLDEST: DriverVersion = DriverVersion(12_000);

/// The lowest compute capability that there are kernels for.
pub(super) const LOWEST_CAPABILITY: Capability = Capability { major: 7, minor: 5 };

/// Every function of the driver that this crate calls.
const REQUIRED: [&str; 42] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetName",
    "cuDeviceGetAttribute",
    "cuDeviceTotalMem_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxSetCurrent",
    "cuMemGetInfo_v2",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemAllocHost_v2",
    "cuMemFreeHost",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemsetD8Async",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
    "cuEventCreate",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuEventDestroy_v2",
    "cuModuleLoadDataEx",
    "cuModuleUnload",
    "cuModuleGetFunction",
    "cuFuncSetAttribute",
    "cuFuncGetAttribute",
    "cuLaunchKernel",
    "cuStreamBeginCapture_v2",
    "cuStreamEndCapture",
    "cuGraphInstantiateWithFlags",
    "cuGraphUpload",
    "cuGraphLaunch",
    "cuGraphExecDestroy",
    "cuGraphDestroy",
];

/// The CUDA version that a driver speaks: 1000 times the major version plus 10 times the minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVersion(i32);

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CUDA {}.{}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

/// What generation a chip is of: 8.0 is an A100, 9.0 an H100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// The number before the point.
    pub major: u32,
    /// The number behind it.
    pub minor: u32,
}

impl Capability {
    /// The capability `major.minor`.
    pub const fn new(major: u32, minor: u32) -> Capability {
        Capability { major, minor }
    }

    /// True if there are bf16 tensor cores and asynchronous copies.
    pub fn has_bf16(self) -> bool {
        self >= Capability::new(8, 0)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What the driver says about a device without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The number under which it is opened.
    pub index: usize,
    /// The product's name.
    pub name: String,
    /// Its generation.
    pub capability: Capability,
    /// Bytes of its memory.
    pub memory: usize,
    /// Streaming multiprocessors.
    pub multiprocessors: usize,
    /// Bytes of shared memory that one block may ask for.
    pub shared_memory: usize,
}

/// Makes the driver ready, once, and gives its version.
///
/// # Errors
/// [`Error::Device`] if there is no driver, it is older than 525, or it finds no device to serve.
pub fn driver_version() -> Result<DriverVersion> {
    static LOADED: OnceLock<Result<DriverVersion>> = OnceLock::new();
    LOADED.get_or_init(load).clone()
}

fn load() -> Result<DriverVersion> {
    // SAFETY: opens the library and closes it again; its initialisers are NVIDIA's.
    if !unsafe { sys::is_culib_present() } {
        return Err(unavailable(&format!(
            "there is no NVIDIA driver that can be opened ({}); if this machine has an NVIDIA GPU, \
             install driver 525 or later",
            why_not_opened()
        )));
    }
    ["cuDriverGetVersion", "cuGetErrorName", "cuGetErrorString"]
        .into_iter()
        .try_for_each(require)?;
    let mut version = 0;
    // SAFETY: the function is there, and writes one number.
    started(unsafe { sys::cuDriverGetVersion(&mut version) })?;
    let version = DriverVersion(version);
    if version < OLDEST {
        return Err(unavailable(&format!(
            "the NVIDIA driver speaks {version}, and {OLDEST} is needed; update it to driver 525 or \
             later"
        )));
    }
    REQUIRED.into_iter().try_for_each(require)?;
    // SAFETY: every function that is called from here on was found above.
    started(unsafe { sys::cuInit(0) })?;
    Ok(version)
}

/// Fails unless a first call of the driver did what was asked, with what can be done about it.
fn started(result: CUresult) -> Result<()> {
    let advice = match result {
        CUresult::CUDA_SUCCESS => return Ok(()),
        CUresult::CUDA_ERROR_NO_DEVICE => return Err(no_device()),
        CUresult::CUDA_ERROR_STUB_LIBRARY => {
            "this is the tool kit's stand-in for linking: take its `stubs` folder out of \
             LD_LIBRARY_PATH"
        }
        CUresult::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => {
            "library and kernel module are of different versions: restart the machine after an \
             update of the driver"
        }
        CUresult::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE => {
            "take the compatibility package of the tool kit out of LD_LIBRARY_PATH"
        }
        CUresult::CUDA_ERROR_SYSTEM_NOT_READY => {
            "services of the driver, such as the fabric manager, are not running"
        }
        _ => "`nvidia-smi` may say why",
    };
    let explained = explain(result);
    Err(unavailable(&format!("the NVIDIA driver does not start: {explained}; {advice}")))
}

/// What the system says about opening the driver's library: missing, of another architecture, and so on.
fn why_not_opened() -> String {
    let library = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
    // SAFETY: as above.
    match unsafe { libloading::Library::new(library) } {
        Ok(_) => format!("{library} opens now, and did not a moment ago"),
        // The system's words are in the source.
        Err(error) => {
            std::error::Error::source(&error).map_or(error.to_string(), |e| e.to_string())
        }
    }
}

fn require(symbol: &str) -> Result<()> {
    // SAFETY: the library was found a moment ago; the symbol is only looked up, never called as this
    // type.
    let found = unsafe { sys::culib().get::<unsafe extern "C" fn()>(symbol.as_bytes()).is_ok() };
    if found {
        return Ok(());
    }
    Err(unavailable(&format!(
        "the NVIDIA driver lacks the function {symbol}; update it to driver 525 or later"
    )))
}

fn no_device() -> Error {
    unavailable(
        "the NVIDIA driver finds no device; `nvidia-smi` lists what it sees, and \
         CUDA_VISIBLE_DEVICES may hide it",
    )
}

fn unavailable(reason: &str) -> Error {
    Error::Device(format!("CUDA is not available: {reason}"))
}

/// All devices that the driver lists, those too old for our kernels included.
///
/// # Errors
/// As [`driver_version`]; [`Error::Device`] if there are none.
pub fn devices() -> Result<Vec<DeviceInfo>> {
    driver_version()?;
    let mut count = 0;
    // SAFETY: `driver_version` found the function; it writes one number.
    check("counting devices", unsafe { sys::cuDeviceGetCount(&mut count) })?;
    let devices: Vec<_> = (0..usize::try_from(count).unwrap_or(0)).map(describe).collect();
    if devices.is_empty() { Err(no_device()) } else { devices.into_iter().collect() }
}

/// The device of this index, if our kernels can run on it.
///
/// # Errors
/// As [`devices`]; [`Error::Device`] if there is none of this index or it is too old.
pub(super) fn usable_device(index: usize) -> Result<DeviceInfo> {
    let devices = devices()?;
    let count = devices.len();
    let Some(info) = devices.into_iter().nth(index) else {
        return Err(Error::Device(format!(
            "there is no CUDA device {index}: the driver lists {count}, numbered from 0"
        )));
    };
    match refusal(&info) {
        Some(reason) => Err(Error::Device(reason)),
        None => Ok(info),
    }
}

/// Why our kernels cannot run on a device, if they cannot.
pub fn refusal(info: &DeviceInfo) -> Option<String> {
    let DeviceInfo { index, name, capability, .. } = info;
    (*capability < LOWEST_CAPABILITY).then(|| {
        format!(
            "CUDA device {index} ({name}) has compute capability {capability}, and there are \
             kernels from {LOWEST_CAPABILITY} (Turing) on; use the CPU or another device"
        )
    })
}

/// The driver's handle of the device of this index.
pub(super) fn handle(index: usize) -> Result<sys::CUdevice> {
    let ordinal = i32::try_from(index)
        .map_err(|_| Error::Device(format!("there is no CUDA device {index}")))?;
    let mut device = 0;
    // SAFETY: callers have loaded the driver; it writes one handle.
    check("finding a device", unsafe { sys::cuDeviceGet(&mut device, ordinal) })?;
    Ok(device)
}

fn describe(index: usize) -> Result<DeviceInfo> {
    let device = handle(index)?;
    let mut name: [c_char; 256] = [0; 256];
    let mut memory = 0;
    // SAFETY: the driver writes at most 256 characters, the last a zero, and one number.
    unsafe {
        let named = sys::cuDeviceGetName(name.as_mut_ptr(), name.len() as i32 - 1, device);
        check("asking a device for its name", named)?;
        check("asking a device for its memory", sys::cuDeviceTotalMem_v2(&mut memory, device))?;
    }
    let attribute = |which| attribute(device, which);
    Ok(DeviceInfo {
        index,
        // SAFETY: the array is zero behind what the driver wrote, at the latest at its last place.
        name: unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned(),
        capability: Capability {
            major: attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)? as u32,
            minor: attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)? as u32,
        },
        memory,
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        shared_memory: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
    })
}

fn attribute(device: sys::CUdevice, which: Attribute) -> Result<usize> {
    let mut value = 0;
    // SAFETY: the driver writes one number.
    let result = unsafe { sys::cuDeviceGetAttribute(&mut value, which, device) };
    check("asking a device for an attribute", result)?;
    Ok(usize::try_from(value).unwrap_or(0))
}

/// [`Error::Device`] unless the driver did what was asked; `what` says what that was.
pub(super) fn check(what: impl fmt::Display, result: CUresult) -> Result<()> {
    if result == CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    Err(Error::Device(format!("CUDA: {what} failed: {}{}", explain(result), advice(result))))
}

/// The driver's name and words for a result.
pub(super) fn explain(result: CUresult) -> String {
    let (mut name, mut words) = (std::ptr::null(), std::ptr::null());
    // SAFETY: the driver writes pointers to static texts, or leaves or makes them null.
    unsafe {
        sys::cuGetErrorName(result, &mut name);
        sys::cuGetErrorString(result, &mut words);
        format!("{} ({})", static_text(name), static_text(words))
    }
}

/// # Safety
/// `text` is null or ends with a zero and lives as long as the driver.
unsafe fn static_text(text: *const c_char) -> String {
    if text.is_null() {
        return "no name".to_string();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// What to do about faults that a kernel made earlier and the driver reports now.
fn advice(result: CUresult) -> &'static str {
    match result {
        CUresult::CUDA_ERROR_ILLEGAL_ADDRESS
        | CUresult::CUDA_ERROR_MISALIGNED_ADDRESS
        | CUresult::CUDA_ERROR_ILLEGAL_INSTRUCTION
        | CUresult::CUDA_ERROR_LAUNCH_FAILED => {
            "; a kernel launched earlier is at fault and the device cannot be used any more in this \
             process: CUDA_LAUNCH_BLOCKING=1 shows which kernel it was"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_before_turing_is_refused_by_name() {
        let mut info = DeviceInfo {
            index: 1,
            name: "Tesla V100".to_string(),
            capability: Capability::new(7, 0),
            memory: 0,
            multiprocessors: 0,
            shared_memory: 0,
        };
        let reason = refusal(&info).expect("7.0 is below 7.5");
        assert!(reason.contains("Tesla V100") && reason.contains("7.0"), "{reason}");
        info.capability = LOWEST_CAPABILITY;
        assert_eq!(refusal(&info), None);
    }

    #[test]
    fn a_driver_that_does_not_start_says_what_to_do() {
        assert_eq!(started(CUresult::CUDA_SUCCESS), Ok(()));
        let text = started(CUresult::CUDA_ERROR_NO_DEVICE).expect_err("none").to_string();
        assert!(text.contains("CUDA_VISIBLE_DEVICES"), "{text}");
    }

    #[test]
    fn versions_read_as_people_write_them() {
        assert_eq!(DriverVersion(12_040).to_string(), "CUDA 12.4");
        assert!(DriverVersion(11_080) < OLDEST);
    }
}
