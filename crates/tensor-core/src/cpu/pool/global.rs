//! Means and maxima of whole pictures: `[pixels, c]` to `[c]`.

use super::larger;
use super::window::give;
use crate::cpu::InstructionSet;
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
            let pixels: [&[f32]; SUMMED_PIXELS] =
                std::array::from_fn(|pixel| &block[pixel * channels..][..channels]);
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

    fn spread_mean(gradient: &[f32], accumulate: bool, to: &mut [f32]) {
        let channels = gradient.len();
        let share = 1.0 / (to.len() / channels) as f32;
        for pixel in to.chunks_exact_mut(channels) {
            for i in 0..channels {
                let before = if accumulate { pixel[i] } else { 0.0 };
                pixel[i] = before + gradient[i] * share;
            }
        }
    }

    fn give_to_maxima(picture: &[f32], maxima: &[f32], remaining: &mut [f32], to: &mut [f32]) {
        let channels = maxima.len();
        for (picture, to) in picture.chunks_exact(channels).zip(to.chunks_exact_mut(channels)) {
            give(picture, maxima, remaining, to);
        }
    }
}

/// The gradient of a picture from those of its maxima and its means, whichever there are.
pub(super) fn gradient(
    set: InstructionSet,
    picture: &[f32],
    channels: usize,
    maximum_gradient: Option<&[f32]>,
    mean_gradient: Option<&[f32]>,
    to: &mut [f32],
    mode: WriteMode,
) {
    match mean_gradient {
        Some(gradient) => spread_mean(set, gradient, mode == WriteMode::Accumulate, to),
        None if mode == WriteMode::Write => to.fill(0.0),
        None => {}
    }
    if let Some(gradient) = maximum_gradient {
        let mut maxima = vec![0.0; channels];
        maximum(set, picture, &mut maxima);
        give_to_maxima(set, picture, &maxima, &mut gradient.to_vec(), to);
    }
}
