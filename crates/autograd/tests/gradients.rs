//! Every differentiable function against central differences, in f64 on the reference device.

use autograd::functions::{self, ConvNorm, Norm, NormMode};
use autograd::grad_check::grad_check;
use autograd::{ParameterId, ParameterStore, Result, StoreBuilder, Tape, Var};
use tensor_core::Tensor;
use tensor_core::backend::pool::GlobalPool;
use tensor_core::ops::conv::ConvGeometry;
use tensor_core::ops::dropout::DropoutMask;
use tensor_core::ops::loss::{Loss, Target};
use tensor_core::ops::norm::NormOptions;
use tensor_core::ops::pointwise::{Binary, Unary};
use tensor_core::random::Philox;

/// Central differences at steps of 1e-5 in f64 are good to about 1e-9.
const TOLERANCE: f64 = 1e-7;

fn random(seed: u64, count: usize) -> Vec<f32> {
    let mut stream = Philox::new(seed).stream([0; 3]);
    (0..count).map(|_| stream.normal()).collect()
}

fn parameter(builder: &mut StoreBuilder, name: &str, dims: [usize; 4]) -> Result<ParameterId> {
    let count = dims.iter().product();
    builder.parameter(name, dims, random(name.len() as u64, count))
}

/// A `[1]` number that depends on every element in its own way.
fn project(tape: &mut Tape, output: &Var) -> Result<Var> {
    let weights = random(99, output.shape().elements());
    let weights = Tensor::from_f32(output.value().device(), output.shape(), &weights)?;
    let product = functions::binary(tape, Binary::Multiply, output, &Var::constant(weights))?;
    functions::sum(tape, &product)
}

fn assert_gradients(
    builder: StoreBuilder,
    network: impl FnMut(&mut Tape, &ParameterStore) -> Result<Var>,
) {
    let worst = grad_check(builder, 40, network).expect("the network runs");
    assert!((0.0..TOLERANCE).contains(&worst.error), "{worst:?}");
}

fn declare_norm(builder: &mut StoreBuilder, channels: usize) -> Result<Norm> {
    Ok(Norm {
        gamma: builder.parameter("gamma", [channels], random(5, channels))?,
        beta: builder.parameter("beta", [channels], random(6, channels))?,
        statistics: builder.statistics("norm", channels)?,
        options: NormOptions::default(),
    })
}

#[test]
fn conv_norm_in_both_modes_with_residual_and_relu() -> Result<()> {
    for mode in [NormMode::Batch, NormMode::Running] {
        for relu in [false, true] {
            let mut builder = StoreBuilder::new();
            let input = parameter(&mut builder, "input", [2, 5, 4, 4])?;
            let addend = parameter(&mut builder, "residual", [2, 3, 2, 6])?;
            let weight = parameter(&mut builder, "weight", [6, 3, 3, 2])?;
            let norm = declare_norm(&mut builder, 6)?;
            let geometry = ConvGeometry::new().stride(2).padding(1).groups(2);
            let unit = ConvNorm { weight, geometry, norm };
            assert_gradients(builder, |tape, store| {
                let x = functions::parameter(tape, store, input)?;
                let residual = functions::parameter(tape, store, addend)?;
                let y = functions::conv_norm(tape, store, &unit, mode, &x, Some(&residual), relu)?;
                project(tape, &y)
            });
        }
    }
    Ok(())
}

#[test]
fn an_input_used_twice_gets_both_gradients() -> Result<()> {
    let mut builder = StoreBuilder::new();
    let input = parameter(&mut builder, "input", [1, 3, 3, 2])?;
    let weight = parameter(&mut builder, "weight", [2, 3, 3, 2])?;
    let norm = declare_norm(&mut builder, 2)?;
    let unit = ConvNorm { weight, geometry: ConvGeometry::new().padding(1), norm };
    assert_gradients(builder, |tape, store| {
        let x = functions::parameter(tape, store, input)?;
        let y = functions::conv_norm(tape, store, &unit, NormMode::Batch, &x, Some(&x), true)?;
        let z = functions::conv_norm(tape, store, &unit, NormMode::Batch, &y, Some(&x), true)?;
        project(tape, &z)
    });
    Ok(())
}

#[test]
fn head_pools_norm_dropout_linear_and_losses() -> Result<()> {
    for kind in [Loss::CrossEntropy, Loss::BinaryCrossEntropy] {
        let mut builder = StoreBuilder::new();
        let input = parameter(&mut builder, "input", [4, 2, 3, 3])?;
        let norm = declare_norm(&mut builder, 6)?;
        let weight = builder.parameter("linear", [5, 6], random(7, 30))?;
        let bias = builder.parameter("bias", [5], random(8, 5))?;
        let mask = DropoutMask { key: 3, step: 4, probability: 0.25 };
        assert_gradients(builder, |tape, store| {
            let x = functions::parameter(tape, store, input)?;
            let x = functions::global_pool(tape, GlobalPool::MaximumAverage, &x)?;
            let x = functions::batch_norm(tape, store, &norm, NormMode::Batch, &x)?;
            let x = functions::dropout(tape, mask, &x)?;
            let logits = functions::linear(tape, store, weight, bias, &x)?;
            let soft: Vec<f32> = random(9, 20).iter().map(|x| 1.0 / (1.0 + x * x)).collect();
            let soft = Tensor::from_f32(store.device(), [4, 5], &soft)?;
            let target = match kind {
                Loss::CrossEntropy => Target::classes(store.device(), &[0, 4, 2, 2], 5)?,
                Loss::BinaryCrossEntropy => Target::Probabilities(soft),
            };
            let losses = functions::loss(tape, kind, &logits, &target)?;
            functions::mean(tape, &losses)
        });
    }
    Ok(())
}

#[test]
fn max_pool_and_pointwise_functions() -> Result<()> {
    let mut builder = StoreBuilder::new();
    let input = parameter(&mut builder, "input", [1, 5, 5, 2])?;
    let row = builder.parameter("row", [2], vec![1.5, -0.7])?;
    assert_gradients(builder, |tape, store| {
        let x = functions::parameter(tape, store, input)?;
        let x = functions::max_pool(tape, 3, 2, 1, &x)?;
        let x = functions::unary(tape, Unary::Sigmoid, &x)?;
        // As the shorter side: gradients are summed over its repetitions.
        let short = functions::parameter(tape, store, row)?;
        let x = functions::binary(tape, Binary::Divide, &x, &short)?;
        let x = functions::binary(tape, Binary::Subtract, &x, &short)?;
        project(tape, &x)
    });
    Ok(())
}
