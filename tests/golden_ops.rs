//! Single operations against PyTorch in f64: losses, poolings, batch norm, the head, optimisers.

use autograd::functions::{self, Norm, NormMode};
use autograd::optimizer::{Adam, Decay, GroupSettings, Optimizer, Sgd, StepSettings};
use autograd::{ParameterId, ParameterStore, Result, StoreBuilder, Tape, Var};
use golden::compare::Comparison;
use golden::{Case, formula};
use tensor_core::backend::pool::GlobalPool;
use tensor_core::ops::loss::{Loss, Target};
use tensor_core::ops::norm::NormOptions;
use tensor_core::ops::pointwise::{Binary, Unary};
use tensor_core::{Device, Shape, Tensor};

mod golden;

/// A golden case and the store that its inputs are parameters of.
struct Subject {
    case: Case,
    builder: StoreBuilder,
    comparison: Comparison,
}

impl Subject {
    fn new(name: &str) -> Subject {
        let (builder, comparison) = (StoreBuilder::new(), Comparison::new(name));
        Subject { case: Case::load(name), builder, comparison }
    }

    /// Declares an input as a parameter, so that its gradient can be asked for. Rank 4 in NHWC.
    fn declare(&mut self, input: &str) -> Result<ParameterId> {
        let shape = our_shape(self.case.shape(input));
        self.builder.parameter(input, shape, self.case.unit(input))
    }

    fn declare_parameter(&mut self, name: &str) -> Result<ParameterId> {
        let shape = Shape::new(self.case.shape(name)).expect("at most four dimensions");
        self.builder.parameter(name, shape, self.case.parameter(name))
    }

    fn declare_norm(&mut self, name: &str) -> Result<Norm> {
        let gamma = self.declare_parameter(&format!("{name}.weight"))?;
        let beta = self.declare_parameter(&format!("{name}.bias"))?;
        let channels = self.case.shape(&format!("{name}.weight"))[0];
        let statistics = self.builder.statistics(name, channels)?;
        let (epsilon, momentum) = (self.case.argument("epsilon"), self.case.argument("momentum"));
        Ok(Norm { gamma, beta, statistics, options: NormOptions { epsilon, momentum } })
    }

    fn build(&mut self) -> Result<ParameterStore> {
        let mut store = std::mem::take(&mut self.builder).build(&Device::cpu()?)?;
        let names: Vec<String> =
            store.statistics().iter().map(|entry| entry.name.clone()).collect();
        for (id, name) in store.statistics_ids().zip(names) {
            let mean = self.case.parameter(&format!("{name}.running_mean"));
            let var = self.case.parameter(&format!("{name}.running_var"));
            store.set_running(id, &mean, &var)?;
        }
        Ok(store)
    }

    fn compare(&mut self, result: &str, tensor: &Tensor) -> Result<()> {
        self.comparison.ours(result, self.case.tensor(result), &tensor.to_f32()?);
        Ok(())
    }

    fn compare_gradient(
        &mut self,
        result: &str,
        store: &ParameterStore,
        id: ParameterId,
    ) -> Result<()> {
        let gradient = store.gradient(id)?.expect("the loss depends on it");
        self.compare(result, &gradient)
    }

    fn compare_statistics(&mut self, store: &ParameterStore) -> Result<()> {
        for (id, entry) in store.statistics_ids().zip(store.statistics()) {
            let running = store.running(id)?;
            self.compare(&format!("{}.running_mean", entry.name), &running.mean)?;
            self.compare(&format!("{}.running_var", entry.name), &running.var)?;
        }
        Ok(())
    }
}

fn our_shape(shape: &[usize]) -> Shape {
    match *shape {
        [n, c, h, w] => Shape::from([n, h, w, c]),
        ref other => Shape::new(other).expect("at most four dimensions"),
    }
}

/// The inner product of a result with a golden upstream gradient.
fn against(tape: &mut Tape, output: &Var, upstream: Vec<f32>) -> Result<Var> {
    let upstream = Tensor::from_f32(output.value().device(), output.shape(), &upstream)?;
    let product = functions::binary(tape, Binary::Multiply, output, &Var::constant(upstream))?;
    functions::sum(tape, &product)
}

#[test]
fn losses_of_class_soft_and_several_labels_with_and_without_weights() -> Result<()> {
    for name in ["nll_classes", "nll_soft", "bce"] {
        for suffix in ["", "_weighted"] {
            compare_loss(&format!("{name}{suffix}"), name, !suffix.is_empty())?;
        }
    }
    Ok(())
}

fn compare_loss(name: &str, kind: &str, weighted: bool) -> Result<()> {
    let mut subject = Subject::new(name);
    let logits = subject.declare("logits")?;
    let mut store = subject.build()?;
    let (n, classes) = (subject.case.shape("logits")[0], subject.case.shape("logits")[1]);
    let (device, key) = (store.device().clone(), subject.case.named("targets"));
    let soft = |values: Vec<f32>| Tensor::from_f32(&device, [n, classes], &values);
    let (loss, target) = match kind {
        "nll_classes" => {
            let labels = formula::classes(&key, n, classes);
            let labels: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
            (Loss::CrossEntropy, Target::classes(&device, &labels, classes)?)
        }
        "nll_soft" => {
            let target = Target::Probabilities(soft(formula::mixed(&key, n, classes))?);
            (Loss::CrossEntropy, target)
        }
        _ => {
            let target = Target::Probabilities(soft(formula::bits(&key, n * classes))?);
            (Loss::BinaryCrossEntropy, target)
        }
    };
    let mut tape = Tape::new();
    let input = functions::parameter(&mut tape, &store, logits)?;
    let mut values = functions::loss(&mut tape, loss, &input, &target)?;
    if weighted {
        let weights = formula::weights(&subject.case.named("weights"), n);
        let weights = Var::constant(Tensor::from_f32(&device, [n], &weights)?);
        values = functions::binary(&mut tape, Binary::Multiply, &values, &weights)?;
    }
    let mean = functions::mean(&mut tape, &values)?;
    tape.backward(&mean, &mut store)?;
    subject.compare("values", values.value())?;
    let expected = subject.case.number("loss");
    subject.comparison.number("loss", expected, f64::from(mean.value().item()?));
    subject.compare_gradient("gradient", &store, logits)?;
    subject.comparison.finish();
    Ok(())
}

#[test]
fn poolings() -> Result<()> {
    let names: Vec<String> = Case::load_all().into_iter().map(|case| case.name).collect();
    for name in names.iter().filter(|name| name.contains("_pool")) {
        let mut subject = Subject::new(name);
        let id = subject.declare("input")?;
        let mut store = subject.build()?;
        let mut tape = Tape::new();
        let input = functions::parameter(&mut tape, &store, id)?;
        let output = match name.as_str() {
            "global_average_pool" => {
                functions::global_pool(&mut tape, GlobalPool::Average, &input)?
            }
            "global_max_pool" => functions::global_pool(&mut tape, GlobalPool::Maximum, &input)?,
            _ => {
                let number = |argument| subject.case.argument(argument) as usize;
                let (kernel, stride) = (number("kernel"), number("stride"));
                functions::max_pool(&mut tape, kernel, stride, number("padding"), &input)?
            }
        };
        let loss = against(&mut tape, &output, subject.case.unit("upstream"))?;
        tape.backward(&loss, &mut store)?;
        subject.compare("output", output.value())?;
        subject.compare_gradient("gradient", &store, id)?;
        subject.comparison.finish();
    }
    Ok(())
}

#[test]
fn batch_norm_in_both_statistics_modes() -> Result<()> {
    for name in ["batch_norm_batch", "batch_norm_running", "batch_norm_batch_rank_2"] {
        let mode = if name.contains("running") { NormMode::Running } else { NormMode::Batch };
        let mut subject = Subject::new(name);
        let id = subject.declare("input")?;
        let norm = subject.declare_norm("norm")?;
        let mut store = subject.build()?;
        let mut tape = Tape::new();
        let input = functions::parameter(&mut tape, &store, id)?;
        let output = functions::batch_norm(&mut tape, &store, &norm, mode, &input)?;
        let loss = against(&mut tape, &output, subject.case.unit("upstream"))?;
        tape.backward(&loss, &mut store)?;
        subject.compare("output", output.value())?;
        subject.compare_gradient("gradient", &store, id)?;
        subject.compare_gradient("gradient norm.weight", &store, norm.gamma)?;
        subject.compare_gradient("gradient norm.bias", &store, norm.beta)?;
        drop((input, output, loss));
        Sgd::new(0.0).step(&mut store, &StepSettings::rates(&[0.0]))?;
        subject.compare_statistics(&store)?;
        subject.comparison.finish();
    }
    Ok(())
}

#[test]
fn the_head_without_dropout() -> Result<()> {
    let mut subject = Subject::new("head");
    let id = subject.declare("input")?;
    let norms = [subject.declare_norm("norm1")?, subject.declare_norm("norm2")?];
    let names = ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"];
    let mut linear = Vec::new();
    for name in names {
        linear.push(subject.declare_parameter(name)?);
    }
    let mut store = subject.build()?;
    let mut tape = Tape::new();
    let x = functions::parameter(&mut tape, &store, id)?;
    let x = functions::global_pool(&mut tape, GlobalPool::MaximumAverage, &x)?;
    let x = functions::batch_norm(&mut tape, &store, &norms[0], NormMode::Batch, &x)?;
    let x = functions::linear(&mut tape, &store, linear[0], linear[1], &x)?;
    let x = functions::unary(&mut tape, Unary::Relu, &x)?;
    let x = functions::batch_norm(&mut tape, &store, &norms[1], NormMode::Batch, &x)?;
    let logits = functions::linear(&mut tape, &store, linear[2], linear[3], &x)?;
    let (n, classes) = (subject.case.shape("input")[0], subject.case.argument("classes") as usize);
    let labels = formula::classes(&subject.case.named("targets"), n, classes);
    let labels: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
    let target = Target::classes(store.device(), &labels, classes)?;
    let losses = functions::loss(&mut tape, Loss::CrossEntropy, &logits, &target)?;
    let loss = functions::mean(&mut tape, &losses)?;
    tape.backward(&loss, &mut store)?;
    subject.compare("logits", logits.value())?;
    subject.comparison.number("loss", subject.case.number("loss"), f64::from(loss.value().item()?));
    subject.compare_gradient("gradient", &store, id)?;
    for (name, id) in names.into_iter().zip(linear) {
        subject.compare_gradient(&format!("gradient {name}"), &store, id)?;
    }
    drop((x, logits, losses, loss));
    Sgd::new(0.0).step(&mut store, &StepSettings::rates(&[0.0]))?;
    subject.compare_statistics(&store)?;
    subject.comparison.finish();
    Ok(())
}

#[test]
fn optimisers_with_momentum_and_both_kinds_of_decay() -> Result<()> {
    for name in ["sgd", "sgd_momentum", "sgd_momentum_decay", "adam", "adam_decay", "adamw_decay"] {
        let mut subject = Subject::new(name);
        let id = subject.declare("parameter")?;
        let mut store = subject.build()?;
        let argument = |name| subject.case.argument(name) as f32;
        let mut optimizer: Box<dyn Optimizer> = if name.starts_with("sgd") {
            Box::new(Sgd::new(argument("momentum")))
        } else {
            let adam = Adam::new().betas(argument("beta1"), argument("beta2"));
            Box::new(adam.epsilon(argument("epsilon")))
        };
        let group = GroupSettings {
            rate: argument("learning_rate"),
            weight_decay: argument("weight_decay"),
        };
        let decay = if name.starts_with("adamw") { Decay::Decoupled } else { Decay::L2 };
        let settings = StepSettings { groups: vec![group], momentum: None, decay, clip_norm: None };
        let length = subject.case.shape("parameter")[0];
        for step in 0..subject.case.argument("steps") as usize {
            let gradient = formula::unit(&subject.case.named(&format!("gradient/{step}")), length);
            let mut tape = Tape::new();
            let parameter = functions::parameter(&mut tape, &store, id)?;
            let loss = against(&mut tape, &parameter, gradient)?;
            tape.backward(&loss, &mut store)?;
            drop((parameter, loss));
            optimizer.step(&mut store, &settings)?;
        }
        subject.compare("parameter", &store.value(id)?)?;
        subject.comparison.finish();
    }
    Ok(())
}
