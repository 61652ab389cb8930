//! Joins the parts' statistics and makes the factors, in f64: one number a channel and part.

use crate::backend::norm::{NormFactors, NormShape, NormStatistics};

/// Channels that are joined together, so that the partial statistics are read in long runs.
const LANES: usize = 32;

/// Count, mean and M2 of some channels.
struct Moments {
    count: [f64; LANES],
    mean: [f64; LANES],
    m2: [f64; LANES],
}

/// See [`NormKernels::norm_finalise`](crate::backend::NormKernels::norm_finalise).
pub(super) fn finalise(
    shape: &NormShape,
    statistics: NormStatistics,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f64,
    factors: NormFactors,
) {
    let mut factors = HostFactors {
        mean: factors.mean.host(),
        inv_std: factors.inv_std.host(),
        scale: factors.scale.host(),
        shift: factors.shift.host(),
    };
    match statistics {
        NormStatistics::Running { mean, var } => {
            let (mean, var) = (mean.host::<f32>(), var.host::<f32>());
            for channel in 0..shape.channels {
                let moments = (f64::from(mean[channel]), f64::from(var[channel]));
                factors.set(channel, moments, epsilon, gamma, beta);
            }
        }
        NormStatistics::Batch {
            partials,
            running_mean,
            running_var,
            new_mean,
            new_var,
            momentum,
        } => {
            let partials = partials.host::<f32>();
            let (running_mean, running_var) =
                (running_mean.host::<f32>(), running_var.host::<f32>());
            let (new_mean, new_var) = (new_mean.host::<f32>(), new_var.host::<f32>());
            let kept =
                |old: f32, new: f64| ((1.0 - momentum) * f64::from(old) + momentum * new) as f32;
            for first in (0..shape.channels).step_by(LANES) {
                let lanes = LANES.min(shape.channels - first);
                let moments = join(partials, shape.channels, first, lanes);
                for lane in 0..lanes {
                    let channel = first + lane;
                    let (count, mean) = (moments.count[lane], moments.mean[lane]);
                    let biased = moments.m2[lane] / count;
                    factors.set(channel, (mean, biased), epsilon, gamma, beta);
                    // A single sample has no unbiased variance; its M2 of 0 stands for it.
                    let unbiased = moments.m2[lane] / (count - 1.0).max(1.0);
                    new_mean[channel] = kept(running_mean[channel], mean);
                    new_var[channel] = kept(running_var[channel], unbiased);
                }
            }
        }
    }
}

/// Joins all parts of the channels `first .. first + lanes`, in order.
fn join(partials: &[f32], channels: usize, first: usize, lanes: usize) -> Moments {
    let mut joined = Moments { count: [0.0; LANES], mean: [0.0; LANES], m2: [0.0; LANES] };
    for part in partials.chunks_exact(3 * channels) {
        let counts = &part[first..][..lanes];
        let means = &part[channels + first..][..lanes];
        let m2s = &part[2 * channels + first..][..lanes];
        for lane in 0..lanes {
            let (before, count) = (joined.count[lane], f64::from(counts[lane]));
            let weight = count / (before + count);
            let distance = f64::from(means[lane]) - joined.mean[lane];
            joined.count[lane] = before + count;
            joined.mean[lane] += distance * weight;
            joined.m2[lane] += f64::from(m2s[lane]) + distance * distance * before * weight;
        }
    }
    joined
}

/// The four results as plain slices.
struct HostFactors<'a> {
    mean: &'a mut [f32],
    inv_std: &'a mut [f32],
    scale: &'a mut [f32],
    shift: &'a mut [f32],
}

impl HostFactors<'_> {
    /// Sets one channel's factors from its mean and variance.
    fn set(
        &mut self,
        channel: usize,
        (mean, variance): (f64, f64),
        epsilon: f64,
        gamma: &[f32],
        beta: &[f32],
    ) {
        let inv_std = 1.0 / (variance + epsilon).sqrt();
        let scale = f64::from(gamma[channel]) * inv_std;
        self.mean[channel] = mean as f32;
        self.inv_std[channel] = inv_std as f32;
        self.scale[channel] = scale as f32;
        self.shift[channel] = (f64::from(beta[channel]) - mean * scale) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::NormKernels;
    use crate::cpu::pointwise::testing::{assert_close, normal, on_all_sets, read, write};

    #[test]
    fn batch_statistics_become_factors_and_running_values() {
        for (rows, channels) in [(1, 5), (83, 3), (85, 40), (9000, 33), (2 * 1008 * 64 + 5, 2)] {
            let shape = NormShape { rows, channels };
            let input: Vec<f32> = normal(shape.len(), 1).iter().map(|x| 2.0 * x + 1000.0).collect();
            let (gamma, beta) = (normal(channels, 2), normal(channels, 3));
            let (old_mean, old_var) = (normal(channels, 4), normal(channels, 5));
            let compute = |cpu: &crate::cpu::Cpu| {
                let mut partials = vec![f32::NAN; shape.partials_len()];
                let mut results = vec![f32::NAN; 6 * channels];
                let mut columns = results.chunks_exact_mut(channels);
                let mut next = || write(columns.next().expect("six results"));
                cpu.norm_statistics(&shape, read(&input), write(&mut partials)).unwrap();
                let statistics = NormStatistics::Batch {
                    partials: read(&partials),
                    running_mean: read(&old_mean),
                    running_var: read(&old_var),
                    new_mean: next(),
                    new_var: next(),
                    momentum: 0.1,
                };
                let factors =
                    NormFactors { mean: next(), inv_std: next(), scale: next(), shift: next() };
                cpu.norm_finalise(&shape, statistics, read(&gamma), read(&beta), 1e-5, factors)
                    .unwrap();
                results
            };
            let mut expected = vec![Vec::new(); 6];
            for channel in 0..channels {
                let column = || input[channel..].iter().step_by(channels).map(|&x| f64::from(x));
                let mean = column().sum::<f64>() / rows as f64;
                let m2 = column().map(|x| (x - mean).powi(2)).sum::<f64>();
                let inv_std = 1.0 / (m2 / rows as f64 + 1e-5).sqrt();
                let scale = f64::from(gamma[channel]) * inv_std;
                expected[0].push(0.9 * f64::from(old_mean[channel]) + 0.1 * mean);
                let unbiased = m2 / (rows.max(2) - 1) as f64;
                expected[1].push(0.9 * f64::from(old_var[channel]) + 0.1 * unbiased);
                expected[2].push(mean);
                expected[3].push(inv_std);
                expected[4].push(scale);
                expected[5].push(f64::from(beta[channel]) - mean * scale);
            }
            let expected = expected.concat();
            on_all_sets(compute, |set, found| {
                assert_close(found, &expected, 3e-6, &format!("{set} {shape:?}"));
            });
        }
    }

    #[test]
    fn running_statistics_are_used_as_they_are() {
        let shape = NormShape { rows: 10, channels: 2 };
        let mut results = vec![f32::NAN; 8];
        let mut columns = results.chunks_exact_mut(2);
        let mut next = || write(columns.next().expect("four results"));
        let factors = NormFactors { mean: next(), inv_std: next(), scale: next(), shift: next() };
        let (mean, var) = ([1.0f32, -2.0], [4.0f32, 0.25]);
        let statistics = NormStatistics::Running { mean: read(&mean), var: read(&var) };
        finalise(&shape, statistics, &[3.0, 1.0], &[0.5, 1.0], 0.0, factors);
        assert_eq!(results, [1.0, -2.0, 0.5, 2.0, 1.5, 2.0, -1.0, 5.0]);
    }
}
