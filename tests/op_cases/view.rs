//! Cases whose inputs begin in the middle of a buffer, where no vector of a chip is aligned.

use tensor_core::backend::Plan;
use tensor_core::{Device, Result, Shape, Tensor};

use super::input::{Draw, Input, Values};
use super::{Case, Output};

/// A case on inputs that are all rows but the first of larger tensors.
pub struct View(pub Box<dyn Case>);

impl Case for View {
    fn name(&self) -> String {
        format!("{} of views", self.0.name())
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        self.0.inputs(draw).into_iter().map(with_another_row).collect()
    }

    fn run(&self, device: &Device, plan: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let rows = |input: &Tensor| input.rows(1..input.shape().dims()[0]);
        let views = inputs.iter().map(rows).collect::<Result<Vec<_>>>()?;
        self.0.run(device, plan, &views)
    }

    fn magnitudes(&self, inputs: &[Input], expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        let inputs: Vec<Input> = inputs.iter().map(without_first_row).collect();
        self.0.magnitudes(&inputs, expected)
    }
}

/// The same shape with so many rows, and how many elements a row has.
fn with_rows(shape: Shape, rows: usize) -> (Shape, usize) {
    (shape.with_first(rows), shape.elements() / shape.dims()[0])
}

/// A row of not-a-number first: nobody may read it.
fn with_another_row(input: Input) -> Input {
    let (shape, row) = with_rows(input.shape, input.shape.dims()[0] + 1);
    let values = match input.values {
        Values::Floats(values) => Values::Floats([vec![f32::NAN; row], values].concat()),
        Values::Bytes(values) => Values::Bytes([vec![u8::MAX; row], values].concat()),
        Values::Classes(values) => Values::Classes([vec![i32::MAX; row], values].concat()),
    };
    Input { shape, values, role: input.role }
}

fn without_first_row(input: &Input) -> Input {
    let (shape, row) = with_rows(input.shape, input.shape.dims()[0] - 1);
    let values = match &input.values {
        Values::Floats(values) => Values::Floats(values[row..].to_vec()),
        Values::Bytes(values) => Values::Bytes(values[row..].to_vec()),
        Values::Classes(values) => Values::Classes(values[row..].to_vec()),
    };
    Input { shape, values, role: input.role }
}
