//! The small network that the tests train, in the library and through the command.

use models::{Arch, Architecture};

/// A residual network of ten layers, 8 to 64 channels.
pub fn slim() -> Architecture {
    Architecture {
        name: "resnet10_slim".into(),
        layers: [1, 1, 1, 1],
        stem_width: 8,
        sources: [].as_slice().into(),
        ..Arch::ResNet18.into()
    }
}
