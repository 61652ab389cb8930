//! Which device a user asks for, by name or by the environment.

use std::fmt;
use std::str::FromStr;

use super::Device;
use crate::cuda::CudaOptions;
use crate::{Error, Result};

/// What `--device` and [`DeviceChoice::VARIABLE`] name.
///
/// ```
/// use tensor_core::device::DeviceChoice;
/// assert_eq!("cuda:1".parse(), Ok(DeviceChoice::Cuda(1)));
/// assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
/// assert!("gpu".parse::<DeviceChoice>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeviceChoice {
    /// The fastest of this machine: [`Device::best`].
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The CUDA device of this index, and no other.
    Cuda(usize),
}

impl DeviceChoice {
    /// The environment variable that names a device to benches, tests and examples.
    pub const VARIABLE: &'static str = "FASTLEARN_DEVICE";

    /// What [`VARIABLE`](Self::VARIABLE) names; `Auto` if it is not set.
    ///
    /// # Errors
    /// [`Error::Device`] if it names no kind of device.
    pub fn from_environment() -> Result<DeviceChoice> {
        match std::env::var(Self::VARIABLE) {
            Ok(name) => {
                name.parse().map_err(|error| Error::Device(format!("{}: {error}", Self::VARIABLE)))
            }
            Err(std::env::VarError::NotPresent) => Ok(DeviceChoice::Auto),
            Err(error) => Err(Error::Device(format!("{}: {error}", Self::VARIABLE))),
        }
    }

    /// Opens the device.
    ///
    /// # Errors
    /// As [`Device::best`], [`Device::cpu`] and [`Device::cuda`]. Where CUDA was named, nothing else is
    /// opened in its place.
    pub fn open(self) -> Result<Device> {
        match self {
            DeviceChoice::Auto => Device::best(),
            DeviceChoice::Cpu => Device::cpu(),
            DeviceChoice::Cuda(index) => Device::cuda_with(CudaOptions::new().index(index)),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(name: &str) -> Result<DeviceChoice> {
        let unknown = || {
            Error::Device(format!(
                "`{name}` is no device; use auto, cpu, cuda, or cuda:1 and so on"
            ))
        };
        match name.split_once(':') {
            None if name == "auto" => Ok(DeviceChoice::Auto),
            None if name == "cpu" => Ok(DeviceChoice::Cpu),
            None if name == "cuda" => Ok(DeviceChoice::Cuda(0)),
            Some(("cuda", index)) => index.parse().map(DeviceChoice::Cuda).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Cuda(3)] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for wrong in ["", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "gpu"] {
            let error = wrong.parse::<DeviceChoice>().expect_err(wrong).to_string();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
        }
    }
}
