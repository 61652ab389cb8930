//! Convolution alone, and the backward half that `conv_norm` shares with it.

use tensor_core::Tensor;
use tensor_core::backend::conv::{ConvDirection, ConvShape};
use tensor_core::ops;
use tensor_core::ops::conv::ConvGeometry;

use crate::{Backward, Function, ParameterId, ParameterStore, Result, Tape, Var};

/// The convolution of an `[n, h, w, c]` input with a `[k, r, s, c / groups]` parameter.
///
/// # Errors
/// If the shapes do not fit together; out of memory.
pub fn conv(
    tape: &mut Tape,
    store: &ParameterStore,
    weight: ParameterId,
    geometry: &ConvGeometry,
    input: &Var,
) -> Result<Var> {
    let shape = ops::conv::shape(input.shape(), store.parameter(weight).shape, geometry)?;
    let x = input.value();
    let plan = ops::conv::plan(x.device(), &shape, x.dtype(), ConvDirection::Forward)?;
    let weights = store.prepared(weight, &plan, &shape, ConvDirection::Forward)?;
    let output = ops::conv::forward_planned(&plan, &shape, x, &weights)?;
    if !tape.records(store, &[input], &[weight]) {
        return Ok(Var::constant(output));
    }
    let saved = SavedConv::new(store, weight, shape, input);
    Ok(tape.record(output, &[input], saved))
}

/// What the backward half of a convolution needs. Its input is the node's first.
pub(super) struct SavedConv {
    pub(super) shape: ConvShape,
    weight: ParameterId,
    /// For the weight's gradient; a frozen weight does not keep the input alive.
    input: Option<Tensor>,
}

impl SavedConv {
    pub(super) fn new(
        store: &ParameterStore,
        weight: ParameterId,
        shape: ConvShape,
        input: &Var,
    ) -> SavedConv {
        let input = store.is_trainable(weight).then(|| input.value().clone());
        SavedConv { shape, weight, input }
    }

    pub(super) fn run(self, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        let SavedConv { shape, weight, input } = self;
        let (device, dtype) = (gradient.device().clone(), gradient.dtype());
        if let Some(input) = input {
            let plan = ops::conv::plan(&device, &shape, dtype, ConvDirection::WeightGradient)?;
            backward.parameter_gradient(weight, |target| {
                ops::conv::weight_gradient_into(&plan, &shape, &input, &gradient, target)
            })?;
        }
        if !backward.needs(0) {
            return Ok(());
        }
        let direction = ConvDirection::InputGradient;
        let plan = ops::conv::plan(&device, &shape, dtype, direction)?;
        let weights = backward.store().prepared(weight, &plan, &shape, direction)?;
        let dims = [shape.n, shape.h, shape.w, shape.c];
        backward.input_gradient(0, dims.into(), |target| {
            ops::conv::input_gradient_into(&plan, &shape, &gradient, &weights, target)
        })
    }
}

impl Function for SavedConv {
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()> {
        self.run(gradient, backward)
    }
}
