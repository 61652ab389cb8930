//! A whole classifier: a body, what stands on it, and how their parameters leave and enter files.

use autograd::{ParameterStore, StoreBuilder, Var};
use tensor_core::Device;

use crate::head::{Head, HeadOptions, PlainHead};
use crate::initialise::Initialiser;
use crate::resnet::ResNet;
use crate::{Architecture, Layer, Pass, Result};

/// A residual network under torchvision's names, `fc` included: for exchange and comparison.
#[derive(Debug, Clone)]
pub struct PlainNetwork {
    body: ResNet,
    head: PlainHead,
}

impl PlainNetwork {
    /// The network and a store with first values drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidArchitecture`](crate::Error::InvalidArchitecture); out of memory.
    ///
    /// ```
    /// use models::{Arch, Layer, Pass, PlainNetwork};
    /// use autograd::Var;
    /// use tensor_core::{Device, Tensor};
    /// # fn main() -> models::Result<()> {
    /// let device = Device::best()?;
    /// let architecture = Arch::ResNet18.architecture();
    /// let (network, store) = PlainNetwork::new(architecture, 10, 42, &device)?;
    /// let pictures = Var::constant(Tensor::full(&device, [1, 32, 32, 3], device.activation(), 0.5)?);
    /// let logits = network.forward(&mut Pass::predict(&store), pictures)?;
    /// assert_eq!(logits.shape().dims(), [1, 10]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(
        architecture: &Architecture,
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<(PlainNetwork, ParameterStore)> {
        architecture.check()?;
        let (mut builder, mut initialiser) = (StoreBuilder::new(), Initialiser::new(seed));
        let body = ResNet::declare(architecture, &mut builder, &mut initialiser)?;
        let (group, features) = (HEAD_GROUP, body.features());
        let head = PlainHead::declare(&mut builder, &mut initialiser, group, features, classes)?;
        Ok((PlainNetwork { body, head }, builder.build(device)?))
    }
}

impl Layer for PlainNetwork {
    fn forward(&self, pass: &mut Pass, input: Var) -> autograd::Result<Var> {
        let features = self.body.forward(pass, input)?;
        self.head.forward(pass, features)
    }
}

/// The layer group of every head; the body has groups 0 and 1.
const HEAD_GROUP: usize = 2;

/// A residual body with the lesson's head.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// From pictures to feature maps.
    pub body: ResNet,
    /// From feature maps to logits.
    pub head: Head,
}

impl Classifier {
    /// The network and a store with first values drawn from `seed`, in three layer groups: the body's
    /// two halves and the head.
    ///
    /// # Errors
    /// [`Error::InvalidArchitecture`](crate::Error::InvalidArchitecture); out of memory.
    pub fn new(
        architecture: &Architecture,
        classes: usize,
        head: &HeadOptions,
        seed: u64,
        device: &Device,
    ) -> Result<(Classifier, ParameterStore)> {
        architecture.check()?;
        let (mut builder, mut initialiser) = (StoreBuilder::new(), Initialiser::new(seed));
        let body = ResNet::declare(architecture, &mut builder, &mut initialiser)?;
        let features = body.features();
        let head =
            Head::declare(&mut builder, &mut initialiser, HEAD_GROUP, features, classes, head)?;
        Ok((Classifier { body, head }, builder.build(device)?))
    }

    /// Pictures to the `[n, inputs]` activations below the head's first layer.
    ///
    /// # Errors
    /// If the pictures are too small; out of memory.
    pub fn activations(&self, pass: &mut Pass, pictures: Var) -> autograd::Result<Var> {
        let features = self.body.forward(pass, pictures)?;
        self.head.pool(pass, features)
    }
}

impl Layer for Classifier {
    fn forward(&self, pass: &mut Pass, input: Var) -> autograd::Result<Var> {
        let features = self.body.forward(pass, input)?;
        self.head.forward(pass, features)
    }
}
