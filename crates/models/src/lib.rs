//! ResNet and ResNeXt with layer groups and ImageNet weight import.
//!
//! [`registry`] holds the architectures as rows of data, [`weights`] finds, fetches, reads and writes
//! their parameters in the layout and under the names that torchvision uses.
//!
//! ```
//! use models::Arch;
//!
//! let resnet34 = "resnet34".parse::<Arch>()?.architecture();
//! assert_eq!(resnet34.features(), 512);
//! assert_eq!(resnet34.parameter_count(Some(1000)), 21_797_672);
//! # Ok::<(), models::Error>(())
//! ```

mod error;
pub mod exchange;
pub mod head;
mod initialise;
mod layers;
mod network;
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
