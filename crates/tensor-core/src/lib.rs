#![doc = include_str!("../README.md")]

pub mod backend;
pub mod cpu;
pub mod cuda;
pub mod device;
pub mod dtype;
pub mod error;
pub mod memory;
pub mod ops;
pub mod profile;
pub mod random;
pub mod reference;
pub mod shape;
pub mod tensor;
pub mod transfer;

pub use cpu::{CpuOptions, InstructionSet};
pub use cuda::{CudaOptions, Precision};
pub use device::Device;
pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use shape::Shape;
pub use tensor::Tensor;
