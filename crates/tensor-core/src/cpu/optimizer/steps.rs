//! The steps on one part, and the factors of a segment, which are made in f64.

use crate::backend::optimizer::{AdamStep, Decay, Segment, SgdStep};
use crate::cpu::vector::dispatch;

/// Independent sums within a part.
const LANES: usize = 16;

/// How weight decay enters a step: into the gradient, or as what is kept of the weight.
#[derive(Clone, Copy)]
struct DecayFactors {
    added: f32,
    kept: f32,
}

impl DecayFactors {
    fn new(decay: Decay, segment: &Segment) -> DecayFactors {
        match decay {
            Decay::L2 => DecayFactors { added: segment.weight_decay, kept: 1.0 },
            Decay::Decoupled => {
                let lost = f64::from(segment.rate) * f64::from(segment.weight_decay);
                DecayFactors { added: 0.0, kept: (1.0 - lost) as f32 }
            }
        }
    }
}

/// The numbers of an SGD step on one segment.
#[derive(Clone, Copy)]
pub(super) struct SgdFactors {
    gradient_scale: f32,
    momentum: f32,
    rate: f32,
    decay: DecayFactors,
}

impl SgdFactors {
    pub(super) fn new(step: &SgdStep, segment: &Segment) -> SgdFactors {
        SgdFactors {
            gradient_scale: step.gradient_scale,
            momentum: step.momentum,
            rate: segment.rate,
            decay: DecayFactors::new(step.decay, segment),
        }
    }
}

/// The numbers of an Adam step on one segment.
#[derive(Clone, Copy)]
pub(super) struct AdamFactors {
    gradient_scale: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    /// `rate / (1 - beta1^step)`.
    rate: f32,
    /// `1 / sqrt(1 - beta2^step)`.
    root_scale: f32,
    decay: DecayFactors,
}

impl AdamFactors {
    pub(super) fn new(step: &AdamStep, segment: &Segment) -> AdamFactors {
        let steps = i32::try_from(step.step).unwrap_or(i32::MAX);
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(steps);
        AdamFactors {
            gradient_scale: step.gradient_scale,
            beta1: step.beta1,
            beta2: step.beta2,
            epsilon: step.epsilon,
            rate: (f64::from(segment.rate) / correction(step.beta1)) as f32,
            root_scale: (1.0 / correction(step.beta2).sqrt()) as f32,
            decay: DecayFactors::new(step.decay, segment),
        }
    }
}

dispatch! {
    /// `v = momentum v + g; w -= rate v`.
    pub(super) fn sgd(
        factors: SgdFactors,
        gradients: &[f32],
        values: &mut [f32],
        velocities: &mut [f32],
    ) {
        let SgdFactors { gradient_scale, momentum, rate, decay } = factors;
        for ((w, v), &g) in values.iter_mut().zip(velocities).zip(gradients) {
            let g = g * gradient_scale + decay.added * *w;
            *v = momentum * *v + g;
            *w = *w * decay.kept - rate * *v;
        }
    }

    /// `m = beta1 m + (1 - beta1) g; s = beta2 s + (1 - beta2) g^2;`
    /// `w -= rate' m / (sqrt(s) root_scale + epsilon)`.
    pub(super) fn adam(
        factors: AdamFactors,
        gradients: &[f32],
        values: &mut [f32],
        means: &mut [f32],
        squares: &mut [f32],
    ) {
        let AdamFactors { gradient_scale, beta1, beta2, epsilon, rate, root_scale, decay } = factors;
        let moments = means.iter_mut().zip(squares);
        for ((w, (m, s)), &g) in values.iter_mut().zip(moments).zip(gradients) {
            let g = g * gradient_scale + decay.added * *w;
            *m = beta1 * *m + (1.0 - beta1) * g;
            *s = beta2 * *s + (1.0 - beta2) * (g * g);
            *w = *w * decay.kept - rate * *m / (s.sqrt() * root_scale + epsilon);
        }
    }

    /// The sum of squares of a part, in f64.
    pub(super) fn sum_of_squares(part: &[f32]) -> f64 {
        let mut lanes = [0.0f64; LANES];
        let rows = part.chunks_exact(LANES);
        for (lane, &value) in lanes.iter_mut().zip(rows.remainder()) {
            *lane = f64::from(value) * f64::from(value);
        }
        for row in rows {
            for lane in 0..LANES {
                let value = f64::from(row[lane]);
                lanes[lane] += value * value;
            }
        }
        lanes.iter().sum()
    }
}
