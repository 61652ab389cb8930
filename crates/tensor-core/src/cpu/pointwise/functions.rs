//! The functions on one part, compiled for every instruction set.

use crate::backend::pointwise::{Binary, Unary};
use crate::cpu::InstructionSet;
use crate::cpu::vector::dispatch;

/// `output[i] = function(input[i])`.
pub(super) fn unary(set: InstructionSet, function: Unary, input: &[f32], output: &mut [f32]) {
    match function {
        Unary::Relu => map(set, input, |x| if x < 0.0 { 0.0 } else { x }, output),
        Unary::Exp => map(set, input, f32::exp, output),
        Unary::Log => map(set, input, f32::ln, output),
        Unary::Sigmoid => map(set, input, sigmoid, output),
        Unary::Square => map(set, input, |x| x * x, output),
        Unary::Sqrt => map(set, input, f32::sqrt, output),
        Unary::Abs => map(set, input, f32::abs, output),
        Unary::Affine { scale, shift } => {
            let (scale, shift) = (scale as f32, shift as f32);
            map(set, input, |x| scale * x + shift, output);
        }
    }
}

/// `to[i] = function'(input[i]) * gradient[i]`, or that added to what is there.
pub(super) fn unary_gradient<const ACCUMULATE: bool>(
    set: InstructionSet,
    function: Unary,
    input: &[f32],
    gradient: &[f32],
    to: &mut [f32],
) {
    match function {
        Unary::Relu => {
            let slope = |x, g| if x > 0.0 { g } else { 0.0 };
            zip::<ACCUMULATE>(set, input, gradient, slope, to);
        }
        Unary::Exp => zip::<ACCUMULATE>(set, input, gradient, |x, g| x.exp() * g, to),
        Unary::Log => zip::<ACCUMULATE>(set, input, gradient, |x, g| g / x, to),
        Unary::Sigmoid => {
            let slope = |x: f32, g: f32| sigmoid(x) * sigmoid(-x) * g;
            zip::<ACCUMULATE>(set, input, gradient, slope, to);
        }
        Unary::Square => zip::<ACCUMULATE>(set, input, gradient, |x, g| 2.0 * x * g, to),
        Unary::Sqrt => zip::<ACCUMULATE>(set, input, gradient, |x, g| 0.5 / x.sqrt() * g, to),
        Unary::Abs => {
            let slope = |x, g: f32| {
                if x > 0.0 {
                    g
                } else if x < 0.0 {
                    -g
                } else {
                    0.0
                }
            };
            zip::<ACCUMULATE>(set, input, gradient, slope, to);
        }
        Unary::Affine { scale, .. } => {
            let scale = scale as f32;
            zip::<ACCUMULATE>(set, input, gradient, |_, g| scale * g, to);
        }
    }
}

/// `function(left[i], right[(first + i) % right.len()])`, written or added.
pub(super) fn binary<const ACCUMULATE: bool>(
    set: InstructionSet,
    function: Binary,
    left: &[f32],
    right: &[f32],
    first: usize,
    to: &mut [f32],
) {
    match function {
        Binary::Add => repeated::<ACCUMULATE>(set, left, right, first, |a, b| a + b, to),
        Binary::Subtract => repeated::<ACCUMULATE>(set, left, right, first, |a, b| a - b, to),
        Binary::Multiply => repeated::<ACCUMULATE>(set, left, right, first, |a, b| a * b, to),
        Binary::Divide => repeated::<ACCUMULATE>(set, left, right, first, |a, b| a / b, to),
    }
}

/// The logistic function; `e^-x` may overflow to infinity, which gives the right 0.
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

dispatch! {
    fn map(input: &[f32], function: impl Fn(f32) -> f32, output: &mut [f32]) {
        for (output, &input) in output.iter_mut().zip(input) {
            *output = function(input);
        }
    }

    fn zip<const ACCUMULATE: bool>(
        left: &[f32],
        right: &[f32],
        function: impl Fn(f32, f32) -> f32,
        to: &mut [f32],
    ) {
        zip_one_to_one::<ACCUMULATE>(left, right, &function, to);
    }

    fn repeated<const ACCUMULATE: bool>(
        left: &[f32],
        right: &[f32],
        first: usize,
        function: impl Fn(f32, f32) -> f32,
        to: &mut [f32],
    ) {
        if let [right] = *right {
            for (to, &left) in to.iter_mut().zip(left) {
                let value = function(left, right);
                *to = if ACCUMULATE { *to + value } else { value };
            }
            return;
        }
        let head = left.len().min(right.len() - first);
        let (left_head, left_rows) = left.split_at(head);
        let (to_head, to_rows) = to.split_at_mut(head);
        zip_one_to_one::<ACCUMULATE>(left_head, &right[first..], &function, to_head);
        let rows = left_rows.chunks(right.len()).zip(to_rows.chunks_mut(right.len()));
        for (left, to) in rows {
            zip_one_to_one::<ACCUMULATE>(left, right, &function, to);
        }
    }
}

#[inline(always)]
fn zip_one_to_one<const ACCUMULATE: bool>(
    left: &[f32],
    right: &[f32],
    function: &impl Fn(f32, f32) -> f32,
    to: &mut [f32],
) {
    for ((to, &left), &right) in to.iter_mut().zip(left).zip(right) {
        let value = function(left, right);
        *to = if ACCUMULATE { *to + value } else { value };
    }
}
