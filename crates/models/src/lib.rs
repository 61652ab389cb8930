#![doc = include_str!("../README.md")]

mod error;
pub mod exchange;
pub mod head;
mod initialise;
mod layers;
mod match_report;
mod network;
pub mod onnx;
mod pass;
pub mod registry;
mod resnet;
pub mod weights;

pub use error::{Error, Result};
pub use network::{Classifier, PlainNetwork};
pub use pass::{Layer, Pass, PassMode, TraceRow};
pub use registry::{Arch, Architecture, BlockKind, Normalisation};
pub use resnet::ResNet;
pub use weights::{StateDict, WeightTensor, WeightsRequest};
