//! The residual network, one for all rows of the registry: stem, four stages, no head.

use autograd::{Result, StoreBuilder, Var, functions};

use crate::initialise::Initialiser;
use crate::layers::ConvNormLayer;
use crate::registry::BlockSizes;
use crate::{Architecture, Layer, Pass};

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
        let size = architecture.stem();
        let stem = ConvNormLayer::declare(builder, initialiser, "conv1", "bn1", size)?;
        let mut blocks = Vec::new();
        for sizes in architecture.blocks() {
            builder.set_group(architecture.stage_group(sizes.stage))?;
            blocks.push(Block::declare(sizes, builder, initialiser)?);
        }
        Ok(ResNet { stem, blocks, features: architecture.features() })
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

impl Block {
    fn declare(
        sizes: BlockSizes,
        builder: &mut StoreBuilder,
        initialiser: &mut Initialiser,
    ) -> Result<Block> {
        let name = sizes.name;
        let mut layers = Vec::new();
        for (size, i) in sizes.convolutions.into_iter().zip(1..) {
            let (conv, norm) = (format!("{name}.conv{i}"), format!("{name}.bn{i}"));
            layers.push(ConvNormLayer::declare(builder, initialiser, &conv, &norm, size)?);
        }
        let shortcut = sizes.shortcut.map(|size| {
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
