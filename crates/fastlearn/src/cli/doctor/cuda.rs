//! What `doctor` says about CUDA: the driver, the devices, and why it is used or not.

use fastlearn::Device;
use serde::Serialize;
use tensor_core::cuda::{self, DeviceInfo};

use super::super::error::{CommandError, Result};
use super::super::machine::MachineArguments;

/// CUDA on this machine.
#[derive(Debug, Serialize)]
pub(super) struct CudaReport {
    /// Whether the device that this command would compute on is a CUDA device.
    used: bool,
    /// Why it is not used; absent if it is.
    reason: Option<String>,
    /// The CUDA version that the driver speaks; absent without a driver that can be used.
    driver: Option<String>,
    devices: Vec<DeviceReport>,
}

/// A device that the driver lists.
#[derive(Debug, Serialize)]
struct DeviceReport {
    index: usize,
    name: String,
    compute_capability: String,
    multiprocessors: usize,
    memory: usize,
    /// Absent if the device cannot be opened.
    free_memory: Option<usize>,
    /// The best target of the kernels' PTX that it runs; absent if it is too old.
    ptx_target: Option<&'static str>,
    /// Why it cannot be used; absent if it can.
    reason: Option<String>,
}

impl CudaReport {
    /// Asks the driver. `device` is what the arguments open.
    pub fn new(machine: &MachineArguments, device: Result<&Device, &CommandError>) -> CudaReport {
        let used = device.is_ok_and(|device| device.name() == "cuda");
        let driver = cuda::driver_version();
        let devices = cuda::devices();
        let unusable = driver.as_ref().err().or(devices.as_ref().err()).map(ToString::to_string);
        let devices: Vec<_> = devices.unwrap_or_default().into_iter().map(describe).collect();
        let reason = unusable.or_else(|| {
            let reasons: Vec<_> = devices.iter().map(|device| device.reason.clone()).collect();
            // Only if all are unusable is that the reason.
            reasons.into_iter().collect::<Option<Vec<_>>>().map(|reasons| reasons.join("; "))
        });
        let not_chosen = || match (device, machine.choice()) {
            (Ok(_), Ok(choice)) => format!("the choice was {choice}"),
            (Err(error), _) => error.to_string(),
            (_, Err(error)) => error.to_string(),
        };
        CudaReport {
            used,
            reason: (!used).then(|| reason.unwrap_or_else(not_chosen)),
            driver: driver.ok().map(|version| version.to_string()),
            devices,
        }
    }

    /// One paragraph for people.
    pub fn text(&self) -> String {
        let mut text = match &self.reason {
            None => "CUDA: used".to_owned(),
            Some(reason) => {
                let reason = reason.strip_prefix("CUDA is not available: ").unwrap_or(reason);
                format!("CUDA: not used: {reason}")
            }
        };
        if let Some(driver) = &self.driver {
            text.push_str(&format!("\n  driver: {driver}"));
        }
        for device in &self.devices {
            text.push_str(&format!("\n  {}", device.text()));
        }
        text
    }
}

impl DeviceReport {
    fn text(&self) -> String {
        let gibibytes = |bytes: usize| bytes as f64 / f64::from(1 << 30);
        let free = self
            .free_memory
            .map_or_else(String::new, |free| format!(", {:.1} GiB of it free", gibibytes(free)));
        let kernels = match (&self.reason, self.ptx_target) {
            (Some(reason), _) => format!("not usable: {reason}"),
            (None, Some(target)) => format!("kernels for {target}"),
            (None, None) => "no kernels".to_owned(),
        };
        format!(
            "device {}: {}, compute capability {}, {} multiprocessors, {:.1} GiB{free}; {kernels}",
            self.index,
            self.name,
            self.compute_capability,
            self.multiprocessors,
            gibibytes(self.memory)
        )
    }
}

fn describe(info: DeviceInfo) -> DeviceReport {
    let too_old = cuda::refusal(&info);
    let free_memory = match &too_old {
        Some(reason) => Err(reason.clone()),
        None => cuda::free_memory(info.index).map_err(|error| error.to_string()),
    };
    DeviceReport {
        index: info.index,
        compute_capability: info.capability.to_string(),
        multiprocessors: info.multiprocessors,
        memory: info.memory,
        ptx_target: cuda::target_for(info.capability),
        free_memory: free_memory.as_ref().ok().copied(),
        reason: free_memory.err(),
        name: info.name,
    }
}
