//! The golden files' types, and the comparison of our results with them. README.md beside this file says what they hold.
//!
//! A test crate takes this with `mod golden;`. Shapes and element orders here are PyTorch's (NCHW and KCRS);
//! [`channels_last`] and [`channels_first`] lead to our NHWC and KRSC and back.

// Each test crate uses a part.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub mod compare;
pub mod formula;

/// A tensor in a few numbers.
#[derive(Debug, Clone, Deserialize)]
pub struct Digest {
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// Euclidean norm.
    pub norm: f64,
    /// Inner products with the formula's `projection/0` to `projection/3`.
    pub projections: [f64; 4],
    /// Elements at the indices `hashed(key("samples"), j) % len`.
    pub samples: [f64; 8],
    /// The largest relative distance of PyTorch's own f32 results.
    pub f32_distance: f64,
}

/// A single number.
#[derive(Debug, Clone, Deserialize)]
pub struct Number {
    /// In f64.
    pub value: f64,
    /// The largest relative distance of PyTorch's own f32 results.
    pub f32_distance: f64,
}

/// Tensors by name.
pub type Digests = BTreeMap<String, Digest>;

/// A network's file.
#[derive(Debug, Deserialize)]
pub struct Network {
    /// The name in torchvision, which is the file's.
    pub network: String,
    /// Outputs of `fc`.
    pub classes: usize,
    /// Pictures a batch.
    pub batch: usize,
    /// Side of the pictures.
    pub size: usize,
    /// The formula's batch for each step of [`Network::sgd`]; the first is the one of everything else.
    pub batches: Vec<usize>,
    /// `[batch, classes]` with running statistics.
    pub eval_logits: Digest,
    /// `[batch, classes]` with batch statistics.
    pub train_logits: Digest,
    /// Mean cross entropy of the training logits.
    pub loss: Number,
    /// Of the loss, by parameter.
    pub gradients: Digests,
    /// Running means and variances after that one training forward.
    pub statistics: Digests,
    /// Ten steps from the start.
    pub sgd: Sgd,
}

/// Ten steps of SGD from the formula's parameters, a batch each.
#[derive(Debug, Deserialize)]
pub struct Sgd {
    /// The same at each step.
    pub learning_rate: f64,
    /// Without dampening or Nesterov's change.
    pub momentum: f64,
    /// Before each step.
    pub losses: Vec<Number>,
    /// After the last step.
    pub parameters: Digests,
    /// Last minus first: small beside the parameters, so compare with [`compare::MOVEMENT_TOLERANCE`].
    pub movements: Digests,
    /// Running means and variances after the last step.
    pub statistics: Digests,
}

impl Network {
    /// Reads the file of `name`: `resnet18`, `resnet34`, `resnet50` or `resnext50_32x4d`.
    pub fn load(name: &str) -> Network {
        load(name)
    }

    /// The pictures of step `step` in NHWC; step 0 is the one that logits, gradients and statistics come from.
    pub fn images(&self, step: usize) -> Vec<f32> {
        let shape = [self.batch, 3, self.size, self.size];
        channels_last(
            &formula::unit(&format!("input/{}", self.batches[step]), shape.iter().product()),
            &shape,
        )
    }

    /// The classes of step `step`.
    pub fn labels(&self, step: usize) -> Vec<i32> {
        formula::classes(&format!("labels/{}", self.batches[step]), self.batch, self.classes)
    }

    /// PyTorch's shape of a parameter or running statistic.
    pub fn shape(&self, name: &str) -> &[usize] {
        match self.gradients.get(name).or_else(|| self.statistics.get(name)) {
            Some(digest) => &digest.shape,
            None => panic!("{} has no parameter or running statistic {name}", self.network),
        }
    }

    /// What `name` starts from, in our order: convolution weights in KRSC, all else as in PyTorch.
    pub fn parameter(&self, name: &str) -> Vec<f32> {
        let shape = self.shape(name);
        in_our_order(&formula::parameter(name, shape), shape)
    }
}

/// One case of `ops.json`.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// The prefix of its tensors' names in the formula.
    pub name: String,
    /// PyTorch's shapes of what goes in.
    pub inputs: BTreeMap<String, Vec<usize>>,
    /// Kernel sizes, rates and the like.
    pub arguments: BTreeMap<String, f64>,
    /// Results of one element.
    pub numbers: BTreeMap<String, Number>,
    /// Results.
    pub tensors: Digests,
}

impl Case {
    /// All cases of `ops.json`.
    pub fn load_all() -> Vec<Case> {
        #[derive(Deserialize)]
        struct Cases {
            cases: Vec<Case>,
        }
        load::<Cases>("ops").cases
    }

    /// The case of this name.
    pub fn load(name: &str) -> Case {
        let found = Case::load_all().into_iter().find(|case| case.name == name);
        found.unwrap_or_else(|| panic!("ops.json has no case {name}"))
    }

    /// PyTorch's shape of an input.
    pub fn shape(&self, input: &str) -> &[usize] {
        self.inputs
            .get(input)
            .unwrap_or_else(|| panic!("the case {} has no input {input}", self.name))
    }

    /// An input of mean 0 and variance 1, in our order (rank 4: NHWC).
    pub fn unit(&self, input: &str) -> Vec<f32> {
        let shape = self.shape(input);
        in_our_order(&formula::unit(&self.named(input), shape.iter().product()), shape)
    }

    /// A parameter or running statistic.
    pub fn parameter(&self, input: &str) -> Vec<f32> {
        formula::parameter(&self.named(input), self.shape(input))
    }

    /// The name of a tensor in the formula.
    pub fn named(&self, tensor: &str) -> String {
        format!("{}/{tensor}", self.name)
    }

    /// An argument.
    pub fn argument(&self, name: &str) -> f64 {
        *self
            .arguments
            .get(name)
            .unwrap_or_else(|| panic!("the case {} has no argument {name}", self.name))
    }

    /// A result.
    pub fn tensor(&self, name: &str) -> &Digest {
        self.tensors
            .get(name)
            .unwrap_or_else(|| panic!("the case {} has no result {name}", self.name))
    }

    /// A result of one element.
    pub fn number(&self, name: &str) -> &Number {
        self.numbers
            .get(name)
            .unwrap_or_else(|| panic!("the case {} has no number {name}", self.name))
    }
}

/// NCHW to NHWC, and KCRS to KRSC: the second of the four dimensions of `shape` goes to the end.
pub fn channels_last(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let [n, c, h, w] = rank_4(shape);
    let positions =
        (0..n * h * w * c).map(|at| (at / (h * w * c), at / (w * c) % h, at / c % w, at % c));
    positions.map(|(n, y, x, channel)| values[((n * c + channel) * h + y) * w + x]).collect()
}

/// NHWC to NCHW, and KRSC to KCRS; `shape` is PyTorch's.
pub fn channels_first(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let [n, c, h, w] = rank_4(shape);
    let positions =
        (0..n * c * h * w).map(|at| (at / (c * h * w), at / (h * w) % c, at / w % h, at % w));
    positions.map(|(n, channel, y, x)| values[((n * h + y) * w + x) * c + channel]).collect()
}

/// Rank 4 to channels last; all else stays.
pub fn in_our_order(values: &[f32], shape: &[usize]) -> Vec<f32> {
    if shape.len() == 4 { channels_last(values, shape) } else { values.to_vec() }
}

/// Rank 4 from channels last; all else stays.
pub fn in_pytorch_order(values: &[f32], shape: &[usize]) -> Vec<f32> {
    if shape.len() == 4 { channels_first(values, shape) } else { values.to_vec() }
}

fn rank_4(shape: &[usize]) -> [usize; 4] {
    shape.try_into().unwrap_or_else(|_| panic!("the shape {shape:?} has not four dimensions"))
}

/// Where the golden file `name` lies.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"))
}

fn load<T: DeserializeOwned>(name: &str) -> T {
    let path = path(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; cargo xtask golden makes it", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
