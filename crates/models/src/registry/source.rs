//! A published weights file as data: address, format, size, checksum, licence.

use std::borrow::Cow;
use std::fmt;

use super::Checksum;

/// The container a weights file comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WeightFormat {
    /// The safetensors format.
    Safetensors,
    /// What `torch.save` writes, in any of its containers.
    Pth,
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => ".safetensors",
            Self::Pth => ".pth",
        })
    }
}

/// What is published about a file's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedSize {
    /// Exactly this many bytes; a download of another length is refused.
    Exact(u64),
    /// About this many bytes, a rounded figure, good for an announcement only.
    About(u64),
    /// Nothing.
    Unknown,
}

impl PublishedSize {
    /// Bytes, exact or rounded.
    pub fn bytes(self) -> Option<u64> {
        match self {
            Self::Exact(bytes) | Self::About(bytes) => Some(bytes),
            Self::Unknown => None,
        }
    }
}

/// Where published weights can be had and what is known about the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightSource {
    /// Which training run the weights are from, for example torchvision's `IMAGENET1K_V1`.
    pub weights: Cow<'static, str>,
    /// Where the file is fetched, `https://` or `http://`.
    pub address: Cow<'static, str>,
    /// The file's name in the cache folder.
    pub file_name: Cow<'static, str>,
    /// Its container.
    pub format: WeightFormat,
    /// Its published sha256.
    pub sha256: Checksum,
    /// Its published length.
    pub size: PublishedSize,
    /// Under which terms it may be used.
    pub licence: Cow<'static, str>,
    /// Anything else a user should know.
    pub notes: Cow<'static, str>,
}
