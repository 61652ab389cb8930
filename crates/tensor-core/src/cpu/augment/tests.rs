//! Sampling against plain loops in f64 for every border, on every instruction set, and at the edges of
//! the batch's bytes.

use super::*;
use crate::backend::augment::Border;
use crate::cpu::pointwise::testing::{assert_close, on_all_sets, read, write};
use crate::random::Philox;

const IDENTITY: [f32; 12] = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
const BORDERS: [Border; 3] = [Border::Reflect, Border::Zero, Border::Edge];

/// Two random pictures, the smaller first, and nothing behind the last byte.
fn batch(
    sizes: [[usize; 2]; 2],
    geometry: [f32; 6],
    colour: [f32; 12],
    border: Border,
) -> (Vec<u8>, Vec<AugmentPicture>) {
    let mut stream = Philox::new(9).stream([0; 3]);
    let (mut bytes, mut pictures) = (Vec::new(), Vec::new());
    for [height, width] in sizes {
        let offset = bytes.len();
        bytes.extend((0..height * width * 3).map(|_| stream.next_u32() as u8));
        pictures.push(AugmentPicture { offset, height, width, geometry, colour, border });
    }
    (bytes, pictures)
}

fn run(cpu: &Cpu, shape: &AugmentShape, bytes: &[u8], pictures: &[AugmentPicture]) -> Vec<f32> {
    let mut output = vec![f32::NAN; shape.n * shape.height * shape.width * 3];
    cpu.augment(shape, pictures, read(bytes), write(&mut output)).unwrap();
    output
}

/// The colour of a pixel that may lie outside.
fn pixel(bytes: &[u8], picture: &AugmentPicture, row: i64, column: i64, colour: usize) -> f64 {
    let bordered = |mut place: i64, len: usize| {
        let len = len as i64;
        match picture.border {
            Border::Zero => (0..len).contains(&place).then_some(place),
            Border::Edge => Some(place.clamp(0, len - 1)),
            Border::Reflect => {
                while !(0..len).contains(&place) {
                    place = if place < 0 { -1 - place } else { 2 * len - 1 - place };
                }
                Some(place)
            }
        }
    };
    match (bordered(row, picture.height), bordered(column, picture.width)) {
        (Some(row), Some(column)) => {
            let place = (row as usize * picture.width + column as usize) * 3 + colour;
            f64::from(bytes[picture.offset + place])
        }
        _ => 0.0,
    }
}

fn naive(shape: &AugmentShape, bytes: &[u8], pictures: &[AugmentPicture]) -> Vec<f64> {
    let mut output = Vec::new();
    for picture in pictures {
        let g = picture.geometry.map(f64::from);
        for (y, x) in (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (y, x))) {
            let (x, y) = (x as f64 + 0.5, y as f64 + 0.5);
            let column = g[0] * x + g[1] * y + g[2] - 0.5;
            let row = g[3] * x + g[4] * y + g[5] - 0.5;
            let (fx, fy) = (column - column.floor(), row - row.floor());
            let (column, row) = (column.floor() as i64, row.floor() as i64);
            let colours: [f64; 3] = std::array::from_fn(|colour| {
                let at = |dy, dx| pixel(bytes, picture, row + dy, column + dx, colour);
                let upper = (1.0 - fx) * at(0, 0) + fx * at(0, 1);
                let lower = (1.0 - fx) * at(1, 0) + fx * at(1, 1);
                ((1.0 - fy) * upper + fy * lower) / 255.0
            });
            for channel in 0..3 {
                let m = |i: usize| f64::from(picture.colour[channel * 4 + i]);
                let mixed = m(0) * colours[0] + m(1) * colours[1] + m(2) * colours[2] + m(3);
                let (mean, std) = (f64::from(shape.mean[channel]), f64::from(shape.std[channel]));
                output.push((mixed.clamp(0.0, 1.0) - mean) / std);
            }
        }
    }
    output
}

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

fn check(shape: &AugmentShape, bytes: &[u8], pictures: &[AugmentPicture]) {
    let expected = naive(shape, bytes, pictures);
    on_all_sets(
        |cpu| run(cpu, shape, bytes, pictures),
        // Places are exact to some 1e-6 pixel, and a pixel to the next is up to 4.5 apart.
        |set, found| assert_close(found, &expected, 3e-5, &format!("{set} {:?}", pictures[0])),
    );
}

#[test]
fn any_geometry_border_and_colour_is_right() {
    let colour = [1.1, 0.05, -0.1, 0.02, 0.0, 0.9, 0.1, -0.05, 0.1, -0.2, 1.3, 0.0];
    let geometries = [
        [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        [0.93, -0.17, 4.3, 0.17, 0.93, -6.1],
        [-1.0, 0.0, 47.0, 0.0, 1.0, 0.0],
        [0.0, 1.3, -20.0, -1.3, 0.0, 130.0],
        [2.7, 0.4, -150.0, 0.3, 3.1, -90.0],
    ];
    for (geometry, border) in geometries.into_iter().flat_map(|g| BORDERS.map(|b| (g, b))) {
        let (bytes, pictures) = batch([[47, 61], [90, 133]], geometry, colour, border);
        let shape = AugmentShape { n: 2, height: 37, width: 75, mean: MEAN, std: STD };
        check(&shape, &bytes, &pictures);
    }
}

#[test]
fn pictures_of_one_pixel_and_one_line_are_sampled() {
    for border in BORDERS {
        let (bytes, pictures) =
            batch([[1, 1], [1, 70]], [1.3, 0.2, -3.0, 0.1, 0.7, -2.0], IDENTITY, border);
        let shape = AugmentShape { n: 2, height: 5, width: 34, mean: MEAN, std: STD };
        check(&shape, &bytes, &pictures);
    }
}

#[test]
fn whole_translations_and_flips_copy_exactly() {
    let shape = AugmentShape { n: 2, height: 40, width: 70, mean: [0.0; 3], std: [1.0; 3] };
    let (bytes, mut pictures) = batch([[90, 200], [90, 200]], [0.0; 6], IDENTITY, Border::Reflect);
    pictures[0].geometry = [1.0, 0.0, 130.0, 0.0, 1.0, 50.0];
    pictures[1].geometry = [-1.0, 0.0, 75.0, 0.0, 1.0, -3.0];
    let expected = |picture: usize, y: usize, x: usize, colour: usize| {
        let (row, column) = match picture {
            0 => (y as i64 + 50, x as i64 + 130),
            _ => (y as i64 - 3, 74 - x as i64),
        };
        (pixel(&bytes, &pictures[picture], row, column, colour) as f32) * (1.0 / 255.0)
    };
    on_all_sets(
        |cpu| run(cpu, &shape, &bytes, &pictures),
        |set, found| {
            for (i, found) in found.iter().enumerate() {
                let (colour, pixel) = (i % 3, i / 3);
                let (x, row) = (pixel % 70, pixel / 70);
                assert_eq!(*found, expected(row / 40, row % 40, x, colour), "{set} {i}");
            }
        },
    );
}

#[test]
fn a_geometry_beyond_all_numbers_stays_in_bounds() {
    for border in BORDERS {
        for huge in [1e30, -1e30, f32::INFINITY, f32::NAN] {
            let geometry = [huge, huge, huge, huge, -huge, huge];
            let (bytes, pictures) = batch([[9, 9], [9, 9]], geometry, IDENTITY, border);
            let shape = AugmentShape { n: 2, height: 4, width: 40, mean: MEAN, std: STD };
            on_all_sets(|cpu| run(cpu, &shape, &bytes, &pictures), |_, _| {});
        }
    }
}
