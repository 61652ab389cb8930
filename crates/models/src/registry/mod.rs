//! The architectures as rows of data: what a residual network is made of, how its pictures are normalised,
//! where its layer groups are cut and where its weights come from.
//!
//! Building the layers from a row is not done here; nor is fetching weights (see [`crate::weights`]).

mod arch;
mod blocks;
mod checksum;
mod json;
mod rows;
mod shapes;
mod source;

use std::borrow::Cow;

use crate::error::{Error, Result};

pub use arch::Arch;
pub(crate) use blocks::{BlockSizes, ConvSize};
pub use checksum::Checksum;
pub use source::{PublishedSize, WeightFormat, WeightSource};

/// The two kinds of residual block (He et al. 2015, table 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1 convolutions, the last four times as wide; the 3x3 carries stride and groups (ResNet v1.5).
    Bottleneck,
}

impl BlockKind {
    /// Output channels of a block over its nominal width: 1 or 4.
    pub const fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// Per-channel mean and standard deviation of pictures in [0, 1], in the order red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Subtracted from each channel.
    pub mean: [f32; 3],
    /// Each channel is divided by this afterwards.
    pub std: [f32; 3],
}

impl Normalisation {
    /// The ImageNet statistics that all torchvision classifiers were trained with.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

/// A residual network as data. The built-in rows are reached through [`Arch`]; a row of your own works everywhere
/// a built-in one does.
///
/// ```
/// use models::{Arch, Architecture};
///
/// let slim = Architecture {
///     name: "resnet10_slim".into(),
///     layers: [1, 1, 1, 1],
///     stem_width: 16,
///     sources: [].as_slice().into(),
///     ..Arch::ResNet18.architecture().clone()
/// };
/// slim.check()?;
/// assert_eq!(slim.features(), 128);
/// # Ok::<(), models::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// torchvision's name; file names in the cache begin with it.
    pub name: Cow<'static, str>,
    /// Kind of all residual blocks.
    pub block: BlockKind,
    /// Blocks in each of the four stages.
    pub layers: [usize; 4],
    /// Channels after the stem and nominal width of the first stage, doubled with each stage; 64 in all published networks.
    pub stem_width: usize,
    /// Groups of the 3x3 convolution of a bottleneck (the cardinality of a ResNeXt).
    pub groups: usize,
    /// Channels a group has when the nominal width is 64: 64 for a ResNet, 4 or 8 for a ResNeXt, 128 for a wide ResNet.
    pub width_per_group: usize,
    /// How pictures are normalised for the published weights.
    pub normalisation: Normalisation,
    /// How many stages, with the stem, form layer group 0; the other stages are group 1 and the head is group 2.
    /// fastai 0.7 cuts every residual network after `layer2`.
    pub stages_in_first_group: usize,
    /// Published weights, the preferred ones first; empty where none are public.
    pub sources: Cow<'static, [WeightSource]>,
}

impl Architecture {
    /// Channels of the last stage, which the global pool hands to the head.
    pub fn features(&self) -> usize {
        self.stage_channels(3)
    }

    /// Output channels of stage `stage` (0 to 3).
    pub fn stage_channels(&self, stage: usize) -> usize {
        (self.stem_width << stage) * self.block.expansion()
    }

    /// Channels of the 3x3 convolutions inside stage `stage` (0 to 3).
    pub fn stage_width(&self, stage: usize) -> usize {
        let nominal = self.stem_width << stage;
        match self.block {
            BlockKind::Basic => nominal,
            BlockKind::Bottleneck => nominal * self.width_per_group / 64 * self.groups,
        }
    }

    /// Layer group of stage `stage` (0 to 3). The stem is in group 0, the head in group 2.
    pub fn stage_group(&self, stage: usize) -> usize {
        usize::from(stage >= self.stages_in_first_group)
    }

    /// The source that is fetched where none is at hand.
    pub fn preferred_source(&self) -> Option<&WeightSource> {
        self.sources.first()
    }

    /// Checks that a network can be built from this row.
    ///
    /// # Errors
    /// [`Error::InvalidArchitecture`] names the first field that is out of range.
    pub fn check(&self) -> Result<()> {
        let problem = if self.layers.contains(&0) {
            format!("layers {:?} must all be at least 1", self.layers)
        } else if self.stem_width == 0 || self.groups == 0 || self.width_per_group == 0 {
            "stem_width, groups and width_per_group must be at least 1".to_owned()
        } else if self.block == BlockKind::Basic && (self.groups, self.width_per_group) != (1, 64) {
            "basic blocks know neither groups nor another width: set groups 1 and width_per_group 64".to_owned()
        } else if self.stage_width(0) == 0 || !self.stage_width(0).is_multiple_of(self.groups) {
            format!(
                "stem_width {} with width_per_group {} leaves no whole channels in {} groups",
                self.stem_width, self.width_per_group, self.groups
            )
        } else if self.stages_in_first_group > 4 {
            format!("stages_in_first_group {} must be at most 4", self.stages_in_first_group)
        } else {
            return Ok(());
        };
        Err(Error::InvalidArchitecture { name: self.name.to_string(), problem })
    }
}
