//! Sampling of pictures: every border, flips, turns, zooms, pictures of one pixel, and places far
//! outside.

use tensor_core::backend::Plan;
use tensor_core::ops::augment::{AugmentPicture, AugmentShape, Border, augment};
use tensor_core::{Device, Result, Tensor};

use super::compare::Bounds;
use super::input::{Draw, Input};
use super::{Case, Output};

/// Rows, columns, geometry and colour of one picture.
pub type Picture = (usize, usize, [f32; 6], [f32; 12]);

const PLAIN: [f32; 12] = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
const BRIGHT: [f32; 12] = [1.2, 0.0, 0.0, 0.1, 0.0, 1.2, 0.0, 0.1, 0.0, 0.0, 1.2, 0.1];
const DARK: [f32; 12] = [0.5, 0.1, 0.0, -0.2, -0.3, 0.9, 0.2, -0.1, 0.3, 0.3, 0.3, 0.0];

/// Rows and columns of the output, and the pictures of the batch.
pub const BATCHES: &[([usize; 2], &[Picture])] = &[
    ([5, 7], &[(5, 7, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], PLAIN)]),
    ([9, 4], &[(1, 1, [0.3, 0.0, -0.4, 0.0, 0.2, -0.3], PLAIN)]),
    ([3, 3], &[(2, 5, [1.7, 0.2, -0.6, 0.1, 0.7, -0.2], BRIGHT)]),
    (
        [33, 31],
        &[
            // Flipped, turned by about ten degrees, enlarged, shrunk past the edges, far outside.
            (40, 50, [-1.6, 0.0, 50.0, 0.0, 1.2, 0.0], PLAIN),
            (37, 29, [0.98, -0.17, 3.1, 0.17, 0.98, -2.7], BRIGHT),
            (64, 33, [0.41, 0.0, 7.3, 0.0, 0.83, 20.1], DARK),
            (17, 19, [2.3, 0.1, -20.2, -0.1, 2.1, -15.9], PLAIN),
            (11, 13, [1.0, 0.3, 97.4, 0.2, 1.0, -211.7], DARK),
        ],
    ),
    ([64, 65], &[(120, 97, [1.49, 0.05, 0.3, -0.04, 1.87, 0.6], BRIGHT)]),
];

const BORDERS: [Border; 3] = [Border::Reflect, Border::Zero, Border::Edge];
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// All batches with all borders.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for &(size, pictures) in BATCHES {
        for border in BORDERS {
            cases.push(Box::new(Batch { size, pictures, border }));
        }
    }
    cases
}

struct Batch {
    size: [usize; 2],
    pictures: &'static [Picture],
    border: Border,
}

/// Bytes before each picture, so that pictures do not lie back to back.
const GAP: usize = 5;

impl Batch {
    fn pictures(&self) -> Vec<AugmentPicture> {
        let mut end = 0;
        let mut placed = Vec::new();
        for &(height, width, geometry, colour) in self.pictures {
            let offset = end + GAP;
            end = offset + height * width * 3;
            let border = self.border;
            placed.push(AugmentPicture { offset, height, width, geometry, colour, border });
        }
        placed
    }
}

impl Case for Batch {
    fn name(&self) -> String {
        let sizes: Vec<_> = self.pictures.iter().map(|(h, w, ..)| [h, w]).collect();
        format!("augment {sizes:?} to {:?} {:?}", self.size, self.border)
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        let bytes: usize = self.pictures.iter().map(|(h, w, ..)| GAP + h * w * 3).sum();
        vec![draw.bytes(bytes)]
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let ([height, width], n) = (self.size, self.pictures.len());
        let shape = AugmentShape { n, height, width, mean: MEAN, std: STD };
        let output = augment(&shape, &self.pictures(), &inputs[0])?;
        Ok(vec![Output::new("output", &output)?])
    }

    /// Between two pixels a colour changes by at most 1, so a place that is off by a rounding error
    /// of its coordinates gives a colour that is off by as much.
    fn magnitudes(&self, _: &[Input], _: &[Output]) -> Result<Vec<Vec<f64>>> {
        let [height, width] = self.size.map(|length| length as f64);
        let mut magnitudes = Vec::new();
        for (_, _, geometry, colour) in self.pictures {
            let [xx, xy, x0, yx, yy, y0] = geometry.map(|x| f64::from(x.abs()));
            let across = xx * width + xy * height + x0;
            let down = yx * width + yy * height + y0;
            let of_channel = |c: usize| {
                let weights = colour[4 * c..4 * c + 4].iter().map(|x| f64::from(x.abs()));
                let mean = f64::from(MEAN[c]);
                (weights.sum::<f64>() * (1.0 + across + down) + mean) / f64::from(STD[c])
            };
            let pixel = [0, 1, 2].map(of_channel);
            magnitudes.extend(pixel.repeat(self.size[0] * self.size[1]));
        }
        Ok(vec![magnitudes])
    }

    fn bounds(&self) -> Bounds {
        // The whole is off by rounding errors of coordinates of some hundred pixels.
        Bounds { norm: 200.0, element: 2.0 }
    }
}
