//! Dropout: the mask must be the reference's, element for element.

use tensor_core::backend::Plan;
use tensor_core::memory::Destination;
use tensor_core::ops::dropout::{DropoutMask, dropout, dropout_at_into, dropout_into, step_words};
use tensor_core::{Device, Result, Tensor};

use super::gradient::Differentiable;
use super::input::{Draw, Input};
use super::view::View;
use super::{Case, Output, write_and_accumulate, written, written_and_base};

const fn mask(step: u64, probability: f32) -> DropoutMask {
    DropoutMask { key: 0x0123_4567_89ab_cdef, step, probability }
}

/// Masks, from none at all to nearly all, and one of a step beyond 32 bits.
pub const MASKS: &[DropoutMask] =
    &[mask(0, 0.0), mask(1, 0.25), mask(2, 0.5), mask((7 << 32) + 3, 0.5), mask(4, 0.99)];

/// Lengths: the mask comes in blocks of four.
pub const LENGTHS: &[usize] = &[1, 3, 4, 5, 63, 1000, 20_001];

/// All lengths with all masks, and one that begins in the middle of a buffer.
pub fn cases() -> Vec<Box<dyn Case>> {
    let view = View(Box::new(Dropout { length: 63, mask: MASKS[2] }));
    all().map(|case| Box::new(case) as Box<dyn Case>).chain([Box::new(view) as _]).collect()
}

/// All lengths with all masks.
pub fn differentiable() -> Vec<Box<dyn Differentiable>> {
    all().map(|case| Box::new(case) as Box<dyn Differentiable>).collect()
}

fn all() -> impl Iterator<Item = Dropout> {
    LENGTHS.iter().flat_map(|&length| MASKS.iter().map(move |&mask| Dropout { length, mask }))
}

struct Dropout {
    length: usize,
    mask: DropoutMask,
}

impl Case for Dropout {
    fn name(&self) -> String {
        format!("dropout [{}] {:?}", self.length, self.mask)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        vec![draw.normal([self.length]), draw.normal([self.length])]
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let call = |target: Destination| dropout_into(&self.mask, &inputs[0], target);
        let mut outputs: Vec<Output> = write_and_accumulate(&inputs[1], call)?.into();
        // The step on the device takes the place of the mask's.
        let words = step_words(self.mask.step);
        let step = Tensor::from_slice(inputs[0].device(), [2], &words)?;
        let other = DropoutMask { step: self.mask.step + 9, ..self.mask };
        let recorded =
            written(&inputs[0], |target| dropout_at_into(&other, Some(&step), &inputs[0], target))?;
        outputs.push(Output::new("at a step on the device", &recorded)?);
        Ok(outputs)
    }

    fn magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        let mut magnitudes = written_and_base(&expected[0], &inputs[1]);
        magnitudes.push(magnitudes[0].clone());
        Ok(magnitudes)
    }
}

impl Differentiable for Dropout {
    fn name(&self) -> String {
        Case::name(self)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        vec![draw.normal([self.length])]
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        dropout(&self.mask, &inputs[0])
    }

    fn backward(&self, inputs: &[Tensor], output_gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let call = |target: Destination| dropout_into(&self.mask, output_gradient, target);
        Ok(vec![Some(written(&inputs[0], call)?)])
    }
}
