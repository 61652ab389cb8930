//! The antialiased presize: area averages, as fastai's resize of the shortest side.
//!
//! Pictures are only ever shrunk here. Enlarging is left to the one sampling that every picture
//! goes through anyway, so that a narrow strip does not grow to gigabytes in memory.

use fast_image_resize::images::Image;
use fast_image_resize::{Filter, FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::Picture;

/// Shrinks each side that is longer than asked for; a side already short enough stays as it is.
///
/// Each new pixel is the average of the area it covers, pixels at the rim counted by their share.
pub fn shrink(picture: Picture, height: usize, width: usize) -> Picture {
    // One axis after the other, because each has a filter of its own.
    let columns = shrink_axis(&picture, picture.height, width.min(picture.width));
    let picture = columns.unwrap_or(picture);
    let rows = shrink_axis(&picture, height.min(picture.height), picture.width);
    rows.unwrap_or(picture)
}

/// `None` if nothing changes.
fn shrink_axis(picture: &Picture, height: usize, width: usize) -> Option<Picture> {
    let scale = if width == picture.width {
        picture.height as f64 / height as f64
    } else {
        picture.width as f64 / width as f64
    };
    if scale <= 1.0 {
        return None;
    }
    let source = fast_image_resize::images::ImageRef::new(
        u32::try_from(picture.width).ok()?,
        u32::try_from(picture.height).ok()?,
        &picture.pixels,
        PixelType::U8x3,
    )
    .ok()?;
    let mut target = Image::new(width as u32, height as u32, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(area_filter(scale)));
    Resizer::new().resize(&source, &mut target, &options).ok()?;
    Some(Picture { height, width, pixels: target.into_vec() })
}

/// Steps into which the share of a rim pixel is divided.
const STEPS: usize = 32;

/// A new pixel's window, `scale` old pixels wide, overlaps an old pixel at distance `d` by
/// `scale / 2 + 1 / 2 - d`, at most 1: a trapezoid whose ramps are one old pixel wide. The library
/// measures in new pixels, where a ramp is `1 / scale` wide, and takes plain functions only; so
/// there is one for each of a few ramps.
fn area_filter(scale: f64) -> FilterType {
    let ramp = ((STEPS as f64 / scale).round() as usize).clamp(1, STEPS);
    let support = 0.5 + 0.5 * ramp as f64 / STEPS as f64;
    match Filter::new("area", TRAPEZOIDS[ramp - 1], support) {
        Ok(filter) => FilterType::Custom(filter),
        Err(_) => FilterType::Bilinear,
    }
}

fn trapezoid<const RAMP: usize>(distance: f64) -> f64 {
    let ramp = RAMP as f64 / STEPS as f64;
    ((0.5 + 0.5 * ramp - distance.abs()) / ramp).clamp(0.0, 1.0)
}

macro_rules! trapezoids {
    ($($ramp:literal)*) => { [$(trapezoid::<$ramp>),*] };
}

const TRAPEZOIDS: [fn(f64) -> f64; STEPS] = trapezoids!(
    1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights every old pixel by its overlap with the new one, in f64.
    fn area_reference(picture: &Picture, height: usize, width: usize) -> Vec<f64> {
        let overlap = |new: usize, old: usize, scale: f64| {
            let (low, high) = (new as f64 * scale, (new + 1) as f64 * scale);
            (high.min((old + 1) as f64) - low.max(old as f64)).max(0.0) / scale
        };
        let (down, across) =
            (picture.height as f64 / height as f64, picture.width as f64 / width as f64);
        let mut out = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let mut sum = [0.0; 3];
                for row in 0..picture.height {
                    for column in 0..picture.width {
                        let weight = overlap(y, row, down) * overlap(x, column, across);
                        let pixel = picture.pixel(row, column);
                        (0..3).for_each(|c| sum[c] += weight * f64::from(pixel[c]));
                    }
                }
                out.extend(sum);
            }
        }
        out
    }

    fn noise(height: usize, width: usize) -> Picture {
        let random = tensor_core::random::Philox::new(3);
        let pixels =
            (0..height * width * 3).map(|i| random.block([i as u32, 0, 0, 0])[0] as u8).collect();
        Picture { height, width, pixels }
    }

    #[test]
    fn shrinking_averages_areas() {
        for (from, to) in
            [((40, 50), (20, 25)), ((37, 53), (30, 41)), ((64, 9), (5, 9)), ((70, 70), (3, 64))]
        {
            let picture = noise(from.0, from.1);
            let want = area_reference(&picture, to.0, to.1);
            let got = shrink(picture, to.0, to.1);
            assert_eq!((got.height, got.width), to);
            let worst = want
                .iter()
                .zip(&got.pixels)
                .map(|(a, b)| (a - f64::from(*b)).abs())
                .fold(0.0, f64::max);
            // Ramps come in 32 steps, and each pass rounds to a grey level.
            assert!(worst <= 3.0, "{from:?} to {to:?}: {worst}");
        }
    }

    #[test]
    fn nothing_is_enlarged() {
        let picture = noise(5, 9);
        assert_eq!(shrink(picture.clone(), 10, 9), picture);
        let got = shrink(picture, 10, 3);
        assert_eq!((got.height, got.width), (5, 3));
    }
}
