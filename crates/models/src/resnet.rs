//! The residual network, one for all rows of the registry: stem, four stages, no head.

use autograd::{Result, StoreBuilder, Var, functions};

use crate::initialise::Initialiser;
use crate::layers::{ConvNormLayer, ConvSize};
use crate::{Architecture, BlockKind, Layer, Pass};

/// The body of a residual network: `[n, h, w, 3]` to `[n, h / 32, w / 32, features]`.
#[derive(Debug, Clone)]
pub struct ResNet {
    stem: ConvNormLayer,
    blocks: Vec<Block>,
    features: usize,
}

#[derive(Debug, Clone)]
struct Block {
    name: String,
    layers: Vec<ConvNormLayer>,
    shortcut: Option<ConvNormLayer>,
}

impl ResNet {
    /// Declares all parameters under torchvision's names, in the layer groups of the architecture.
    ///
    /// # Errors
    /// If the store knows one of the names already, or is at a later group.
    pub fn declare(
        architecture: &Architecture,
        builder: &mut StoreBuilder,
        initialiser: &mut Initialiser,
    ) -> Result<ResNet> {
        builder.set_group(0)?;
        let width = architecture.stem_width;
        let size = ConvSize { input: 3, output: width, kernel: 7, stride: 2, groups: 1 };
        let stem = ConvNormLayer::declare(builder, initialiser, "conv1", "bn1", size)?;
        let (mut blocks, mut channels) = (Vec::new(), width);
        for (stage, &count) in architecture.layers.iter().enumerate() {
            builder.set_group(architecture.stage_group(stage))?;
            for index in 0..count {
                let place = Place { stage, index, input: channels };
                blocks.push(Block::declare(architecture, builder, initialiser, place)?);
                channels = architecture.stage_channels(stage);
            }
        }
        Ok(ResNet { stem, blocks, features: channels })
    }

    /// Channels of the output.
    pub fn features(&self) -> usize {
        self.features
    }
}

impl Layer for ResNet {
    fn forward(&self, pass: &mut Pass, input: Var) -> Result<Var> {
        let stem = self.stem.forward(pass, &input, None, true)?;
        drop(input);
        let mut x = functions::max_pool(&mut pass.tape, 3, 2, 1, &stem)?;
        drop(stem);
        pass.tap("maxpool", &x);
        for block in &self.blocks {
            x = block.forward(pass, x)?;
            pass.tap(&block.name, &x);
        }
        Ok(x)
    }
}

/// Where a block stands: its stage, its index there, the channels that come in.
struct Place {
    stage: usize,
    index: usize,
    input: usize,
}

impl Block {
    fn declare(
        architecture: &Architecture,
        builder: &mut StoreBuilder,
        initialiser: &mut Initialiser,
        place: Place,
    ) -> Result<Block> {
        let Place { stage, index, input } = place;
        let name = format!("layer{}.{index}", stage + 1);
        let stride = if stage > 0 && index == 0 { 2 } else { 1 };
        let (width, output) = (architecture.stage_width(stage), architecture.stage_channels(stage));
        let groups = architecture.groups;
        // The stride sits in the 3x3 convolution (ResNet v1.5).
        let sizes = match architecture.block {
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
        let mut layers = Vec::new();
        for (i, size) in sizes.into_iter().enumerate() {
            let (conv, norm) = (format!("{name}.conv{}", i + 1), format!("{name}.bn{}", i + 1));
            layers.push(ConvNormLayer::declare(builder, initialiser, &conv, &norm, size)?);
        }
        let projects = index == 0 && (stage > 0 || input != output);
        let shortcut = projects.then(|| {
            let size = ConvSize { input, output, kernel: 1, stride, groups: 1 };
            let (conv, norm) = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
            ConvNormLayer::declare(builder, initialiser, &conv, &norm, size)
        });
        Ok(Block { name, layers, shortcut: shortcut.transpose()? })
    }
}

impl Layer for Block {
    fn forward(&self, pass: &mut Pass, input: Var) -> Result<Var> {
        let Some((last, first)) = self.layers.split_last() else { return Ok(input) };
        let mut x = input.clone();
        for layer in first {
            x = layer.forward(pass, &x, None, true)?;
        }
        let residual = match &self.shortcut {
            Some(shortcut) => shortcut.forward(pass, &input, None, false)?,
            None => input,
        };
        last.forward(pass, &x, Some(&residual), true)
    }
}
