//! Means and maxima of whole pictures: `[pixels, c]` to `[c]`.

use super::first_maximum::{self, GROUP};
use super::larger;
use crate::cpu::InstructionSet;
use crate::cpu::pointwise::parts::split_rows;
use crate::cpu::vector::dispatch;
use crate::memory::WriteMode;

/// Pixels that are added up before they meet the sum.
const SUMMED_PIXELS: usize = 8;

dispatch! {
    /// The mean of each channel.
    pub(super) fn mean(picture: &[f32], output: &mut [f32]) {
        let channels = output.len();
        output.fill(0.0);
        let blocks = picture.chunks_exact(SUMMED_PIXELS * channels);
        let rest = blocks.remainder();
        for block in blocks {
            let pixels = split_rows::<SUMMED_PIXELS>(block, channels);
            for i in 0..channels {
                let mut sum = 0.0;
                for pixel in pixels {
                    sum += pixel[i];
                }
                output[i] += sum;
            }
        }
        for pixel in rest.chunks_exact(channels) {
            for i in 0..channels {
                output[i] += pixel[i];
            }
        }
        let pixels = (picture.len() / channels) as f32;
        for value in output {
            *value /= pixels;
        }
    }

    /// The maximum of each channel.
    pub(super) fn maximum(picture: &[f32], output: &mut [f32]) {
        let channels = output.len();
        output.fill(f32::NEG_INFINITY);
        for pixel in picture.chunks_exact(channels) {
            for i in 0..channels {
                output[i] = larger(output[i], pixel[i]);
            }
        }
    }

    fn spread_mean<const ACCUMULATE: bool>(gradient: &[f32], to: &mut [f32]) {
        let channels = gradient.len();
        let share = 1.0 / (to.len() / channels) as f32;
        for pixel in to.chunks_exact_mut(channels) {
            for i in 0..channels {
                let before = if ACCUMULATE { pixel[i] } else { 0.0 };
                pixel[i] = before + gradient[i] * share;
            }
        }
    }

    fn add_to_first_maxima(picture: &[f32], gradient: &[f32], to: &mut [f32]) {
        let channels = gradient.len();
        let mut best = vec![f32::NEG_INFINITY; channels];
        let mut places = vec![0; channels];
        let blocks = picture.chunks_exact(GROUP * channels);
        let rest = blocks.remainder();
        let mut first = 0;
        for block in blocks {
            first_maximum::extend(split_rows(block, channels), first, &mut best, &mut places);
            first += GROUP as u32;
        }
        if !rest.is_empty() {
            // The last pixel stands for those that are missing: it takes no place from itself.
            let last = &rest[rest.len() - channels..];
            let mut group = [last; GROUP];
            for (to, pixel) in group.iter_mut().zip(rest.chunks_exact(channels)) {
                *to = pixel;
            }
            first_maximum::extend(group, first, &mut best, &mut places);
        }
        for (channel, place) in places.iter().enumerate() {
            to[*place as usize * channels + channel] += gradient[channel];
        }
    }
}

/// The gradient of a picture from those of its maxima and its means, whichever there are.
pub(super) fn gradient(
    set: InstructionSet,
    picture: &[f32],
    maximum_gradient: Option<&[f32]>,
    mean_gradient: Option<&[f32]>,
    to: &mut [f32],
    mode: WriteMode,
) {
    match (mean_gradient, mode) {
        (Some(gradient), WriteMode::Write) => spread_mean::<false>(set, gradient, to),
        (Some(gradient), WriteMode::Accumulate) => spread_mean::<true>(set, gradient, to),
        (None, WriteMode::Write) => to.fill(0.0),
        (None, WriteMode::Accumulate) => {}
    }
    if let Some(gradient) = maximum_gradient {
        add_to_first_maxima(set, picture, gradient, to);
    }
}
