//! Analytic gradients against central differences, in f64 on Reference.

use tensor_core::{DType, Device, Result, Tensor};

use super::input::{Draw, Input, upload};
use super::poisoned;

/// An op with its gradient.
pub trait Differentiable {
    /// Op, shape and options: unique, for it also seeds the inputs.
    fn name(&self) -> String;

    /// Random inputs, away from the op's kinks.
    fn inputs(&self, draw: &mut Draw) -> Vec<Input>;

    /// The output.
    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor>;

    /// The gradient of each input, or `None` for what has none (such as class indices).
    fn backward(&self, inputs: &[Tensor], output_gradient: &Tensor) -> Result<Vec<Option<Tensor>>>;
}

/// Step of the central differences. Their truncation error falls with its square and rounding
/// errors grow with its inverse: at 1e-5 of numbers near 1 both are near 1e-10.
const STEP: f64 = 1e-5;

/// What numeric and analytic derivative may differ by, relative to the derivative and to the root
/// mean square of the gradient that it belongs to.
const TOLERANCE: f64 = 1e-6;

/// Elements of an input that are tried one by one; of longer ones a random choice.
const ELEMENTS: usize = 12;

/// Panics with every wrong gradient of these functions.
pub fn assert_gradients(functions: &[Box<dyn Differentiable>]) {
    assert!(!functions.is_empty(), "an empty case table proves nothing");
    let faults: Vec<String> = functions.iter().flat_map(|function| wrong(&**function)).collect();
    assert!(faults.is_empty(), "{} wrong gradients:\n{}", faults.len(), faults.join("\n"));
}

/// What is wrong with this function's gradients, one line a fault.
pub fn wrong(function: &dyn Differentiable) -> Vec<String> {
    match Probe::new(function).and_then(|mut probe| probe.faults()) {
        Ok(faults) => faults,
        Err(error) => vec![format!("{}: {error}", function.name())],
    }
}

/// A function at a point: its output, projected onto a random direction, is one number.
struct Probe<'a> {
    function: &'a dyn Differentiable,
    draw: Draw,
    inputs: Vec<Tensor>,
    direction: Vec<f64>,
    gradients: Vec<Option<Tensor>>,
}

impl<'a> Probe<'a> {
    fn new(function: &'a dyn Differentiable) -> Result<Probe<'a>> {
        let mut draw = Draw::new(&function.name());
        let device = poisoned(Device::reference());
        let inputs = upload(&device, &function.inputs(&mut draw))?;
        let output = function.forward(&inputs)?;
        let direction = draw.normal(output.shape()).upload(&device)?;
        let gradients = function.backward(&inputs, &direction)?;
        Ok(Probe { function, draw, inputs, direction: direction.to_vec()?, gradients })
    }

    fn faults(&mut self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for index in 0..self.inputs.len() {
            let Some(gradient) = &self.gradients[index] else { continue };
            let gradient = gradient.to_vec::<f64>()?;
            for (what, direction) in self.directions(gradient.len()) {
                let analytic = dot(&gradient, &direction);
                let (numeric, rounding) = self.numeric(index, &direction)?;
                let scale = (dot(&gradient, &gradient) / gradient.len() as f64
                    * dot(&direction, &direction))
                .sqrt();
                let allowed = TOLERANCE * (analytic.abs() + scale) + rounding;
                // False for not-a-number.
                let within = (analytic - numeric).abs() <= allowed;
                if !within {
                    let name = self.function.name();
                    faults.push(format!(
                        "{name}, input {index}, {what}: analytic {analytic:e}, numeric {numeric:e}"
                    ));
                }
            }
        }
        Ok(faults)
    }

    /// Single elements, and one direction in which all of them move.
    fn directions(&mut self, elements: usize) -> Vec<(String, Vec<f64>)> {
        let all: Vec<f64> =
            self.draw.normal([elements]).floats().iter().map(|&x| x.into()).collect();
        let mut directions = vec![("all elements".to_string(), all)];
        for trial in 0..elements.min(ELEMENTS) {
            let element = if elements <= ELEMENTS { trial } else { self.draw.below(elements) };
            let mut unit = vec![0.0; elements];
            unit[element] = 1.0;
            directions.push((format!("element {element}"), unit));
        }
        directions
    }

    /// The derivative of the projected output as one input moves along `direction`, and how much of
    /// it may be rounding.
    fn numeric(&self, index: usize, direction: &[f64]) -> Result<(f64, f64)> {
        let length = dot(direction, direction).sqrt();
        let ahead = self.projected(index, direction, STEP / length)?;
        let behind = self.projected(index, direction, -STEP / length)?;
        let terms = ahead.iter().zip(&behind).zip(&self.direction);
        let change: f64 = terms.map(|((ahead, behind), weight)| (ahead - behind) * weight).sum();
        let size: f64 =
            ahead.iter().zip(&self.direction).map(|(y, weight)| (y * weight).abs()).sum();
        let derivative = |change: f64| change * length / (2.0 * STEP);
        Ok((derivative(change), derivative(f64::EPSILON * size)))
    }

    fn projected(&self, index: usize, direction: &[f64], step: f64) -> Result<Vec<f64>> {
        let moved = self.inputs[index].to_vec::<f64>()?;
        let moved: Vec<f64> = moved.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        let mut inputs = self.inputs.clone();
        let (device, shape) = (inputs[index].device().clone(), inputs[index].shape());
        inputs[index] = Tensor::from_slice(&device, shape, &moved)?;
        let output = self.function.forward(&inputs)?;
        debug_assert_eq!(output.dtype(), DType::F64);
        output.to_vec()
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(l, r)| l * r).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor_core::ops::pointwise::{Unary, unary};

    /// The square with a gradient that is `factor` times the right one.
    struct Square {
        factor: f64,
    }

    impl Differentiable for Square {
        fn name(&self) -> String {
            "square".to_string()
        }

        fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
            vec![draw.normal([40])]
        }

        fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
            unary(Unary::Square, &inputs[0])
        }

        fn backward(&self, inputs: &[Tensor], gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
            let pairs = inputs[0].to_vec::<f64>()?.into_iter().zip(gradient.to_vec::<f64>()?);
            let values: Vec<f64> = pairs.map(|(x, g)| 2.0 * self.factor * x * g).collect();
            Ok(vec![Some(Tensor::from_slice(gradient.device(), [40], &values)?)])
        }
    }

    #[test]
    fn a_gradient_that_is_slightly_off_fails() {
        assert_eq!(wrong(&Square { factor: 1.0 }), Vec::<String>::new());
        assert!(!wrong(&Square { factor: 1.00001 }).is_empty());
        assert!(!wrong(&Square { factor: f64::NAN }).is_empty());
    }
}
