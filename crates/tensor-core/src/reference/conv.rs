//! Convolution, product by product.

use super::{Reference, store};
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvKernels, ConvOutput, ConvShape};
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

/// Where one product of a convolution finds its factors and its sum.
struct Product {
    input: usize,
    weight: usize,
    output: usize,
}

impl ConvKernels for Reference {
    fn conv_plans(&self, shape: &ConvShape, dtype: DType, _direction: ConvDirection) -> Vec<Plan> {
        vec![Plan {
            variant: "reference",
            dtype,
            workspace: 0,
            prepared: 0,
            reads_twin: false,
            fuses_input: false,
            fuses_statistics: None,
            flops: shape.flops(),
            bytes: shape.bytes(dtype),
        }]
    }

    fn conv_prepare(
        &self,
        _plan: &Plan,
        _shape: &ConvShape,
        _direction: ConvDirection,
        _weights: Slice,
        _prepared: SliceMut,
    ) -> Result<()> {
        unreachable!("the reference reads weights as they are: its plans have `prepared` 0")
    }

    fn conv_forward(
        &self,
        _plan: &Plan,
        shape: &ConvShape,
        input: ConvInput,
        weights: Slice,
        _workspace: SliceMut,
        output: ConvOutput,
    ) -> Result<()> {
        let (ConvInput::Plain(input), ConvOutput::Plain(output)) = (input, output) else {
            unreachable!("the reference's plans fuse nothing")
        };
        let (input, weights) = (input.host::<f64>(), weights.host::<f64>());
        let output = output.host::<f64>();
        output.fill(0.0);
        for_each_product(shape, |at| output[at.output] += input[at.input] * weights[at.weight]);
        Ok(())
    }

    fn conv_input_gradient(
        &self,
        _plan: &Plan,
        shape: &ConvShape,
        output_gradient: Slice,
        weights: Slice,
        _workspace: SliceMut,
        input_gradient: Destination,
    ) -> Result<()> {
        let (output_gradient, weights) = (output_gradient.host::<f64>(), weights.host::<f64>());
        let mut sums = vec![0.0; shape.input_len()];
        for_each_product(shape, |at| {
            sums[at.input] += output_gradient[at.output] * weights[at.weight];
        });
        store(input_gradient, &sums);
        Ok(())
    }

    fn conv_weight_gradient(
        &self,
        _plan: &Plan,
        shape: &ConvShape,
        input: Slice,
        output_gradient: Slice,
        _workspace: SliceMut,
        weight_gradient: Destination,
    ) -> Result<()> {
        let (input, output_gradient) = (input.host::<f64>(), output_gradient.host::<f64>());
        let mut sums = vec![0.0; shape.weight_len()];
        for_each_product(shape, |at| {
            sums[at.weight] += output_gradient[at.output] * input[at.input];
        });
        store(weight_gradient, &sums);
        Ok(())
    }
}

/// Visits every product `input * weight` of the convolution and the output that it is added to.
/// Products with padding are zero and left out.
fn for_each_product(shape: &ConvShape, mut visit: impl FnMut(Product)) {
    let (group_c, group_k) = (shape.group_c(), shape.group_k());
    for n in 0..shape.n {
        for p in 0..shape.p() {
            for q in 0..shape.q() {
                for k in 0..shape.k {
                    let output = ((n * shape.p() + p) * shape.q() + q) * shape.k + k;
                    let first_channel = k / group_k * group_c;
                    for r in 0..shape.r {
                        let h = p * shape.stride[0] + r;
                        if h < shape.padding[0] || h - shape.padding[0] >= shape.h {
                            continue;
                        }
                        let row = n * shape.h + h - shape.padding[0];
                        for s in 0..shape.s {
                            let w = q * shape.stride[1] + s;
                            if w < shape.padding[1] || w - shape.padding[1] >= shape.w {
                                continue;
                            }
                            let pixel = row * shape.w + w - shape.padding[1];
                            for c in 0..group_c {
                                let input = pixel * shape.c + first_channel + c;
                                let weight = ((k * shape.r + r) * shape.s + s) * group_c + c;
                                visit(Product { input, weight, output });
                            }
                        }
                    }
                }
            }
        }
    }
}
