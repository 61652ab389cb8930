//! What the lesson's result is held against: no network, and no pre-training.

use autograd::optimizer::{Adam, Optimizer, StepSettings};
use autograd::{StoreBuilder, Tape, Var, functions};
use fastlearn::data::Split;
use fastlearn::schedule::Cycles;
use fastlearn::{Device, ImageData, Learner};
use tensor_core::Tensor;
use tensor_core::ops::loss::{Loss, Target};

use super::options::Options;
use super::{Result, Score, Stopwatch, backbone, careful_rate};

const LINEAR_RATE: f32 = 1e-3;

/// A linear classifier on pixels, trained on all pictures at once: the best validation accuracy that
/// it reaches after any of its steps, which flatters it.
pub fn linear_on_pixels(data: &ImageData, steps: usize, device: &Device) -> Result<Score> {
    let watch = Stopwatch::start();
    let (train, valid) = (pixels(data.train(), device)?, pixels(data.valid(), device)?);
    let (columns, classes) = (train.shape().channels(), data.classes().len());
    let mut builder = StoreBuilder::new();
    let weight = builder.parameter("weight", [classes, columns], vec![0.0; classes * columns])?;
    let bias = builder.parameter("bias", [classes], vec![0.0; classes])?;
    let (mut store, mut optimizer) = (builder.build(device)?, Adam::new());
    let labels = |split: &Split| -> Vec<usize> {
        split.labels().one().unwrap_or_default().iter().map(|&label| label as usize).collect()
    };
    let target = Target::classes(device, &labels(data.train()), classes)?;
    let truth = labels(data.valid());
    let mut best = 0.0f64;
    for _ in 0..steps {
        let (mut tape, input) = (Tape::new(), Var::constant(train.clone()));
        let logits = functions::linear(&mut tape, &store, weight, bias, &input)?;
        let losses = functions::loss(&mut tape, Loss::CrossEntropy, &logits, &target)?;
        let loss = functions::mean(&mut tape, &losses)?;
        tape.backward(&loss, &mut store)?;
        optimizer.step(&mut store, &StepSettings::rates(&[LINEAR_RATE]))?;
        let input = Var::constant(valid.clone());
        let logits = functions::linear(&mut Tape::silent(), &store, weight, bias, &input)?;
        best = best.max(accuracy(&logits.value().to_f32()?, &truth, classes));
    }
    Ok(Score { name: "a linear classifier on pixels", accuracy: best, seconds: watch.seconds() })
}

/// The pictures as rows of `[pictures, height * width * 3]` values in -1..1.
fn pixels(split: &Split, device: &Device) -> Result<Tensor> {
    let mut values = Vec::new();
    for index in 0..split.len() {
        let picture = split.open(index)?;
        values.extend(picture.pixels.iter().map(|&byte| f32::from(byte) / 127.5 - 1.0));
    }
    let columns = values.len() / split.len().max(1);
    Ok(Tensor::from_f32(device, [split.len(), columns], &values)?)
}

fn accuracy(logits: &[f32], labels: &[usize], classes: usize) -> f64 {
    let rows = logits.chunks_exact(classes).zip(labels);
    let hits = rows.filter(|(row, label)| row.iter().all(|&logit| logit <= row[**label]));
    hits.count() as f64 / labels.len() as f64
}

/// The lesson's recipe from random weights: its own finder, the same cycles, at least the same time.
/// There is nothing to freeze, so every layer trains from the first epoch to the last.
pub fn from_random_weights(data: &ImageData, options: &Options, device: &Device) -> Result<Score> {
    let watch = Stopwatch::start();
    let mut learner = Learner::builder(backbone::architecture(), data.clone())
        .random_weights()
        .device(device)
        .seed(options.seed)
        .build()?;
    let rate = careful_rate(&learner.lr_find()?);
    learner.fit(rate, options.amount.precomputed_epochs)?;
    learner.fit(rate, Cycles::new(3).length(1))?;
    learner.fit(rate, Cycles::new(3).multiplier(2))?;
    Score::new("the same recipe from random weights", &learner.tta(4)?, &watch)
}
