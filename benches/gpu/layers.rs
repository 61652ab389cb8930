//! The convolutions of a residual network as shapes, read off its row in the registry. What is done
//! with them, timing or testing, is not here.

use models::{Architecture, BlockKind};
use tensor_core::backend::conv::ConvShape;

/// Every convolution of a network in forward order, on `batch` square pictures of `size` pixels.
pub fn convolutions(architecture: &Architecture, batch: usize, size: usize) -> Vec<ConvShape> {
    let mut walk = Walk { architecture, batch, entry: size, exit: size };
    let tensors = architecture.tensor_shapes(None);
    let weights = tensors.iter().filter(|(_, shape)| shape.len() == 4);
    weights.map(|(name, shape)| walk.layer(name, shape)).collect()
}

/// The distinct convolutions of several networks and how often each occurs, in the order in which
/// they are met.
pub fn distinct(layers: impl IntoIterator<Item = ConvShape>) -> Vec<(ConvShape, usize)> {
    let mut counted: Vec<(ConvShape, usize)> = Vec::new();
    for layer in layers {
        match counted.iter_mut().find(|(known, _)| *known == layer) {
            Some((_, count)) => *count += 1,
            None => counted.push((layer, 1)),
        }
    }
    counted
}

/// How far the walk through a network has come.
struct Walk<'a> {
    architecture: &'a Architecture,
    batch: usize,
    /// Side of the pictures that enter the present block.
    entry: usize,
    /// Side of the pictures that leave it.
    exit: usize,
}

impl Walk<'_> {
    /// The convolution of this name, such as `layer2.0.conv1.weight`, and `[k, c, r, s]` weights.
    fn layer(&mut self, name: &str, weights: &[usize]) -> ConvShape {
        let &[k, group_c, r, s] = weights else { unreachable!("only convolutions are walked") };
        let parts: Vec<&str> = name.split('.').collect();
        let (side, stride, groups) = match parts[..] {
            [stage, block, layer, ..] if stage.starts_with("layer") => {
                self.in_block(stage == "layer1", block == "0", layer)
            }
            _ => {
                let side = self.entry;
                // The stem's stride, and that of the pooling behind it.
                self.exit = side.div_ceil(2).div_ceil(2);
                (side, 2, 1)
            }
        };
        ConvShape {
            n: self.batch,
            h: side,
            w: side,
            c: group_c * groups,
            k,
            r,
            s,
            stride: [stride; 2],
            padding: [r / 2, s / 2],
            groups,
        }
    }

    /// Side of the input, stride and groups of a block's layer.
    fn in_block(
        &mut self,
        first_stage: bool,
        first_block: bool,
        layer: &str,
    ) -> (usize, usize, usize) {
        if layer == "conv1" {
            self.entry = self.exit;
        }
        let stride = if first_block && !first_stage { 2 } else { 1 };
        let exit = self.entry.div_ceil(stride);
        self.exit = exit;
        let basic = self.architecture.block == BlockKind::Basic;
        match (layer, basic) {
            ("downsample", _) | ("conv1", true) => (self.entry, stride, 1),
            ("conv1", false) => (self.entry, 1, 1),
            ("conv2", false) => (self.entry, stride, self.architecture.groups),
            _ => (exit, 1, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::Arch;

    fn flops(arch: Arch) -> u64 {
        convolutions(arch.architecture(), 1, 224).iter().map(ConvShape::flops).sum()
    }

    /// Published multiply-adds of the convolutions alone: 1.8, 3.6, 4.1 and 4.2 thousand million.
    #[test]
    fn the_work_is_the_published_one() {
        for (arch, published) in [
            (Arch::ResNet18, 1.81),
            (Arch::ResNet34, 3.66),
            (Arch::ResNet50, 4.09),
            (Arch::ResNeXt50_32x4d, 4.23),
        ] {
            let found = flops(arch) as f64 / 2e9;
            assert!((found - published).abs() < 0.02, "{arch}: {found}");
        }
    }

    #[test]
    fn stages_halve_the_picture_and_repeat_their_layers() {
        let layers = distinct(convolutions(Arch::ResNet34.architecture(), 2, 224));
        assert_eq!(layers.iter().map(|(_, count)| count).sum::<usize>(), 36);
        let last = "[n=2 h=7 w=7 c=512] * [k=512 r=3 s=3] stride [1, 1] padding [1, 1] groups 1";
        let counts = layers.iter().filter(|(layer, _)| layer.to_string() == last);
        assert_eq!(counts.map(|(_, count)| *count).collect::<Vec<_>>(), [5]);
    }
}
