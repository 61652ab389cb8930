//! Sampling, colour and normalisation of pictures, pixel by pixel.

use super::Reference;
use crate::Result;
use crate::backend::augment::{AugmentKernels, AugmentPicture, AugmentShape, Border};
use crate::memory::{Slice, SliceMut};

impl AugmentKernels for Reference {
    fn augment(
        &self,
        shape: &AugmentShape,
        pictures: &[AugmentPicture],
        bytes: Slice,
        output: SliceMut,
    ) -> Result<()> {
        let (bytes, output) = (bytes.host::<u8>(), output.host::<f64>());
        for (n, picture) in pictures.iter().enumerate() {
            for y in 0..shape.height {
                for x in 0..shape.width {
                    let colour = coloured(picture, sample(picture, bytes, x, y));
                    let first = ((n * shape.height + y) * shape.width + x) * 3;
                    for c in 0..3 {
                        let (mean, std) = (f64::from(shape.mean[c]), f64::from(shape.std[c]));
                        output[first + c] = (colour[c].clamp(0.0, 1.0) - mean) / std;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Red, green and blue in 0..1 at the place of output pixel `(x, y)`, between its four neighbours.
fn sample(picture: &AugmentPicture, bytes: &[u8], x: usize, y: usize) -> [f64; 3] {
    let [xx, xy, x0, yx, yy, y0] = picture.geometry.map(f64::from);
    let (x, y) = (x as f64 + 0.5, y as f64 + 0.5);
    // Pixel (0, 0) has its centre at (0.5, 0.5).
    let (across, down) = (xx * x + xy * y + x0 - 0.5, yx * x + yy * y + y0 - 0.5);
    let (left, top) = (across.floor(), down.floor());
    let (right_share, bottom_share) = (across - left, down - top);
    let (left, top) = (left as i64, top as i64);
    let mut colour = [0.0; 3];
    for (row, row_share) in [(top, 1.0 - bottom_share), (top + 1, bottom_share)] {
        for (column, column_share) in [(left, 1.0 - right_share), (left + 1, right_share)] {
            let pixel = pixel(picture, bytes, row, column);
            for c in 0..3 {
                colour[c] += row_share * column_share * pixel[c];
            }
        }
    }
    colour
}

/// A pixel inside the picture or beyond its edge.
fn pixel(picture: &AugmentPicture, bytes: &[u8], row: i64, column: i64) -> [f64; 3] {
    let row = inside(picture.border, row, picture.height as i64);
    let column = inside(picture.border, column, picture.width as i64);
    let (Some(row), Some(column)) = (row, column) else {
        return [0.0; 3];
    };
    let first = picture.offset + (row * picture.width + column) * 3;
    [0, 1, 2].map(|c| f64::from(bytes[first + c]) / 255.0)
}

/// The place inside that stands for place `at` of a row of `length`; `None`: it is black.
fn inside(border: Border, at: i64, length: i64) -> Option<usize> {
    let at = match border {
        Border::Zero => Some(at).filter(|at| (0..length).contains(at)),
        Border::Edge => Some(at.clamp(0, length - 1)),
        Border::Reflect => {
            let at = at.rem_euclid(2 * length);
            Some(if at < length { at } else { 2 * length - 1 - at })
        }
    };
    at.map(|at| at as usize)
}

/// The colour matrix, before clipping.
fn coloured(picture: &AugmentPicture, [red, green, blue]: [f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|c| {
        let row = &picture.colour[4 * c..4 * c + 4];
        let [from_red, from_green, from_blue, constant] = [0, 1, 2, 3].map(|i| f64::from(row[i]));
        from_red * red + from_green * green + from_blue * blue + constant
    })
}
