//! What a fit asks of each of its steps, besides rates. How a step is taken is in `step`.

use super::soften::Softening;

/// What a fit asks of each of its steps, besides rates.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct StepOptions {
    /// Batch norms use running statistics even in groups that train.
    pub freeze_norms: bool,
    /// What its targets are softened by.
    pub softening: Softening,
}
