//! Matrix products: heads of classifiers, and sizes that nothing divides.

use tensor_core::backend::Plan;
use tensor_core::backend::matmul::MatmulShape;
use tensor_core::ops::matmul;
use tensor_core::ops::reduce::{Axis, Reduction, reduce};
use tensor_core::{Device, Result, Tensor};

use super::gradient::Differentiable;
use super::input::{Draw, Input, Role, absolute_inputs};
use super::{Case, Output, magnitudes_by_reference, write_and_accumulate, written};

/// Rows, columns and length of the sums.
pub const SIZES: &[[usize; 3]] = &[
    [1, 1, 1],
    [1, 7, 3],
    [5, 1, 9],
    [3, 5, 1],
    [2, 2, 1024],
    [17, 33, 65],
    [16, 16, 16],
    [64, 512, 100],
    [13, 10, 515],
    [65, 129, 257],
    [1, 1000, 130],
    [200, 3, 70],
    // Whole pieces and several blocks in every layout of the wide tensor-core kernels.
    [136, 264, 72],
];

/// Every size, each side as it is and transposed.
pub fn shapes() -> Vec<MatmulShape> {
    let sides = [(false, false), (false, true), (true, false), (true, true)];
    let shape = |&[m, n, k]: &[usize; 3]| {
        sides.map(|(transpose_left, transpose_right)| MatmulShape {
            m,
            n,
            k,
            transpose_left,
            transpose_right,
        })
    };
    SIZES.iter().flat_map(shape).collect()
}

/// All shapes, with and without bias.
pub fn cases() -> Vec<Box<dyn Case>> {
    let of_shape = |shape| {
        [Role::Weight, Role::Activation].map(|role| Box::new(MatmulCase { shape, role }) as _)
    };
    shapes().into_iter().flat_map(of_shape).collect()
}

/// One product.
pub struct MatmulCase {
    /// Its shape.
    pub shape: MatmulShape,
    /// What the matrices are: floats in a head.
    pub role: Role,
}

/// The stored shapes of both sides.
fn sides(shape: &MatmulShape) -> [[usize; 2]; 2] {
    let stored = |rows, columns, transposed| {
        if transposed { [columns, rows] } else { [rows, columns] }
    };
    let &MatmulShape { m, n, k, transpose_left, transpose_right } = shape;
    [stored(m, k, transpose_left), stored(k, n, transpose_right)]
}

impl Case for MatmulCase {
    fn name(&self) -> String {
        format!("matmul of {:?} {}", self.role, self.shape)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let [left, right] = sides(&self.shape);
        let mut matrix = |dims: [usize; 2]| draw.normal(dims).role(self.role);
        let (left, right) = (matrix(left), matrix(right));
        let base = matrix([self.shape.m, self.shape.n]);
        vec![left, right, draw.normal([self.shape.n]), base]
    }

    fn plans(&self, device: &Device) -> Result<Vec<Plan>> {
        Ok(device.backend().matmul_plans(&self.shape, self.role.dtype(device)))
    }

    fn run(&self, _device: &Device, plan: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let plan = plan.expect("every product has a plan");
        let [left, right, bias, base] = inputs else { unreachable!("there are four inputs") };
        let mut outputs = Vec::new();
        for bias in [None, Some(bias)] {
            outputs.extend(write_and_accumulate(base, |target| {
                matmul::multiply_into(plan, &self.shape, left, right, bias, target)
            })?);
        }
        Ok(outputs)
    }

    fn magnitudes(&self, inputs: &[Input], _expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        magnitudes_by_reference(self, &absolute_inputs(inputs))
    }
}

/// Linear layers: the gradients of a product are products, with bias summed over rows.
pub fn differentiable() -> Vec<Box<dyn Differentiable>> {
    SIZES.iter().map(|&size| Box::new(Linear { size }) as Box<dyn Differentiable>).collect()
}

struct Linear {
    size: [usize; 3],
}

impl Differentiable for Linear {
    fn name(&self) -> String {
        format!("linear {:?}", self.size)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let [m, n, k] = self.size;
        vec![draw.normal([m, k]), draw.normal([n, k]), draw.normal([n])]
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        matmul::linear(&inputs[0], &inputs[1], Some(&inputs[2]))
    }

    fn backward(&self, inputs: &[Tensor], output_gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let of_input = matmul::multiply(output_gradient, &inputs[1], false, false)?;
        let of_weights = written(&inputs[1], |target| {
            let shape = matmul::shape(output_gradient, &inputs[0], true, false)?;
            let plan = matmul::plan(output_gradient.device(), &shape, output_gradient.dtype())?;
            matmul::multiply_into(&plan, &shape, output_gradient, &inputs[0], None, target)
        })?;
        let of_bias = reduce(Reduction::Sum, Axis::Rows, output_gradient)?;
        Ok(vec![Some(of_input), Some(of_weights), Some(of_bias)])
    }
}
