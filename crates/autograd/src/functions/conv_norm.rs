//! The unit a residual network is made of: convolution, batch norm, then optionally a residual and a
//! ReLU, as one node. What is fused inside is the plans' business.

use tensor_core::Tensor;
use tensor_core::backend::conv::ConvDirection;
use tensor_core::memory::Destination;
use tensor_core::ops;
use tensor_core::ops::conv::ConvGeometry;
use tensor_core::ops::norm::backward_apply_into;

use super::conv::SavedConv;
use super::norm::{self, Norm, NormMode, SavedNorm};
use crate::{Backward, Function, ParameterId, ParameterStore, Result, Tape, Var};

/// The parameters and the geometry of a convolution with batch norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConvNorm {
    /// `[k, r, s, c / groups]` weights.
    pub weight: ParameterId,
    /// Stride, padding, groups.
    pub geometry: ConvGeometry,
    /// The batch norm.
    pub norm: Norm,
}

/// `relu?(batch_norm(conv(input)) + addend?)` of an `[n, h, w, c]` input.
///
/// # Errors
/// If the shapes do not fit together; out of memory.
pub fn conv_norm(
    tape: &mut Tape,
    store: &ParameterStore,
    unit: &ConvNorm,
    mode: NormMode,
    input: &Var,
    addend: Option<&Var>,
    relu: bool,
) -> Result<Var> {
    let weight_shape = store.parameter(unit.weight).shape;
    let shape = ops::conv::shape(input.shape(), weight_shape, &unit.geometry)?;
    let x = input.value();
    let plan = ops::conv::plan(x.device(), &shape, x.dtype(), ConvDirection::Forward)?;
    let weights = store.prepared(unit.weight, &plan, &shape, ConvDirection::Forward)?;
    let mut inputs = vec![input];
    inputs.extend(addend);
    let parameters = [unit.weight, unit.norm.gamma, unit.norm.beta];
    let records = tape.records(store, &inputs, &parameters);
    if mode == NormMode::Running && !records {
        let factors = norm::factors(tape, store, &unit.norm, x, None)?;
        let addend = addend.map(Var::value);
        let output =
            ops::conv::forward_normalised(&plan, &shape, x, &weights, &factors, addend, relu)?;
        return Ok(Var::constant(output));
    }
    let (convolved, partials) = match mode {
        NormMode::Batch => {
            let (output, partials) =
                ops::conv::forward_with_statistics(&plan, &shape, x, &weights)?;
            (output, Some(partials))
        }
        NormMode::Running => (ops::conv::forward_planned(&plan, &shape, x, &weights)?, None),
    };
    let factors = norm::factors(tape, store, &unit.norm, &convolved, partials.as_ref())?;
    let output = ops::norm::apply(&convolved, &factors, addend.map(Var::value), relu)?;
    if !records {
        return Ok(Var::constant(output));
    }
    let saved = SavedConvNorm {
        conv: SavedConv::new(store, unit.weight, shape, input),
        norm: SavedNorm { norm: unit.norm, mode, factors, input: convolved },
        relu_output: relu.then(|| output.clone()),
        has_addend: addend.is_some(),
    };
    Ok(tape.record(output, &inputs, saved))
}

struct SavedConvNorm {
    conv: SavedConv,
    norm: SavedNorm,
    relu_output: Option<Tensor>,
    has_addend: bool,
}

impl Function for SavedConvNorm {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        const ADDEND: usize = 1;
        let SavedConvNorm { conv, norm, relu_output, has_addend } = *self;
        let view = norm.view(&gradient, relu_output.as_ref(), has_addend);
        let sums = norm.reduce(&view, backward)?;
        let gamma = backward.store().value(norm.norm.gamma)?;
        let convolved = &norm.input;
        let mut conv_gradient =
            Tensor::uninitialised(convolved.device(), convolved.shape(), convolved.dtype())?;
        let conv_target = Destination::write(conv_gradient.as_slice_mut());
        if backward.needs(ADDEND) {
            backward.input_gradient(ADDEND, convolved.shape(), |target| {
                let conv_target = Some(conv_target);
                backward_apply_into(&view, &gamma, sums.as_ref(), conv_target, Some(target))
            })?;
        } else {
            backward_apply_into(&view, &gamma, sums.as_ref(), Some(conv_target), None)?;
        }
        // Freed before the convolution's own gradients need room.
        drop((norm, relu_output, gradient));
        conv.run(conv_gradient, backward)
    }
}
