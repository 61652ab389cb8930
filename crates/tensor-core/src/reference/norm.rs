//! Batch normalisation: two passes for the statistics, then the formulas as they stand.

use super::{Reference, store};
use crate::Result;
use crate::backend::norm::{NormBackward, NormFactors, NormKernels, NormShape, NormStatistics};
use crate::memory::{Destination, Slice, SliceMut};

impl NormKernels for Reference {
    fn norm_statistics(&self, shape: &NormShape, input: Slice, partials: SliceMut) -> Result<()> {
        let (input, partials) = (input.host::<f64>(), partials.host::<f64>());
        let channels = shape.channels;
        for part in 0..shape.parts() {
            let first = part * shape.part_rows();
            let last = (first + shape.part_rows()).min(shape.rows);
            let count = (last - first) as f64;
            for c in 0..channels {
                let column = || (first..last).map(|row| input[row * channels + c]);
                let mean = column().sum::<f64>() / count;
                let m2 = column().map(|x| (x - mean).powi(2)).sum();
                partials[(part * 3) * channels + c] = count;
                partials[(part * 3 + 1) * channels + c] = mean;
                partials[(part * 3 + 2) * channels + c] = m2;
            }
        }
        Ok(())
    }

    fn norm_finalise(
        &self,
        shape: &NormShape,
        statistics: NormStatistics,
        gamma: Slice,
        beta: Slice,
        epsilon: f64,
        factors: NormFactors,
    ) -> Result<()> {
        let (means, variances) = match statistics {
            NormStatistics::Running { mean, var } => {
                (mean.host::<f64>().to_vec(), var.host::<f64>().to_vec())
            }
            NormStatistics::Batch {
                partials,
                running_mean,
                running_var,
                new_mean,
                new_var,
                momentum,
            } => {
                let rows = shape.rows as f64;
                let (means, m2) = join_parts(shape.channels, partials.host());
                let blend = |old: f64, new: f64| (1.0 - momentum) * old + momentum * new;
                let (running_mean, running_var) = (running_mean.host(), running_var.host());
                let (new_mean, new_var) = (new_mean.host::<f64>(), new_var.host::<f64>());
                for c in 0..shape.channels {
                    new_mean[c] = blend(running_mean[c], means[c]);
                    // One row has no unbiased variance; its M2 is 0, and so is the result.
                    new_var[c] = blend(running_var[c], m2[c] / (rows - 1.0).max(1.0));
                }
                (means, m2.into_iter().map(|m2| m2 / rows).collect())
            }
        };
        let (gamma, beta) = (gamma.host::<f64>(), beta.host::<f64>());
        let (mean, inv_std) = (factors.mean.host::<f64>(), factors.inv_std.host::<f64>());
        let (scale, shift) = (factors.scale.host::<f64>(), factors.shift.host::<f64>());
        for c in 0..shape.channels {
            mean[c] = means[c];
            inv_std[c] = 1.0 / (variances[c] + epsilon).sqrt();
            scale[c] = gamma[c] * inv_std[c];
            shift[c] = beta[c] - mean[c] * scale[c];
        }
        Ok(())
    }

    fn norm_apply(
        &self,
        shape: &NormShape,
        input: Slice,
        scale: Slice,
        shift: Slice,
        addend: Option<Slice>,
        relu: bool,
        output: SliceMut,
    ) -> Result<()> {
        let (input, scale, shift) = (input.host::<f64>(), scale.host::<f64>(), shift.host::<f64>());
        let addend = addend.map(Slice::host::<f64>);
        let output = output.host::<f64>();
        for i in 0..shape.len() {
            let c = i % shape.channels;
            let sum = input[i] * scale[c] + shift[c] + addend.map_or(0.0, |addend| addend[i]);
            output[i] = if relu && sum < 0.0 { 0.0 } else { sum };
        }
        Ok(())
    }

    fn norm_backward_reduce(
        &self,
        shape: &NormShape,
        backward: NormBackward,
        _workspace: SliceMut,
        sums: SliceMut,
    ) -> Result<()> {
        let gradient = through_relu(shape, &backward);
        let normalised = normalised(shape, &backward);
        let (sum_g, sum_g_xhat) = sums.host::<f64>().split_at_mut(shape.channels);
        sum_g.fill(0.0);
        sum_g_xhat.fill(0.0);
        for i in 0..shape.len() {
            let c = i % shape.channels;
            sum_g[c] += gradient[i];
            sum_g_xhat[c] += gradient[i] * normalised[i];
        }
        Ok(())
    }

    fn norm_backward_apply(
        &self,
        shape: &NormShape,
        backward: NormBackward,
        gamma: Slice,
        sums: Option<Slice>,
        input_gradient: Option<Destination>,
        addend_gradient: Option<Destination>,
    ) -> Result<()> {
        let gradient = through_relu(shape, &backward);
        if let Some(addend_gradient) = addend_gradient {
            store(addend_gradient, &gradient);
        }
        let Some(input_gradient) = input_gradient else {
            return Ok(());
        };
        let normalised = normalised(shape, &backward);
        let (gamma, inv_std) = (gamma.host::<f64>(), backward.inv_std.host::<f64>());
        let sums = sums.map(|sums| sums.host::<f64>().split_at(shape.channels));
        let rows = shape.rows as f64;
        let mut result = vec![0.0; shape.len()];
        for i in 0..shape.len() {
            let c = i % shape.channels;
            let from_statistics = sums.map_or(0.0, |(sum_g, sum_g_xhat)| {
                sum_g[c] / rows + normalised[i] * sum_g_xhat[c] / rows
            });
            result[i] = gamma[c] * inv_std[c] * (gradient[i] - from_statistics);
        }
        store(input_gradient, &result);
        Ok(())
    }
}

/// Mean and M2 of all rows from those of the parts. Source: Chan, Golub and LeVeque 1979.
fn join_parts(channels: usize, partials: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let parts = partials.len() / (3 * channels);
    let (mut means, mut m2) = (vec![0.0; channels], vec![0.0; channels]);
    for c in 0..channels {
        let mut count = 0.0;
        for part in 0..parts {
            let part_count = partials[(part * 3) * channels + c];
            let distance = partials[(part * 3 + 1) * channels + c] - means[c];
            let total = count + part_count;
            means[c] += distance * part_count / total;
            m2[c] += partials[(part * 3 + 2) * channels + c]
                + distance * distance * count * part_count / total;
            count = total;
        }
    }
    (means, m2)
}

/// The output's gradient, zero where the output's ReLU was not active.
fn through_relu(shape: &NormShape, backward: &NormBackward) -> Vec<f64> {
    let gradient = backward.output_gradient.host::<f64>();
    let output = backward.relu_output.map(Slice::host::<f64>);
    let active = |i: usize| output.is_none_or(|output| output[i] > 0.0);
    (0..shape.len()).map(|i| if active(i) { gradient[i] } else { 0.0 }).collect()
}

/// `(x - mean) * inv_std`.
fn normalised(shape: &NormShape, backward: &NormBackward) -> Vec<f64> {
    let input = backward.input.host::<f64>();
    let (mean, inv_std) = (backward.mean.host::<f64>(), backward.inv_std.host::<f64>());
    let channel = |i: usize| i % shape.channels;
    (0..shape.len()).map(|i| (input[i] - mean[channel(i)]) * inv_std[channel(i)]).collect()
}
