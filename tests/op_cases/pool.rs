//! Pooling with windows of any size, and of whole pictures; with ties, negative and missing numbers.

use tensor_core::backend::Plan;
use tensor_core::backend::pool::{GlobalPool, MaxPoolShape};
use tensor_core::ops::pool;
use tensor_core::{Device, Result, Shape, Tensor};

use super::gradient::Differentiable;
use super::input::{Draw, Input, absolute_inputs};
use super::{Case, Output, magnitudes_by_reference, write_and_accumulate, written};

const fn square(
    [n, h, w, c]: [usize; 4],
    window: usize,
    stride: usize,
    padding: usize,
) -> MaxPoolShape {
    let (window, stride, padding) = ([window; 2], [stride; 2], [padding; 2]);
    MaxPoolShape { n, h, w, c, window, stride, padding }
}

/// Maxima over windows.
pub const MAX_POOL_SHAPES: &[MaxPoolShape] = &[
    square([1, 1, 1, 1], 1, 1, 0),
    square([1, 1, 1, 5], 3, 2, 1),
    square([2, 8, 8, 3], 2, 2, 0),
    square([1, 9, 7, 5], 2, 2, 1),
    square([1, 13, 11, 17], 3, 2, 1),
    square([2, 12, 12, 64], 3, 2, 1),
    square([1, 9, 9, 33], 3, 1, 1),
    square([1, 10, 10, 65], 5, 3, 2),
    square([1, 7, 7, 16], 7, 1, 3),
    square([3, 5, 5, 4], 1, 2, 0),
    square([1, 35, 21, 72], 3, 2, 1),
    square([2, 19, 37, 5], 4, 1, 2),
    square([1, 28, 28, 64], 13, 1, 6),
    MaxPoolShape { n: 2, h: 4, w: 9, c: 3, window: [1, 4], stride: [1, 3], padding: [0, 2] },
    MaxPoolShape { n: 1, h: 9, w: 3, c: 7, window: [5, 3], stride: [2, 1], padding: [1, 0] },
];

/// `[n, h, w, c]` of whole pictures.
pub const PICTURES: &[[usize; 4]] =
    &[[1, 1, 1, 1], [2, 1, 1, 17], [3, 7, 7, 65], [1, 7, 9, 5], [2, 14, 13, 33], [5, 2, 1, 128]];

/// What pooling makes of a picture.
pub const KINDS: [GlobalPool; 3] =
    [GlobalPool::Average, GlobalPool::Maximum, GlobalPool::MaximumAverage];

/// What the pictures hold.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// Normal numbers about -3: nearly all below the zeros that padding must not be.
    Negative,
    /// Three different numbers, so that most windows have several maxima.
    Ties,
    /// Some elements are not-a-number. The output must show them; where a gradient goes that came
    /// through them nobody promises.
    NotANumber,
}

const CONTENTS: [Content; 3] = [Content::Negative, Content::Ties, Content::NotANumber];

impl Content {
    fn draw(self, draw: &mut Draw, dims: [usize; 4]) -> Input {
        let drawn = match self {
            Content::Negative => draw.normal_about(dims, -3.0, 1.0),
            Content::Ties => draw.uniform(dims, 0.5, 3.5).map(f32::round),
            Content::NotANumber => draw.normal(dims).map(|x| if x > 1.5 { f32::NAN } else { x }),
        };
        drawn.activation()
    }
}

/// All shapes with all contents.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for content in CONTENTS {
        for &shape in MAX_POOL_SHAPES {
            cases.push(Box::new(MaxPool { shape, content }));
        }
        for &picture in PICTURES {
            for kind in KINDS {
                cases.push(Box::new(WholePicture { picture, kind, content }));
            }
        }
    }
    cases
}

/// A maximum over windows and its gradient.
struct MaxPool {
    shape: MaxPoolShape,
    content: Content,
}

impl MaxPool {
    fn input_dims(&self) -> [usize; 4] {
        [self.shape.n, self.shape.h, self.shape.w, self.shape.c]
    }

    fn output_dims(&self) -> [usize; 4] {
        [self.shape.n, self.shape.p(), self.shape.q(), self.shape.c]
    }
}

impl Case for MaxPool {
    fn name(&self) -> String {
        format!("max_pool {:?} {:?}", self.content, self.shape)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let input = self.content.draw(draw, self.input_dims());
        let gradient = draw.normal(self.output_dims()).activation();
        vec![input, gradient, draw.normal(self.input_dims()).activation()]
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let output = pool::max_pool(&self.shape, &inputs[0])?;
        let mut outputs = vec![Output::new("output", &output)?];
        if let Content::NotANumber = self.content {
            return Ok(outputs);
        }
        outputs.extend(write_and_accumulate(&inputs[2], |target| {
            pool::max_pool_gradient_into(&self.shape, &inputs[0], &inputs[1], target)
        })?);
        Ok(outputs)
    }

    fn magnitudes(&self, inputs: &[Input], _: &[Output]) -> Result<Vec<Vec<f64>>> {
        // The input stays: it decides where gradients go.
        let inputs = [inputs[0].clone(), inputs[1].abs(), inputs[2].abs()];
        magnitudes_by_reference(self, &inputs)
    }
}

/// Pooling of whole pictures and its gradient.
struct WholePicture {
    picture: [usize; 4],
    kind: GlobalPool,
    content: Content,
}

impl Case for WholePicture {
    fn name(&self) -> String {
        let shape = Shape::from(self.picture);
        format!("global_pool {:?} {:?} {shape}", self.kind, self.content)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let [n, _, _, c] = self.picture;
        let input = self.content.draw(draw, self.picture);
        let gradient = draw.normal([n, self.kind.columns(c)]);
        vec![input, gradient, draw.normal(self.picture).activation()]
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let output = pool::global_pool(self.kind, &inputs[0])?;
        let mut outputs = vec![Output::new("output", &output)?];
        if let Content::NotANumber = self.content {
            return Ok(outputs);
        }
        outputs.extend(write_and_accumulate(&inputs[2], |target| {
            pool::global_pool_gradient_into(self.kind, &inputs[0], &inputs[1], target)
        })?);
        Ok(outputs)
    }

    fn magnitudes(&self, inputs: &[Input], _: &[Output]) -> Result<Vec<Vec<f64>>> {
        let of_output = magnitudes_by_reference(self, &absolute_inputs(inputs))?.swap_remove(0);
        let inputs = [inputs[0].clone(), inputs[1].abs(), inputs[2].abs()];
        let mut magnitudes = magnitudes_by_reference(self, &inputs)?;
        magnitudes[0] = of_output;
        Ok(magnitudes)
    }
}

/// All shapes, with contents that have no ties.
pub fn differentiable() -> Vec<Box<dyn Differentiable>> {
    let content = Content::Negative;
    let windows = MAX_POOL_SHAPES.iter().map(|&shape| Box::new(MaxPool { shape, content }) as _);
    let pictures = PICTURES.iter().flat_map(|&picture| {
        KINDS.map(|kind| Box::new(WholePicture { picture, kind, content }) as _)
    });
    windows.chain(pictures).collect()
}

impl Differentiable for MaxPool {
    fn name(&self) -> String {
        Case::name(self)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        vec![self.content.draw(draw, self.input_dims())]
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        pool::max_pool(&self.shape, &inputs[0])
    }

    fn backward(&self, inputs: &[Tensor], output_gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let gradient = written(&inputs[0], |target| {
            pool::max_pool_gradient_into(&self.shape, &inputs[0], output_gradient, target)
        })?;
        Ok(vec![Some(gradient)])
    }
}

impl Differentiable for WholePicture {
    fn name(&self) -> String {
        Case::name(self)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        vec![self.content.draw(draw, self.picture)]
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        pool::global_pool(self.kind, &inputs[0])
    }

    fn backward(&self, inputs: &[Tensor], output_gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let gradient = written(&inputs[0], |target| {
            pool::global_pool_gradient_into(self.kind, &inputs[0], output_gradient, target)
        })?;
        Ok(vec![Some(gradient)])
    }
}
