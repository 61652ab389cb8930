//! The steps on one part, and the numbers of a range.

use crate::backend::optimizer::{HEADER, PER_RANGE};
use crate::cpu::vector::dispatch;

/// Independent sums within a part.
const LANES: usize = 16;

/// What the numbers of a step say of one range.
#[derive(Clone, Copy)]
struct RangeFactors {
    rate: f32,
    added: f32,
    kept: f32,
}

impl RangeFactors {
    fn new(numbers: &[f32], place: usize) -> RangeFactors {
        let of_range = &numbers[HEADER + place * PER_RANGE..][..PER_RANGE];
        RangeFactors { rate: of_range[0], added: of_range[1], kept: of_range[2] }
    }
}

/// The numbers of an SGD step on one range.
#[derive(Clone, Copy)]
pub(super) struct SgdFactors {
    gradient_scale: f32,
    momentum: f32,
    range: RangeFactors,
}

impl SgdFactors {
    pub(super) fn new(numbers: &[f32], place: usize, gradient_scale: f32) -> SgdFactors {
        let range = RangeFactors::new(numbers, place);
        SgdFactors { gradient_scale, momentum: numbers[0], range }
    }
}

/// The numbers of an Adam step on one range.
#[derive(Clone, Copy)]
pub(super) struct AdamFactors {
    gradient_scale: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    root_scale: f32,
    range: RangeFactors,
}

impl AdamFactors {
    pub(super) fn new(numbers: &[f32], place: usize, gradient_scale: f32) -> AdamFactors {
        AdamFactors {
            gradient_scale,
            beta1: numbers[0],
            beta2: numbers[1],
            epsilon: numbers[2],
            root_scale: numbers[3],
            range: RangeFactors::new(numbers, place),
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
        let SgdFactors { gradient_scale, momentum, range } = factors;
        let RangeFactors { rate, added, kept } = range;
        for ((w, v), &g) in values.iter_mut().zip(velocities).zip(gradients) {
            let g = g * gradient_scale + added * *w;
            *v = momentum * *v + g;
            *w = *w * kept - rate * *v;
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
        let AdamFactors { gradient_scale, beta1, beta2, epsilon, root_scale, range } = factors;
        let RangeFactors { rate, added, kept } = range;
        let moments = means.iter_mut().zip(squares);
        for ((w, (m, s)), &g) in values.iter_mut().zip(moments).zip(gradients) {
            let g = g * gradient_scale + added * *w;
            *m = beta1 * *m + (1.0 - beta1) * g;
            *s = beta2 * *s + (1.0 - beta2) * (g * g);
            *w = *w * kept - rate * *m / (s.sqrt() * root_scale + epsilon);
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
