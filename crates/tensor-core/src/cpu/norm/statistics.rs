//! Count, mean and M2 of a part of the rows. Joining the parts is `finalise`'s.

use crate::cpu::pointwise::parts::split_rows;
use crate::cpu::vector::dispatch;

/// Rows whose own mean and M2 are taken at once, in registers.
const BLOCK: usize = 8;

dispatch! {
    /// Writes the statistics of `rows` (`[any, channels]`, at least one row) to `partial`:
    /// `[3, channels]` of count, mean and M2 (the sum of squared distances from that mean).
    ///
    /// Sums are taken of distances from the first row and squares of distances from a block's own
    /// mean, so data far from zero loses no digits.
    pub(in crate::cpu) fn part_statistics(rows: &[f32], channels: usize, partial: &mut [f32]) {
        let (count, moments) = partial.split_at_mut(channels);
        let (mean, m2) = moments.split_at_mut(channels);
        mean.fill(0.0);
        m2.fill(0.0);
        let origin = &rows[..channels];
        let mut seen = 0.0;
        let blocks = rows.chunks_exact(BLOCK * channels);
        let rest = blocks.remainder();
        for block in blocks {
            join_block::<BLOCK>(block, origin, seen, mean, m2);
            seen += BLOCK as f32;
        }
        for row in rest.chunks_exact(channels) {
            join_block::<1>(row, origin, seen, mean, m2);
            seen += 1.0;
        }
        count.fill(seen);
        for (mean, origin) in mean.iter_mut().zip(origin) {
            *mean += origin;
        }
    }
}

/// Joins `ROWS` rows to the mean (a distance from `origin`) and M2 of the `seen` rows before them.
#[inline(always)]
fn join_block<const ROWS: usize>(
    block: &[f32],
    origin: &[f32],
    seen: f32,
    mean: &mut [f32],
    m2: &mut [f32],
) {
    let channels = origin.len();
    let rows = split_rows::<ROWS>(block, channels);
    let (mean, m2) = (&mut mean[..channels], &mut m2[..channels]);
    let weight = ROWS as f32 / (seen + ROWS as f32);
    for channel in 0..channels {
        let mut distance = [0.0; ROWS];
        for row in 0..ROWS {
            distance[row] = rows[row][channel] - origin[channel];
        }
        let block_mean = pairwise_sum(distance) * (1.0 / ROWS as f32);
        for row in 0..ROWS {
            let deviation = distance[row] - block_mean;
            distance[row] = deviation * deviation;
        }
        let shift = block_mean - mean[channel];
        mean[channel] += shift * weight;
        m2[channel] += pairwise_sum(distance) + shift * shift * (seen * weight);
    }
}

/// Sums a power of two of values as a tree.
#[inline(always)]
fn pairwise_sum<const N: usize>(mut values: [f32; N]) -> f32 {
    let mut width = N / 2;
    while width > 0 {
        for i in 0..width {
            values[i] += values[i + width];
        }
        width /= 2;
    }
    values[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::InstructionSet;
    use crate::random::Philox;

    fn check(rows: usize, channels: usize, offset: f32) {
        let mut stream = Philox::new(3).stream([rows as u32, channels as u32, 0]);
        let data: Vec<f32> = (0..rows * channels).map(|_| offset + stream.normal()).collect();
        for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
            let mut partial = vec![f32::NAN; 3 * channels];
            part_statistics(set, &data, channels, &mut partial);
            for channel in 0..channels {
                let column = || data[channel..].iter().step_by(channels).map(|&x| f64::from(x));
                let mean = column().sum::<f64>() / rows as f64;
                let m2 = column().map(|x| (x - mean).powi(2)).sum::<f64>();
                let found = |which: usize| f64::from(partial[which * channels + channel]);
                assert_eq!(found(0), rows as f64);
                // One rounding of the mean itself, and those of distances of a few from the first row.
                let mean_bound = f64::from(f32::EPSILON) * (mean.abs() + 8.0);
                assert!((found(1) - mean).abs() <= mean_bound, "{set} {} {mean}", found(1));
                assert!((found(2) - m2).abs() <= 2e-6 * (m2 + 1.0), "{set} {} {m2}", found(2));
            }
        }
    }

    #[test]
    fn statistics_are_right_for_any_rows_and_channels() {
        for (rows, channels) in [(1, 1), (7, 3), (8, 16), (84, 17), (100, 64), (1008, 67)] {
            check(rows, channels, 0.0);
        }
    }

    #[test]
    fn statistics_of_data_far_from_zero_lose_no_digits() {
        check(1008, 33, 1000.0);
        check(85, 16, -30_000.0);
    }

    #[test]
    fn a_constant_channel_has_no_variance() {
        let mut partial = vec![f32::NAN; 3 * 5];
        part_statistics(InstructionSet::best(), &[1234.567; 5 * 19], 5, &mut partial);
        assert_eq!(partial[5..10], [1234.567; 5]);
        assert_eq!(partial[10..], [0.0; 5]);
    }
}
