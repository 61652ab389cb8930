//! Weights as files: finding them (a path, the cache folder, a download), reading safetensors and
//! PyTorch's `.pth`, writing either, matching names and shapes, and the change of layout between torchvision and this project.
//!
//! What a network does with its weights is not here.

mod atomic;
mod cache;
mod digest;
mod download;
mod element;
mod entry;
mod format;
mod layout;
mod pth;
mod recognise;
mod report;
mod resolve;
mod safetensors;
mod state_dict;
mod torch;

pub use atomic::write_atomically;
pub use cache::{cache_folder, cached_weights, weights_path};
pub use download::{Announcement, DownloadObserver, Downloader, Receipt, Silent, Verification};
pub use recognise::recognise;
pub use report::match_names;
pub use resolve::{Origin, ResolvedWeights, WeightsRequest};
pub use state_dict::{StateDict, WeightTensor};
pub use torch::TorchFormat;

pub use crate::match_report::{MatchReport, ShapeMismatch};
pub use crate::registry::{Checksum, PublishedSize, WeightFormat, WeightSource};
