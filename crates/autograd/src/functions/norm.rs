//! Batch norm alone, and the halves that `conv_norm` shares with it.

use tensor_core::Tensor;
use tensor_core::ops;
use tensor_core::ops::norm::{Factors, NormOptions};
use tensor_core::ops::pointwise::copy_into;

use crate::{Backward, Function, ParameterId, ParameterStore, Result, StatisticsId, Tape, Var};

/// Whose mean and variance normalise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormMode {
    /// The batch's own; running values are updated with the optimiser's step.
    Batch,
    /// The running ones, which stay as they are.
    Running,
}

/// A batch norm's parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// Factor of each channel.
    pub gamma: ParameterId,
    /// Summand of each channel.
    pub beta: ParameterId,
    /// Running mean and variance.
    pub statistics: StatisticsId,
    /// Epsilon and momentum.
    pub options: NormOptions,
}

/// Batch norm of a `[..., c]` input over all its rows.
///
/// # Errors
/// If the number of channels differs; out of memory.
pub fn batch_norm(
    tape: &mut Tape,
    store: &ParameterStore,
    norm: &Norm,
    mode: NormMode,
    input: &Var,
) -> Result<Var> {
    let partials = match mode {
        NormMode::Batch => Some(ops::norm::statistics(input.value())?),
        NormMode::Running => None,
    };
    let factors = factors(tape, store, norm, input.value(), partials.as_ref())?;
    let output = ops::norm::apply(input.value(), &factors, None, false)?;
    if !tape.records(store, &[input], &[norm.gamma, norm.beta]) {
        return Ok(Var::constant(output));
    }
    let saved = SavedNorm { norm: *norm, mode, factors, input: input.value().clone() };
    Ok(tape.record(output, &[input], saved))
}

/// Scale and shift: from a batch's partial statistics if there are any (then the new running values
/// are held on the tape), else from the running values.
pub(super) fn factors(
    tape: &mut Tape,
    store: &ParameterStore,
    norm: &Norm,
    input: &Tensor,
    partials: Option<&Tensor>,
) -> Result<Factors> {
    let (gamma, beta) = (store.value(norm.gamma)?, store.value(norm.beta)?);
    let running = store.running(norm.statistics)?;
    let options = &norm.options;
    let Some(partials) = partials else {
        return Ok(ops::norm::finalise_running(&running, &gamma, &beta, options)?);
    };
    let shape = ops::norm::shape(input);
    let (factors, new) =
        ops::norm::finalise_batch(&shape, partials, &running, &gamma, &beta, options)?;
    tape.hold_statistics(norm.statistics, new);
    Ok(factors)
}

/// What the backward half of a batch norm needs.
pub(super) struct SavedNorm {
    pub(super) norm: Norm,
    pub(super) mode: NormMode,
    pub(super) factors: Factors,
    pub(super) input: Tensor,
}

impl SavedNorm {
    /// Gradients of gamma and beta go to the store; returns the sums that the input's gradient
    /// needs when the statistics were the batch's.
    pub(super) fn reduce(
        &self,
        view: &ops::norm::Backward,
        backward: &mut Backward,
    ) -> Result<Option<Tensor>> {
        let Norm { gamma, beta, .. } = self.norm;
        let trains = backward.store().is_trainable(gamma);
        if !trains && self.mode == NormMode::Running {
            return Ok(None);
        }
        let sums = ops::norm::backward_reduce(view)?;
        for (row, id) in [beta, gamma].into_iter().enumerate() {
            let sum = sums.rows(row..row + 1)?;
            backward.parameter_gradient(id, |target| copy_into(&sum, target))?;
        }
        Ok((self.mode == NormMode::Batch).then_some(sums))
    }

    pub(super) fn view<'a>(
        &'a self,
        output_gradient: &'a Tensor,
        relu_output: Option<&'a Tensor>,
        has_addend: bool,
    ) -> ops::norm::Backward<'a> {
        let (input, factors) = (&self.input, &self.factors);
        ops::norm::Backward { output_gradient, relu_output, has_addend, input, factors }
    }
}

impl Function for SavedNorm {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        let view = self.view(&gradient, None, false);
        let sums = self.reduce(&view, backward)?;
        let gamma = backward.store().value(self.norm.gamma)?;
        backward.input_gradient(0, self.input.shape(), |target| {
            ops::norm::backward_apply_into(&view, &gamma, sums.as_ref(), Some(target), None)
        })
    }
}
