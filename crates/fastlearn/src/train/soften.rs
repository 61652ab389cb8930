//! Softer targets for training batches: label smoothing and mixup.
//!
//! Both make class indexes into probabilities. What of a batch is mixed depends on seed, epoch and batch
//! alone; a batch that is later taken in parts is mixed as a whole first.

use tensor_core::Tensor;
use tensor_core::memory::Destination;
use tensor_core::ops::pointwise::{Unary, unary, unary_gradient_into};
use tensor_core::random::{Philox, RandomStream};

use super::target::TargetValues;
use crate::data::Labels;
use crate::input::{Batches, Input, SoftTarget};
use crate::transforms::Purpose;
use crate::{Error, Result};

/// What is done to the targets, and with mixup to the pictures, of every training batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Softening {
    /// The part of each target that is spread over all classes: 0 for none.
    pub smoothing: f32,
    /// Both parameters of the beta distribution that mixup draws from: 0 for none.
    pub mixup: f32,
}

/// Which batches they are: what is drawn for one hangs on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchKey {
    pub seed: u64,
    /// Epochs begun since the learner was made.
    pub epoch: usize,
    /// Batch of the epoch.
    pub batch: usize,
}

impl BatchKey {
    fn stream(&self) -> RandomStream {
        let family = Philox::new(self.seed).derive(Purpose::Mixup as u64);
        family.stream([self.batch as u32, self.epoch as u32, 0])
    }
}

/// How a batch is mixed: `lambda` of each picture and the rest of the one `partner` places further on. The
/// order of an epoch is drawn already, so a turn of the batch gives random partners.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mix {
    lambda: f64,
    partner: usize,
}

impl Softening {
    /// True if targets stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Softening::default()
    }

    /// The batches, softened as they come; the first of them is `key.batch`.
    pub fn apply<'a>(self, inputs: Batches<'a>, key: BatchKey, classes: usize) -> Batches<'a> {
        if self.is_none() {
            return inputs;
        }
        Box::new(inputs.enumerate().map(move |(number, input)| {
            self.soften(input?, BatchKey { batch: key.batch + number, ..key }, classes)
        }))
    }

    fn soften(&self, input: Input, key: BatchKey, classes: usize) -> Result<Input> {
        let mut values = self.smoothed(&input.labels, classes)?;
        let Some(mix) = self.draw(input.len(), key) else {
            return Ok(Input { soft: Some(SoftTarget { values, classes }), ..input });
        };
        values = mix_rows(&values, classes, mix);
        let tensor = mix_pictures(&input.tensor, mix)?;
        Ok(Input { tensor, soft: Some(SoftTarget { values, classes }), ..input })
    }

    /// `[n, classes]` probabilities, a part of each spread over all.
    fn smoothed(&self, labels: &Labels, classes: usize) -> Result<Vec<f32>> {
        let (spread, mut values) = match TargetValues::new(labels, classes)? {
            TargetValues::Classes(indexes) => {
                let mut values = vec![0.0; indexes.len() * classes];
                for (row, &class) in indexes.iter().enumerate() {
                    values[row * classes + class as usize] = 1.0;
                }
                (1.0 / classes as f32, values)
            }
            // Each class is a question of its own, with two answers.
            TargetValues::Probabilities { values, .. } => (0.5, values),
        };
        let smooth = |value: &mut f32| *value += self.smoothing * (spread - *value);
        values.iter_mut().for_each(smooth);
        Ok(values)
    }

    /// `None` if there is nothing to mix.
    fn draw(&self, pictures: usize, key: BatchKey) -> Option<Mix> {
        if self.mixup == 0.0 || pictures < 2 {
            return None;
        }
        let mut random = key.stream();
        let drawn = beta(&mut random, f64::from(self.mixup));
        // Which of two is called the first is the same: the larger part is, so that a target's largest
        // class is the picture's own.
        let lambda = drawn.max(1.0 - drawn);
        Some(Mix { lambda, partner: 1 + random.below(pictures - 1) })
    }
}

/// Checks the part that is spread.
pub(crate) fn check_smoothing(smoothing: f32) -> Result<f32> {
    match (0.0..1.0).contains(&smoothing) {
        true => Ok(smoothing),
        false => {
            Err(Error::setting("label smoothing", smoothing, "it must be 0 or above, below 1"))
        }
    }
}

/// Checks the parameter of the beta distribution.
pub(crate) fn check_mixup(alpha: f32) -> Result<f32> {
    match alpha.is_finite() && alpha >= 0.0 {
        true => Ok(alpha),
        false => Err(Error::setting("mixup", alpha, "it must be 0 or above; 0.4 is usual")),
    }
}

/// Rows mixed each with its partner.
fn mix_rows(values: &[f32], columns: usize, mix: Mix) -> Vec<f32> {
    let partners = values.iter().cycle().skip(mix.partner * columns);
    let (own, other) = (mix.lambda as f32, (1.0 - mix.lambda) as f32);
    values.iter().zip(partners).map(|(value, partner)| own * value + other * partner).collect()
}

/// Pictures mixed each with its partner: one pass over the batch, and one over the partners, which are
/// two ranges of it.
fn mix_pictures(pictures: &Tensor, mix: Mix) -> Result<Tensor> {
    let part = |scale| Unary::Affine { scale, shift: 0.0 };
    let count = pictures.shape().dims()[0];
    let mut mixed = unary(part(mix.lambda), pictures)?;
    let row = pictures.shape().elements() / count;
    let behind = count - mix.partner;
    for (target, source) in [(0..behind, mix.partner..count), (behind..count, 0..mix.partner)] {
        let partners = pictures.rows(source)?;
        let places = mixed.as_slice_mut().range(target.start * row..target.end * row);
        // The gradient of a product with a number is that product, and can be added in place.
        let add = Destination::accumulate(places);
        unary_gradient_into(part(1.0 - mix.lambda), &partners, &partners, add)?;
    }
    Ok(mixed)
}

/// A number between 0 and 1 from the beta distribution with both parameters `alpha`.
fn beta(random: &mut RandomStream, alpha: f64) -> f64 {
    let (one, other) = (gamma(random, alpha), gamma(random, alpha));
    // Both vanish for the smallest parameters only, where the number is 0 or 1.
    if one + other > 0.0 { one / (one + other) } else { 1.0 }
}

/// A number from the gamma distribution (Marsaglia and Tsang, *A simple method for generating gamma
/// variables*, 2000).
fn gamma(random: &mut RandomStream, shape: f64) -> f64 {
    let boost = if shape < 1.0 { positive(random).powf(1.0 / shape) } else { 1.0 };
    let d = shape + if shape < 1.0 { 1.0 } else { 0.0 } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let normal = f64::from(random.normal());
        let v = (1.0 + c * normal).powi(3);
        if v > 0.0 && positive(random).ln() < 0.5 * normal * normal + d * (1.0 - v + v.ln()) {
            return boost * d * v;
        }
    }
}

/// A number above 0 and up to 1.
fn positive(random: &mut RandomStream) -> f64 {
    1.0 - f64::from(random.unit())
}

#[cfg(test)]
#[path = "soften_tests.rs"]
mod tests;
