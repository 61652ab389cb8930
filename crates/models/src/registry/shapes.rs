//! The names and shapes torchvision gives the tensors of an architecture, in forward order.

use super::Architecture;
use super::blocks::ConvSize;

/// Collects names and shapes while walking the network.
struct Walk {
    tensors: Vec<(String, Vec<usize>)>,
}

impl Walk {
    /// A convolution and the batch norm behind it.
    fn conv_norm(&mut self, conv: &str, norm: &str, size: ConvSize) {
        let ConvSize { input, output, kernel, groups, .. } = size;
        self.tensors.push((format!("{conv}.weight"), vec![output, input / groups, kernel, kernel]));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            self.tensors.push((format!("{norm}.{part}"), vec![output]));
        }
    }
}

impl Architecture {
    /// Names and shapes of all parameters and running statistics as torchvision has them, in forward order:
    /// convolutions `[out, in / groups, rows, columns]`, batch norms `[channels]`, and with `Some(classes)` the
    /// linear layer `fc` `[classes, features]`. `num_batches_tracked` is left out.
    pub fn tensor_shapes(&self, classes: Option<usize>) -> Vec<(String, Vec<usize>)> {
        let mut walk = Walk { tensors: Vec::new() };
        walk.conv_norm("conv1", "bn1", self.stem());
        for block in self.blocks() {
            let name = &block.name;
            for (size, i) in block.convolutions.into_iter().zip(1..) {
                walk.conv_norm(&format!("{name}.conv{i}"), &format!("{name}.bn{i}"), size);
            }
            if let Some(size) = block.shortcut {
                walk.conv_norm(
                    &format!("{name}.downsample.0"),
                    &format!("{name}.downsample.1"),
                    size,
                );
            }
        }
        if let Some(classes) = classes {
            walk.tensors.push(("fc.weight".to_owned(), vec![classes, self.features()]));
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
