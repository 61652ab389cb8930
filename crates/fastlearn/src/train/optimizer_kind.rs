//! Which optimiser a learner's fits begin with.

use autograd::optimizer::{Adam, Optimizer, Sgd};
use serde::{Deserialize, Serialize};

/// Which optimiser each fit begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum 0.9: the lesson's.
    #[default]
    Sgd,
    /// Adam with PyTorch's defaults.
    Adam,
}

impl OptimizerKind {
    /// A new optimiser of this kind, without history.
    pub fn build(self) -> Box<dyn Optimizer> {
        match self {
            OptimizerKind::Sgd => Box::new(Sgd::new(0.9)),
            OptimizerKind::Adam => Box::new(Adam::new()),
        }
    }
}
