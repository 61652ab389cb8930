//! Inputs of cases: host values of a shape, drawn from a counter-based stream, put onto any device.

use tensor_core::random::{Philox, RandomStream};
use tensor_core::{DType, Device, Result, Shape, Tensor};

use super::format::Format;

/// A tensor to be.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its shape.
    pub shape: Shape,
    /// Its elements.
    pub values: Values,
    /// What they are to the op.
    pub role: Role,
}

/// What the floats of an input are to the op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Parameters of a norm, statistics, logits: the device's float type.
    Float,
    /// Weights: the device's float type, but kernels may multiply them in the activations' format.
    Weight,
    /// Activations and their gradients: the device's activation type.
    Activation,
}

impl Role {
    /// The type of such numbers on this device.
    pub fn dtype(self, device: &Device) -> DType {
        match self {
            Role::Float | Role::Weight => device.float(),
            Role::Activation => device.activation(),
        }
    }
}

/// Elements on the host.
#[derive(Debug, Clone)]
pub enum Values {
    /// Become the device's float type.
    Floats(Vec<f32>),
    /// Stay bytes.
    Bytes(Vec<u8>),
    /// Stay class indices.
    Classes(Vec<i32>),
}

impl Input {
    /// Floats of a shape.
    pub fn new(shape: impl Into<Shape>, values: Vec<f32>) -> Input {
        Input { shape: shape.into(), values: Values::Floats(values), role: Role::Float }
    }

    /// The same floats in another role.
    pub fn role(self, role: Role) -> Input {
        Input { role, ..self }
    }

    /// The same floats as activations.
    pub fn activation(self) -> Input {
        self.role(Role::Activation)
    }

    /// The same floats as weights.
    pub fn weight(self) -> Input {
        self.role(Role::Weight)
    }

    /// The same input with what a device multiplies in this format rounded to it, so that all
    /// devices compute with the same numbers.
    pub fn rounded(&self, format: Format) -> Input {
        match self.role {
            Role::Float => self.clone(),
            Role::Weight | Role::Activation => self.map(|x| format.round(x)),
        }
    }

    /// The elements of a float input.
    pub fn floats(&self) -> &[f32] {
        match &self.values {
            Values::Floats(values) => values,
            _ => panic!("this input has no floats"),
        }
    }

    /// A float input with a function applied to each element; others stay.
    pub fn map(&self, function: impl Fn(f32) -> f32) -> Input {
        let values = match &self.values {
            Values::Floats(values) => Values::Floats(values.iter().map(|&x| function(x)).collect()),
            other => other.clone(),
        };
        Input { shape: self.shape, values, role: self.role }
    }

    /// The absolute values.
    pub fn abs(&self) -> Input {
        self.map(f32::abs)
    }

    /// The tensor on a device.
    pub fn upload(&self, device: &Device) -> Result<Tensor> {
        match &self.values {
            Values::Floats(values) => {
                Tensor::from_f32_as(device, self.shape, self.role.dtype(device), values)
            }
            Values::Bytes(values) => Tensor::from_slice(device, self.shape, values),
            Values::Classes(values) => Tensor::from_slice(device, self.shape, values),
        }
    }
}

/// All inputs on a device.
pub fn upload(device: &Device, inputs: &[Input]) -> Result<Vec<Tensor>> {
    inputs.iter().map(|input| input.upload(device)).collect()
}

/// All absolute values.
pub fn absolute_inputs(inputs: &[Input]) -> Vec<Input> {
    inputs.iter().map(Input::abs).collect()
}

/// Draws inputs; the same name gives the same numbers everywhere.
pub struct Draw {
    stream: RandomStream,
}

impl Draw {
    /// The stream of this name.
    pub fn new(name: &str) -> Draw {
        // FNV-1a: any well-mixing hash would do.
        let key = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Draw { stream: Philox::new(key).stream([0; 3]) }
    }

    /// Standard normal numbers, none of them zero.
    pub fn normal(&mut self, shape: impl Into<Shape>) -> Input {
        self.normal_about(shape, 0.0, 1.0)
    }

    /// Normal numbers about `mean`, none of them zero.
    pub fn normal_about(&mut self, shape: impl Into<Shape>, mean: f32, std: f32) -> Input {
        self.fill(shape, |stream| mean + std * stream.normal())
    }

    /// Uniform numbers, none of them zero.
    pub fn uniform(&mut self, shape: impl Into<Shape>, low: f32, high: f32) -> Input {
        self.fill(shape, |stream| stream.uniform(low, high))
    }

    fn fill(&mut self, shape: impl Into<Shape>, draw: impl Fn(&mut RandomStream) -> f32) -> Input {
        let shape = shape.into();
        let mut nonzero = || loop {
            let value = draw(&mut self.stream);
            if value != 0.0 {
                return value;
            }
        };
        Input::new(shape, (0..shape.elements()).map(|_| nonzero()).collect())
    }

    /// Class indices below `classes`.
    pub fn classes(&mut self, n: usize, classes: usize) -> Input {
        let values = (0..n).map(|_| self.stream.below(classes) as i32).collect();
        Input { shape: Shape::from([n]), values: Values::Classes(values), role: Role::Float }
    }

    /// Bytes.
    pub fn bytes(&mut self, n: usize) -> Input {
        let values = (0..n).map(|_| self.stream.next_u32() as u8).collect();
        Input { shape: Shape::from([n]), values: Values::Bytes(values), role: Role::Float }
    }

    /// An index below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.stream.below(bound)
    }
}
