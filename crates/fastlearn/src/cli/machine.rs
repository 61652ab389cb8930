//! What computes, and how exactly: the arguments that choose and open a device.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use fastlearn::Device;
use serde::Serialize;
use tensor_core::device::DeviceChoice;
use tensor_core::{CpuOptions, CudaOptions, DType, InstructionSet, Precision};

use super::arguments::at_least_one;
use super::debug;
use super::error::{CommandError, Result};

/// Where it is computed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Machine")]
pub struct MachineArguments {
    /// What computes: auto (an NVIDIA GPU if one can be used, else the CPU), cpu, cuda, or cuda:1 for
    /// the second GPU. A GPU that is named and cannot be used is an error, never a run on the CPU
    /// [default: FASTLEARN_DEVICE, else auto]
    #[arg(long, value_name = "NAME", value_parser = DeviceChoice::from_str)]
    pub device: Option<DeviceChoice>,
    /// What a GPU keeps activations in; weights are f32 always, and the CPU computes in f32
    /// [default: bf16 where the GPU has it]
    #[arg(long, value_name = "NAME")]
    pub precision: Option<PrecisionName>,
    /// Threads of the CPU that compute; changes no result [default: one a core]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub threads: Option<usize>,
    /// Vector instructions of the CPU: portable, avx2 or avx512 [default: the best that it has]
    #[arg(long, value_name = "NAME", value_parser = InstructionSet::from_str)]
    pub instruction_set: Option<InstructionSet>,
}

/// How exactly a GPU computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrecisionName {
    /// 32-bit floats
    F32,
    /// 32-bit floats, their products from TF32 tensor cores
    Tf32,
    /// bf16 activations, f32 sums
    Bf16,
}

impl MachineArguments {
    /// What was asked for. Threads and vector instructions are the CPU's, so they choose it.
    pub fn choice(&self) -> Result<DeviceChoice> {
        let named = match self.device {
            Some(device) => device,
            None => DeviceChoice::from_environment()?,
        };
        Ok(if named == DeviceChoice::Auto && self.has_cpu_settings() {
            DeviceChoice::Cpu
        } else {
            named
        })
    }

    fn has_cpu_settings(&self) -> bool {
        self.threads.is_some() || self.instruction_set.is_some()
    }

    /// Opens the device.
    pub fn device(&self) -> Result<Device> {
        let device = match self.choice()? {
            DeviceChoice::Auto => Device::best_with(self.cuda_options())?,
            DeviceChoice::Cpu => Device::cpu_with(CpuOptions {
                threads: self.threads,
                instruction_set: self.instruction_set,
            })?,
            DeviceChoice::Cuda(_) if self.has_cpu_settings() => {
                return Err(CommandError::Request(
                    "--threads and --instruction-set are settings of the CPU; leave them out, or \
                     use --device cpu"
                        .to_owned(),
                ));
            }
            DeviceChoice::Cuda(index) => Device::cuda_with(self.cuda_options().index(index))?,
        };
        if self.precision == Some(PrecisionName::Bf16) && device.activation() != DType::Bf16 {
            return Err(CommandError::Request(format!(
                "--precision bf16 needs an NVIDIA GPU of compute capability 8.0 or higher, and this \
                 would run on: {}",
                device.description()
            )));
        }
        debug::begin(&device)?;
        Ok(device)
    }

    fn cuda_options(&self) -> CudaOptions {
        let options = CudaOptions::new();
        match self.precision {
            None => options,
            Some(PrecisionName::F32) => options.precision(Precision::F32),
            Some(PrecisionName::Tf32) => options.precision(Precision::F32).tf32(true),
            Some(PrecisionName::Bf16) => options.precision(Precision::Bf16),
        }
    }
}
