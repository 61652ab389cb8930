//! What stands on the body: the lesson's head, or torchvision's pool and linear layer.

use autograd::functions::{self, Norm};
use autograd::{Result, StoreBuilder, Var};
use serde::{Deserialize, Serialize};
use tensor_core::backend::pool::GlobalPool;
use tensor_core::ops::pointwise::Unary;

use crate::initialise::Initialiser;
use crate::layers::{LinearLayer, declare_norm};
use crate::{Layer, Pass};

/// How gamma of the head's batch norms begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GammaStart {
    /// At 1, as PyTorch has begun since 1.2.
    #[default]
    One,
    /// Uniform in `[0, 1)`, as PyTorch began in fastai 0.7's time.
    Uniform,
}

/// Sizes of the lesson's head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadOptions {
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
    /// Dropout before each hidden layer.
    pub hidden_dropout: f32,
    /// Dropout before the last layer.
    pub last_dropout: f32,
    /// How gamma begins.
    pub gamma: GammaStart,
}

impl Default for HeadOptions {
    /// One hidden layer of 512, dropout 0.25 and 0.5: fastai 0.7's `xtra_fc` and `ps`.
    fn default() -> HeadOptions {
        let (hidden, gamma) = (vec![512], GammaStart::One);
        HeadOptions { hidden, hidden_dropout: 0.25, last_dropout: 0.5, gamma }
    }
}

/// The lesson's head: maximum and average pool, then for each layer batch norm, dropout, linear, and
/// a ReLU between them. `[n, h, w, features]` to `[n, classes]` logits.
#[derive(Debug, Clone)]
pub struct Head {
    layers: Vec<HeadLayer>,
    inputs: usize,
    classes: usize,
}

#[derive(Debug, Clone)]
struct HeadLayer {
    norm: Norm,
    dropout: f32,
    linear: LinearLayer,
}

impl Head {
    /// Declares `head.{index}.norm` and `head.{index}.linear` for each layer.
    ///
    /// # Errors
    /// If the store knows one of the names already, or is at a later group.
    pub fn declare(
        builder: &mut StoreBuilder,
        initialiser: &mut Initialiser,
        group: usize,
        features: usize,
        classes: usize,
        options: &HeadOptions,
    ) -> Result<Head> {
        builder.set_group(group)?;
        let inputs = GlobalPool::MaximumAverage.columns(features);
        let widths: Vec<usize> =
            [inputs].into_iter().chain(options.hidden.iter().copied()).chain([classes]).collect();
        let mut layers = Vec::new();
        for (index, pair) in widths.windows(2).enumerate() {
            let (input, output) = (pair[0], pair[1]);
            let gamma = match options.gamma {
                GammaStart::One => vec![1.0; input],
                GammaStart::Uniform => initialiser.uniform(input),
            };
            let norm = declare_norm(builder, &format!("head.{index}.norm"), gamma)?;
            let last = index == options.hidden.len();
            let dropout = if last { options.last_dropout } else { options.hidden_dropout };
            let name = format!("head.{index}.linear");
            let linear = LinearLayer::declare(builder, initialiser, &name, input, output)?;
            layers.push(HeadLayer { norm, dropout, linear });
        }
        Ok(Head { layers, inputs, classes })
    }

    /// Columns of the pooled activations.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Columns of the logits.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// `[n, h, w, features]` to the `[n, inputs]` activations that may be computed once and kept.
    ///
    /// # Errors
    /// If there are no pixels; out of memory.
    pub fn pool(&self, pass: &mut Pass, features: Var) -> Result<Var> {
        let pooled = functions::global_pool(&mut pass.tape, GlobalPool::MaximumAverage, &features)?;
        pass.tap("head.pool", &pooled);
        Ok(pooled)
    }

    /// Pooled `[n, inputs]` activations to `[n, classes]` logits.
    ///
    /// # Errors
    /// If the width differs; out of memory.
    pub fn classify(&self, pass: &mut Pass, pooled: Var) -> Result<Var> {
        let mut x = pooled;
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                x = functions::unary(&mut pass.tape, Unary::Relu, &x)?;
            }
            let (mode, store) = (pass.norm_mode(layer.norm.statistics), pass.store());
            x = functions::batch_norm(&mut pass.tape, store, &layer.norm, mode, &x)?;
            x = pass.dropout(index as u64, layer.dropout, x)?;
            x = layer.linear.forward(pass, &x)?;
        }
        Ok(x)
    }
}

impl Layer for Head {
    fn forward(&self, pass: &mut Pass, input: Var) -> Result<Var> {
        let pooled = self.pool(pass, input)?;
        self.classify(pass, pooled)
    }
}

/// torchvision's head: average pool and one linear layer `fc`.
#[derive(Debug, Clone)]
pub struct PlainHead {
    linear: LinearLayer,
}

impl PlainHead {
    /// Declares `fc`.
    ///
    /// # Errors
    /// If the store knows the name already, or is at a later group.
    pub fn declare(
        builder: &mut StoreBuilder,
        initialiser: &mut Initialiser,
        group: usize,
        features: usize,
        classes: usize,
    ) -> Result<PlainHead> {
        builder.set_group(group)?;
        let linear = LinearLayer::declare(builder, initialiser, "fc", features, classes)?;
        Ok(PlainHead { linear })
    }
}

impl Layer for PlainHead {
    fn forward(&self, pass: &mut Pass, input: Var) -> Result<Var> {
        let pooled = functions::global_pool(&mut pass.tape, GlobalPool::Average, &input)?;
        drop(input);
        self.linear.forward(pass, &pooled)
    }
}
