//! Analytic against numeric gradients, by central differences in f64.

use tensor_core::{Device, Tensor};

use crate::{ParameterStore, Result, StoreBuilder, Tape, Var};

/// The largest disagreement that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The parameter.
    pub name: String,
    /// The element.
    pub element: usize,
    /// What backward gave.
    pub analytic: f64,
    /// What central differences gave.
    pub numeric: f64,
    /// `|analytic - numeric| / (1 + |analytic| + |numeric|)`.
    pub error: f64,
}

/// Holds the gradients that `network` gives for every parameter against central differences on the
/// reference device, at up to `samples` elements a parameter, and returns the worst.
///
/// `network` computes a `[1]` loss from the store; it is called twice an element, always with the
/// same randomness if it uses any.
///
/// # Errors
/// Those of `network`.
///
/// ```
/// use autograd::{StoreBuilder, functions, grad_check::grad_check};
/// use tensor_core::ops::pointwise::Unary;
/// # fn main() -> autograd::Result<()> {
/// let mut builder = StoreBuilder::new();
/// let weight = builder.parameter("weight", [2, 3], vec![0.1, 0.2, 0.3, -0.4, 0.5, 0.6])?;
/// let bias = builder.parameter("bias", [2], vec![0.0, 1.0])?;
/// let worst = grad_check(builder, 6, |tape, store| {
///     let input = tensor_core::Tensor::from_f32(store.device(), [1, 3], &[1.0, 2.0, 3.0])?;
///     let input = autograd::Var::constant(input);
///     let output = functions::linear(tape, store, weight, bias, &input)?;
///     let squares = functions::unary(tape, Unary::Square, &output)?;
///     functions::sum(tape, &squares)
/// })?;
/// assert!(worst.error < 1e-8, "{worst:?}");
/// # Ok(())
/// # }
/// ```
pub fn grad_check(
    parameters: StoreBuilder,
    samples: usize,
    mut network: impl FnMut(&mut Tape, &ParameterStore) -> Result<Var>,
) -> Result<Mismatch> {
    const STEP: f64 = 1e-5;
    let mut store = parameters.build(&Device::reference())?;
    let mut tape = Tape::new();
    let loss = network(&mut tape, &store)?;
    tape.backward(&loss, &mut store)?;

    let mut worst =
        Mismatch { name: String::new(), element: 0, analytic: 0.0, numeric: 0.0, error: -1.0 };
    for id in store.ids() {
        let name = store.parameter(id).name.clone();
        let original: Vec<f64> = store.value(id)?.to_vec()?;
        let gradient = match store.gradient(id)? {
            Some(gradient) => gradient.to_vec::<f64>()?,
            None => vec![0.0; original.len()],
        };
        let stride = original.len().div_ceil(samples.max(1)).max(1);
        for element in (0..original.len()).step_by(stride) {
            let mut at = |offset: f64| -> Result<f64> {
                let mut moved = original.clone();
                moved[element] += offset;
                store.set_exact(id, &moved)?;
                let loss = network(&mut Tape::silent(), &store)?;
                Ok(loss.value().to_vec::<f64>()?[0])
            };
            let numeric = (at(STEP)? - at(-STEP)?) / (2.0 * STEP);
            let analytic = gradient[element];
            let scale = 1.0 + analytic.abs() + numeric.abs();
            let error = (analytic - numeric).abs() / scale;
            if error > worst.error || error.is_nan() {
                worst = Mismatch { name: name.clone(), element, analytic, numeric, error };
            }
        }
        store.set_exact(id, &original)?;
    }
    Ok(worst)
}

impl ParameterStore {
    /// Overwrites a parameter of a reference store without rounding to f32.
    fn set_exact(&mut self, id: crate::ParameterId, values: &[f64]) -> Result<()> {
        let shape = self.parameter(id).shape;
        let values = Tensor::from_slice(self.device(), shape, values)?;
        self.overwrite(id, &values)
    }
}
