//! The convolutions of an architecture, in forward order: what layers, expected shapes and exports all follow.

use super::{Architecture, BlockKind};

/// Sizes of a convolution; it is padded by half its kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConvSize {
    pub input: usize,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
}

/// A residual block: `conv1`, `conv2`, ... one after the other, and what the shortcut goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockSizes {
    /// Its name, such as `layer1.0`.
    pub name: String,
    /// Its stage, 0 to 3.
    pub stage: usize,
    pub convolutions: Vec<ConvSize>,
    /// `downsample.0`, where size or number of channels changes.
    pub shortcut: Option<ConvSize>,
}

impl Architecture {
    /// `conv1`, before the maximum pool.
    pub(crate) fn stem(&self) -> ConvSize {
        ConvSize { input: 3, output: self.stem_width, kernel: 7, stride: 2, groups: 1 }
    }

    /// All residual blocks in forward order.
    pub(crate) fn blocks(&self) -> Vec<BlockSizes> {
        let (mut blocks, mut channels) = (Vec::new(), self.stem_width);
        for (stage, count) in self.layers.into_iter().enumerate() {
            for index in 0..count {
                blocks.push(self.block_sizes(stage, index, channels));
                channels = self.stage_channels(stage);
            }
        }
        blocks
    }

    fn block_sizes(&self, stage: usize, index: usize, input: usize) -> BlockSizes {
        let stride = if stage > 0 && index == 0 { 2 } else { 1 };
        let (width, output, groups) =
            (self.stage_width(stage), self.stage_channels(stage), self.groups);
        // The stride sits in the 3x3 convolution (ResNet v1.5).
        let convolutions = match self.block {
            BlockKind::Basic => vec![
                ConvSize { input, output: width, kernel: 3, stride, groups: 1 },
                ConvSize { input: width, output, kernel: 3, stride: 1, groups: 1 },
            ],
            BlockKind::Bottleneck => vec![
                ConvSize { input, output: width, kernel: 1, stride: 1, groups: 1 },
                ConvSize { input: width, output: width, kernel: 3, stride, groups },
                ConvSize { input: width, output, kernel: 1, stride: 1, groups: 1 },
            ],
        };
        let projects = index == 0 && (stage > 0 || input != output);
        let shortcut = projects.then_some(ConvSize { input, output, kernel: 1, stride, groups: 1 });
        BlockSizes { name: format!("layer{}.{index}", stage + 1), stage, convolutions, shortcut }
    }
}
