//! The names and shapes torchvision gives the tensors of an architecture, in forward order.

use super::{Architecture, BlockKind};

/// Collects names and shapes while walking the network.
struct Walk {
    tensors: Vec<(String, Vec<usize>)>,
}

impl Walk {
    fn convolution(&mut self, name: &str, out: usize, input: usize, kernel: usize) {
        self.tensors.push((format!("{name}.weight"), vec![out, input, kernel, kernel]));
    }

    fn norm(&mut self, name: &str, channels: usize) {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            self.tensors.push((format!("{name}.{part}"), vec![channels]));
        }
    }

    fn block(&mut self, architecture: &Architecture, stage: usize, index: usize, input: usize) {
        let prefix = format!("layer{}.{index}", stage + 1);
        let width = architecture.stage_width(stage);
        let out = architecture.stage_channels(stage);
        // (out, in, kernel) of each convolution of the block.
        let convolutions = match architecture.block {
            BlockKind::Basic => vec![(width, input, 3), (out, width, 3)],
            BlockKind::Bottleneck => {
                vec![(width, input, 1), (width, width / architecture.groups, 3), (out, width, 1)]
            }
        };
        for (i, (out, input, kernel)) in convolutions.into_iter().enumerate() {
            self.convolution(&format!("{prefix}.conv{}", i + 1), out, input, kernel);
            self.norm(&format!("{prefix}.bn{}", i + 1), out);
        }
        // The first block of a stage projects its shortcut when the size or the number of channels changes.
        if index == 0 && (stage > 0 || input != out) {
            self.convolution(&format!("{prefix}.downsample.0"), out, input, 1);
            self.norm(&format!("{prefix}.downsample.1"), out);
        }
    }
}

impl Architecture {
    /// Names and shapes of all parameters and running statistics as torchvision has them, in forward order:
    /// convolutions `[out, in / groups, rows, columns]`, batch norms `[channels]`, and with `Some(classes)` the
    /// linear layer `fc` `[classes, features]`. `num_batches_tracked` is left out.
    pub fn tensor_shapes(&self, classes: Option<usize>) -> Vec<(String, Vec<usize>)> {
        let mut walk = Walk { tensors: Vec::new() };
        walk.convolution("conv1", self.stem_width, 3, 7);
        walk.norm("bn1", self.stem_width);
        let mut channels = self.stem_width;
        for (stage, blocks) in self.layers.into_iter().enumerate() {
            for index in 0..blocks {
                walk.block(self, stage, index, channels);
                channels = self.stage_channels(stage);
            }
        }
        if let Some(classes) = classes {
            walk.tensors.push(("fc.weight".to_owned(), vec![classes, channels]));
            walk.tensors.push(("fc.bias".to_owned(), vec![classes]));
        }
        walk.tensors
    }

    /// Number of trainable values, with the linear layer `fc` if `classes` is given.
    pub fn parameter_count(&self, classes: Option<usize>) -> usize {
        self.tensor_shapes(classes)
            .iter()
            .filter(|(name, _)| !name.contains(".running_"))
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum()
    }
}
