//! Dogs and cats as Kaggle has them: `train/cat.0.jpg`, `train/dog.0.jpg`, `test1/1.jpg`.

use std::fs;
use std::path::Path;

use super::drawn::world::distance::{Point, disc, ellipse, line, polygon, union, without};
use super::drawn::world::{pixels, shapes::Kind};
use super::{Amount, Result, write_jpeg};

const SIZE: usize = 64;
const SEED: u64 = 7;
const KINDS: [Kind; 2] = [Kind { name: "cat", outline: cat }, Kind { name: "dog", outline: dog }];

/// Draws the competition's folder.
pub fn draw(folder: &Path, amount: Amount) -> Result<()> {
    let (train, test) = (folder.join("train"), folder.join("test1"));
    fs::create_dir_all(&train)?;
    fs::create_dir_all(&test)?;
    for kind in &KINDS {
        for number in 0..amount.train / KINDS.len() {
            let file = train.join(format!("{}.{number}.jpg", kind.name));
            write_jpeg(&file, &pixels(kind, number, SIZE, SEED), SIZE)?;
        }
    }
    for number in 0..amount.test {
        let kind = &KINDS[number % KINDS.len()];
        let file = test.join(format!("{}.jpg", number + 1));
        write_jpeg(&file, &pixels(kind, number, SIZE, SEED + 1), SIZE)?;
    }
    Ok(())
}

/// A round face, upright ears and whiskers.
fn cat(p: Point) -> f32 {
    let half = [p[0].abs(), p[1]];
    let head = union([
        ellipse(half, [0.0, -0.15], [0.72, 0.62]),
        polygon(half, &[[0.2, 0.35], [0.62, 0.98], [0.72, 0.0]]),
        line(half, [0.5, -0.3], [1.0, -0.2], 0.04),
        line(half, [0.5, -0.38], [1.0, -0.45], 0.04),
    ]);
    let nose = polygon(half, &[[0.0, -0.38], [0.12, -0.24], [-0.12, -0.24]]);
    without(without(head, ellipse(half, [0.3, 0.02], [0.13, 0.15])), nose)
}

/// A long face, hanging ears and a tongue.
fn dog(p: Point) -> f32 {
    let half = [p[0].abs(), p[1]];
    let head = union([
        ellipse(half, [0.0, 0.3], [0.55, 0.55]),
        ellipse(half, [0.0, -0.3], [0.38, 0.5]),
        ellipse(half, [0.68, 0.1], [0.2, 0.58]),
        ellipse(half, [0.0, -0.85], [0.14, 0.15]),
    ]);
    without(without(head, disc(half, [0.24, 0.3], 0.1)), ellipse(half, [0.0, -0.3], [0.15, 0.1]))
}
