//! The two backward parts of batch normalisation.

use crate::backend::norm::{NormBackward, NormShape};
use crate::cpu::Cpu;
use crate::cpu::pointwise::parts::part_rows;
use crate::cpu::vector::dispatch;
use crate::memory::{Destination, WriteMode};

/// Elements whose gradient behind the ReLU is kept while both destinations take it: few enough to
/// stay in the nearest cache.
const BLOCK: usize = 2048;

/// Writes `[parts, 2, channels]` sums of g and of `g * (x - mean)`.
pub(super) fn reduce(cpu: &Cpu, shape: &NormShape, backward: &NormBackward, partials: &mut [f32]) {
    let (channels, set) = (shape.channels, cpu.instruction_set);
    let part = shape.part_rows() * channels;
    let gradients = backward.output_gradient.host::<f32>().chunks(part);
    let inputs = backward.input.host::<f32>().chunks(part);
    let gate = Gate::new(backward);
    let mean = backward.mean.host::<f32>();
    let parts = gradients.zip(inputs).zip(partials.chunks_exact_mut(2 * channels)).enumerate();
    cpu.for_each_part(shape.len(), parts, |(index, ((gradient, input), sums))| match gate {
        Gate::Open => reduce_part::<false>(set, gradient, gradient, input, mean, sums),
        Gate::Output(output) => {
            let output = &output[index * part..][..input.len()];
            reduce_part::<true>(set, gradient, output, input, mean, sums);
        }
        Gate::Factors { scale, shift } => {
            reduce_part_gated(set, gradient, input, scale, shift, mean, sums);
        }
    });
}

/// Where the gradient goes through the ReLU.
#[derive(Clone, Copy)]
enum Gate<'a> {
    /// Everywhere: there is none.
    Open,
    /// Where the output is positive.
    Output(&'a [f32]),
    /// Where `input * scale + shift` is positive, computed as the forward pass did.
    Factors { scale: &'a [f32], shift: &'a [f32] },
}

impl<'a> Gate<'a> {
    fn new(backward: &NormBackward<'a>) -> Gate<'a> {
        match (backward.relu_factors, backward.relu_output) {
            (Some([scale, shift]), _) => Gate::Factors { scale: scale.host(), shift: shift.host() },
            (None, Some(output)) => Gate::Output(output.host()),
            (None, None) => Gate::Open,
        }
    }
}

/// Joins the parts' sums in order: `[2, channels]` sums of g and of `g * xhat`.
pub(super) fn join(shape: &NormShape, partials: &[f32], inv_std: &[f32], sums: &mut [f32]) {
    let channels = shape.channels;
    let mut totals = vec![0.0; 2 * channels];
    for part in partials[..2 * channels * shape.parts()].chunks_exact(2 * channels) {
        for (total, &sum) in totals.iter_mut().zip(part) {
            *total += f64::from(sum);
        }
    }
    for channel in 0..channels {
        let scaled = totals[channels + channel] * f64::from(inv_std[channel]);
        sums[channel] = totals[channel] as f32;
        sums[channels + channel] = scaled as f32;
    }
}

/// A channel's input gradient is `direct * g + slope * (x - mean) + constant`.
pub(super) struct Factors {
    direct: Vec<f32>,
    batch: Option<BatchFactors>,
}

/// What comes back through the batch's own mean and variance.
struct BatchFactors {
    slope: Vec<f32>,
    constant: Vec<f32>,
}

impl Factors {
    /// The factors of all channels; `sums` if the statistics were the batch's.
    pub(super) fn new(
        shape: &NormShape,
        backward: &NormBackward,
        gamma: &[f32],
        sums: Option<&[f32]>,
    ) -> Factors {
        let inv_std = backward.inv_std.host::<f32>();
        let direct = |channel: usize| f64::from(gamma[channel]) * f64::from(inv_std[channel]);
        let all = |factor: &dyn Fn(usize) -> f64| {
            (0..shape.channels).map(|channel| factor(channel) as f32).collect()
        };
        let batch = sums.map(|sums| {
            let share = |sum: usize| f64::from(sums[sum]) / shape.rows as f64;
            BatchFactors {
                slope: all(&|channel| {
                    let through = share(shape.channels + channel) * f64::from(inv_std[channel]);
                    -direct(channel) * through
                }),
                constant: all(&|channel| -direct(channel) * share(channel)),
            }
        });
        Factors { direct: all(&direct), batch }
    }
}

/// Writes the input's gradient and the addend's in one pass.
pub(super) fn apply(
    cpu: &Cpu,
    shape: &NormShape,
    backward: &NormBackward,
    factors: &Factors,
    input_gradient: Option<Destination>,
    addend_gradient: Option<Destination>,
) {
    let part = part_rows(shape.channels) * shape.channels;
    let mut input_parts = DestinationParts::new(input_gradient, part);
    let mut addend_parts = DestinationParts::new(addend_gradient, part);
    let parts = (0..shape.len()).step_by(part).map(|start| Part {
        start,
        len: part.min(shape.len() - start),
        input_gradient: input_parts.next(),
        addend_gradient: addend_parts.next(),
    });
    cpu.for_each_part(shape.len(), parts, |part| part.compute(cpu, backward, factors));
}

/// A destination cut into parts.
struct DestinationParts<'a>(Option<(std::slice::ChunksMut<'a, f32>, WriteMode)>);

impl<'a> DestinationParts<'a> {
    fn new(destination: Option<Destination<'a>>, part: usize) -> DestinationParts<'a> {
        DestinationParts(destination.map(|to| (to.slice.host::<f32>().chunks_mut(part), to.mode)))
    }

    fn next(&mut self) -> Option<(&'a mut [f32], WriteMode)> {
        let (parts, mode) = self.0.as_mut()?;
        parts.next().map(|part| (part, *mode))
    }
}

/// Some whole rows of both destinations.
struct Part<'a> {
    start: usize,
    len: usize,
    input_gradient: Option<(&'a mut [f32], WriteMode)>,
    addend_gradient: Option<(&'a mut [f32], WriteMode)>,
}

impl Part<'_> {
    fn compute(self, cpu: &Cpu, backward: &NormBackward, factors: &Factors) {
        let set = cpu.instruction_set;
        let channels = factors.direct.len();
        let mean = backward.mean.host::<f32>();
        let gate = Gate::new(backward);
        let (mut input_gradient, mut addend_gradient) = (self.input_gradient, self.addend_gradient);
        let block = (BLOCK / channels).max(1) * channels;
        let mut gated = vec![0.0; if matches!(gate, Gate::Open) { 0 } else { block.min(self.len) }];
        for start in (0..self.len).step_by(block) {
            let len = block.min(self.len - start);
            let all = self.start + start..self.start + start + len;
            let mut gradient = &backward.output_gradient.host::<f32>()[all.clone()];
            let input = || &backward.input.host::<f32>()[all.clone()];
            match gate {
                Gate::Open => {}
                Gate::Output(output) => {
                    close(set, gradient, &output[all.clone()], &mut gated[..len]);
                    gradient = &gated[..len];
                }
                Gate::Factors { scale, shift } => {
                    close_by_factors(set, gradient, input(), scale, shift, &mut gated[..len]);
                    gradient = &gated[..len];
                }
            }
            if let Some((to, mode)) = &mut addend_gradient {
                let to = &mut to[start..start + len];
                match mode {
                    WriteMode::Write => to.copy_from_slice(gradient),
                    WriteMode::Accumulate => add(set, gradient, to),
                }
            }
            if let Some((to, mode)) = &mut input_gradient {
                let to = &mut to[start..start + len];
                let direct = &factors.direct;
                match (&factors.batch, mode) {
                    (None, WriteMode::Write) => direct_rows::<false>(set, gradient, direct, to),
                    (None, WriteMode::Accumulate) => direct_rows::<true>(set, gradient, direct, to),
                    (Some(BatchFactors { slope, constant }), mode) => {
                        let rows = match mode {
                            WriteMode::Write => batch_rows::<false>,
                            WriteMode::Accumulate => batch_rows::<true>,
                        };
                        rows(set, gradient, input(), mean, direct, slope, constant, to);
                    }
                }
            }
        }
    }
}

dispatch! {
    /// Sums of g and of `g * (x - mean)` over the rows of a part; `output` is only read with `RELU`.
    fn reduce_part<const RELU: bool>(
        gradient: &[f32],
        output: &[f32],
        input: &[f32],
        mean: &[f32],
        sums: &mut [f32],
    ) {
        // One row after the other, and the sums through the nearest cache: memory is read faster in
        // one run than by several rows at once.
        let channels = mean.len();
        sums.fill(0.0);
        let (sum, product) = sums.split_at_mut(channels);
        let product = &mut product[..channels];
        let rows = gradient.chunks_exact(channels).zip(output.chunks_exact(channels));
        for ((gradient, output), x) in rows.zip(input.chunks_exact(channels)) {
            for i in 0..channels {
                let g = if !RELU || output[i] > 0.0 { gradient[i] } else { 0.0 };
                sum[i] += g;
                product[i] += g * (x[i] - mean[i]);
            }
        }
    }

    /// [`reduce_part`] behind a ReLU of `input * scale + shift`.
    fn reduce_part_gated(
        gradient: &[f32],
        input: &[f32],
        scale: &[f32],
        shift: &[f32],
        mean: &[f32],
        sums: &mut [f32],
    ) {
        let channels = mean.len();
        let (scale, shift) = (&scale[..channels], &shift[..channels]);
        sums.fill(0.0);
        let (sum, product) = sums.split_at_mut(channels);
        let product = &mut product[..channels];
        for (gradient, x) in gradient.chunks_exact(channels).zip(input.chunks_exact(channels)) {
            for i in 0..channels {
                let g = if x[i] * scale[i] + shift[i] > 0.0 { gradient[i] } else { 0.0 };
                sum[i] += g;
                product[i] += g * (x[i] - mean[i]);
            }
        }
    }

    fn close(gradient: &[f32], output: &[f32], gated: &mut [f32]) {
        for ((to, &gradient), &output) in gated.iter_mut().zip(gradient).zip(output) {
            *to = if output > 0.0 { gradient } else { 0.0 };
        }
    }

    fn close_by_factors(
        gradient: &[f32],
        input: &[f32],
        scale: &[f32],
        shift: &[f32],
        gated: &mut [f32],
    ) {
        let channels = scale.len();
        let shift = &shift[..channels];
        let rows = gradient.chunks_exact(channels).zip(input.chunks_exact(channels));
        for ((g, x), to) in rows.zip(gated.chunks_exact_mut(channels)) {
            for i in 0..channels {
                to[i] = if x[i] * scale[i] + shift[i] > 0.0 { g[i] } else { 0.0 };
            }
        }
    }

    fn add(from: &[f32], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to += from;
        }
    }

    fn direct_rows<const ACCUMULATE: bool>(gradient: &[f32], direct: &[f32], to: &mut [f32]) {
        let channels = direct.len();
        for (g, to) in gradient.chunks_exact(channels).zip(to.chunks_exact_mut(channels)) {
            for i in 0..channels {
                let value = direct[i] * g[i];
                to[i] = if ACCUMULATE { to[i] + value } else { value };
            }
        }
    }

    fn batch_rows<const ACCUMULATE: bool>(
        gradient: &[f32],
        input: &[f32],
        mean: &[f32],
        direct: &[f32],
        slope: &[f32],
        constant: &[f32],
        to: &mut [f32],
    ) {
        let channels = mean.len();
        let (direct, slope) = (&direct[..channels], &slope[..channels]);
        let constant = &constant[..channels];
        let rows = gradient.chunks_exact(channels).zip(input.chunks_exact(channels));
        for ((g, x), to) in rows.zip(to.chunks_exact_mut(channels)) {
            for i in 0..channels {
                let value = direct[i] * g[i] + slope[i] * (x[i] - mean[i]) + constant[i];
                to[i] = if ACCUMULATE { to[i] + value } else { value };
            }
        }
    }
}

#[cfg(test)]
mod tests;
