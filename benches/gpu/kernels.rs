//! Single kernels: the copy that bounds the memory-bound ones, products, the convolutions of networks,
//! the normalisation's application and the optimiser's steps.

use std::ops::Range;

use models::Arch;
use tensor_core::backend::conv::{ConvDirection, ConvShape};
use tensor_core::backend::optimizer::Segment;
use tensor_core::memory::Destination;
use tensor_core::ops::norm::{self, Factors};
use tensor_core::ops::optimizer::{AdamStep, Decay, SgdStep, adam_step, sgd_step};
use tensor_core::ops::pointwise::cast;
use tensor_core::ops::{conv, matmul};
use tensor_core::random::Philox;
use tensor_core::{Device, Result, Shape, Tensor};

use crate::Amount;
use crate::layers;
use crate::row::{ConvSpec, Row, Spec};

/// Networks whose convolutions are measured one by one.
const NETWORKS: [Arch; 3] = [Arch::ResNet34, Arch::ResNet50, Arch::ResNeXt50_32x4d];

/// Random activations: what a chip draws in power, and so how fast it runs, depends on the numbers.
pub fn activations(device: &Device, shape: impl Into<Shape>) -> Result<Tensor> {
    cast(&random(device, shape)?, device.activation())
}

/// Random floats.
fn random(device: &Device, shape: impl Into<Shape>) -> Result<Tensor> {
    // Drawing is slow and repeating harmless: no kernel looks a million elements back.
    const DRAWN: usize = 1 << 20;
    let shape = shape.into();
    let mut stream = Philox::new(1).stream([0; 3]);
    let drawn: Vec<f32> = (0..shape.elements().min(DRAWN)).map(|_| stream.normal()).collect();
    let values: Vec<f32> = drawn.iter().copied().cycle().take(shape.elements()).collect();
    Tensor::from_f32(device, shape, &values)
}

/// Everything below, one row each.
pub fn measure(device: &Device, amount: &Amount, note: &mut dyn FnMut(Row)) -> Result<()> {
    note(copy(device, amount)?);
    for &size in amount.matmul_sizes {
        note(square_product(device, amount, size)?);
    }
    note(norm_apply(device, amount)?);
    for adam in [false, true] {
        note(optimizer(device, amount, adam)?);
    }
    let of_network =
        |arch: Arch| layers::convolutions(arch.architecture(), amount.batch, amount.size);
    for (shape, count) in layers::distinct(NETWORKS.into_iter().flat_map(of_network)) {
        convolution(device, amount, &shape, count, note)?;
    }
    Ok(())
}

fn copy(device: &Device, amount: &Amount) -> Result<Row> {
    let elements = amount.copied_elements;
    let from = random(device, [elements])?;
    let mut to = from.duplicate()?;
    let seconds = amount.clock.seconds(device, || to.copy_from(&from))?;
    Ok(Row {
        name: format!("copy {elements} f32"),
        spec: Spec::Copy { elements },
        variant: String::new(),
        seconds,
        flops: 0,
        bytes: 8 * elements as u64,
        pictures: 0,
    })
}

fn square_product(device: &Device, amount: &Amount, size: usize) -> Result<Row> {
    let (left, right) = (activations(device, [size; 2])?, activations(device, [size; 2])?);
    let shape = matmul::shape(&left, &right, false, false)?;
    let plan = matmul::plan(device, &shape, left.dtype())?;
    let mut product = Tensor::uninitialised(device, [size; 2], left.dtype())?;
    let seconds = amount.clock.seconds(device, || {
        let target = Destination::write(product.as_slice_mut());
        matmul::multiply_into(&plan, &shape, &left, &right, None, target)
    })?;
    Ok(Row {
        name: format!("matmul {size} {}", left.dtype()),
        spec: Spec::Matmul { size },
        variant: plan.variant.to_string(),
        seconds,
        flops: shape.flops(),
        bytes: 0,
        pictures: 0,
    })
}

fn norm_apply(device: &Device, amount: &Amount) -> Result<Row> {
    let shape = [amount.batch, amount.size.div_ceil(4), amount.size.div_ceil(4), 256];
    let input = activations(device, shape)?;
    let channel = random(device, [shape[3]])?;
    let factors = Factors {
        mean: channel.clone(),
        inv_std: channel.clone(),
        scale: channel.clone(),
        shift: channel,
    };
    let seconds =
        amount.clock.seconds(device, || norm::apply(&input, &factors, None, true).map(drop))?;
    Ok(Row {
        name: format!("norm apply {shape:?}"),
        spec: Spec::NormApply { shape },
        variant: String::new(),
        seconds,
        flops: 0,
        bytes: (2 * input.shape().elements() * input.dtype().size()) as u64,
        pictures: 0,
    })
}

/// A step over all parameters at once, with the twin in the type of activations where there is one.
fn optimizer(device: &Device, amount: &Amount, adam: bool) -> Result<Row> {
    let elements = amount.parameters;
    let (range, rate, weight_decay): (Range<usize>, _, _) = (0..elements, 1e-6, 1e-4);
    let segments = [Segment { range: range.clone(), rate, weight_decay }];
    let ranges = [range];
    let (decay, clip_norm) = (Decay::L2, None);
    let numbers = if adam {
        let (beta1, beta2, epsilon) = (0.9, 0.99, 1e-8);
        AdamStep { beta1, beta2, epsilon, step: 1, decay, clip_norm }.numbers(&segments)
    } else {
        SgdStep { momentum: 0.9, decay, clip_norm }.numbers(&segments)
    };
    let numbers = Tensor::from_f32(device, [numbers.len()], &numbers)?;
    let scale = Tensor::from_f32(device, [2], &[1.0, 1.0])?;
    let gradients = random(device, [elements])?;
    let (mut values, mut state) = (gradients.duplicate()?, gradients.duplicate()?);
    let mut squares = Tensor::full(device, [elements], device.float(), 1.0)?;
    let has_twin = device.activation() != device.float();
    let mut twin = cast(&gradients, device.activation())?;
    let seconds = amount.clock.seconds(device, || {
        let twin = has_twin.then_some(&mut twin);
        if adam {
            let (mean, square) = (&mut state, &mut squares);
            adam_step(&ranges, &numbers, &scale, &gradients, &mut values, twin, mean, square)
        } else {
            sgd_step(&ranges, &numbers, &scale, &gradients, &mut values, twin, &mut state)
        }
    })?;
    let buffers = if adam { 7 } else { 5 };
    let twin_bytes = if has_twin { device.activation().size() } else { 0 };
    let (name, spec) =
        if adam { ("adam", Spec::Adam { elements }) } else { ("sgd", Spec::Sgd { elements }) };
    Ok(Row {
        name: format!("{name} {elements}"),
        spec,
        variant: String::new(),
        seconds,
        flops: 0,
        bytes: ((4 * buffers + twin_bytes) * elements) as u64,
        pictures: 0,
    })
}

/// The three directions of a convolution by the plans that training would choose.
fn convolution(
    device: &Device,
    amount: &Amount,
    shape: &ConvShape,
    count: usize,
    note: &mut dyn FnMut(Row),
) -> Result<()> {
    let input = activations(device, [shape.n, shape.h, shape.w, shape.c])?;
    let weights = random(device, [shape.k, shape.r, shape.s, shape.group_c()])?;
    let gradient = activations(device, [shape.n, shape.p(), shape.q(), shape.k])?;
    let (mut of_input, mut of_weights) = (input.duplicate()?, weights.duplicate()?);
    for direction in
        [ConvDirection::Forward, ConvDirection::InputGradient, ConvDirection::WeightGradient]
    {
        let plan = conv::plan(device, shape, device.activation(), direction)?;
        let prepared = conv::prepare(&plan, shape, direction, &weights)?;
        let seconds = amount.clock.seconds(device, || match direction {
            ConvDirection::Forward => {
                conv::forward_planned(&plan, shape, &input, &prepared).map(drop)
            }
            ConvDirection::InputGradient => {
                let target = Destination::write(of_input.as_slice_mut());
                conv::input_gradient_into(&plan, shape, &gradient, &prepared, target)
            }
            ConvDirection::WeightGradient => {
                let target = Destination::write(of_weights.as_slice_mut());
                conv::weight_gradient_into(&plan, shape, &input, &gradient, target)
            }
        })?;
        let spec = ConvSpec::new(shape, direction, count);
        note(Row {
            name: format!("conv {} {shape}", spec.direction),
            spec: Spec::Conv(spec),
            variant: plan.variant.to_string(),
            seconds,
            flops: shape.flops(),
            bytes: 0,
            pictures: 0,
        });
    }
    Ok(())
}
