//! A small world of pictures, drawn by code: no photograph and no download is needed.
//!
//! Every picture depends on the seed, its kind's name and its number alone.

pub mod distance;
pub mod paint;
mod scene;
pub mod shapes;

use std::fs;
use std::io::{Cursor, ErrorKind};
use std::path::Path;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use rayon::prelude::*;
use tensor_core::random::{Philox, RandomStream};

use super::Result;
use shapes::Kind;

/// How many pictures of each kind go into a folder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts {
    /// In `train/KIND`.
    pub train: usize,
    /// In `valid/KIND`.
    pub valid: usize,
}

/// Removes what an earlier run has left.
pub fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes `FOLDER/{train,valid}/KIND/NUMBER.png`, pictures of `size` by `size` pixels.
pub fn draw(folder: &Path, kinds: &[Kind], counts: Counts, size: usize, seed: u64) -> Result<()> {
    kinds.par_iter().try_for_each(|kind| {
        let numbers = 0..counts.train + counts.valid;
        for part in ["train", "valid"] {
            fs::create_dir_all(folder.join(part).join(kind.name))?;
        }
        for number in numbers {
            let part = if number < counts.train { "train" } else { "valid" };
            let file = folder.join(part).join(kind.name).join(format!("{number:04}.png"));
            fs::write(file, picture(kind, number, size, seed)?)?;
        }
        Ok(())
    })
}

/// The PNG file of one picture.
pub fn picture(kind: &Kind, number: usize, size: usize, seed: u64) -> Result<Vec<u8>> {
    let pixels = pixels(kind, number, size, seed);
    let mut file = Cursor::new(Vec::new());
    PngEncoder::new(&mut file).write_image(
        &pixels,
        size as u32,
        size as u32,
        ExtendedColorType::Rgb8,
    )?;
    Ok(file.into_inner())
}

/// The RGB bytes of one picture, row after row.
pub fn pixels(kind: &Kind, number: usize, size: usize, seed: u64) -> Vec<u8> {
    scene::paint(kind, size, &mut random_stream(kind.name, number, seed))
}

/// The random numbers of one picture: those of no other.
pub fn random_stream(name: &str, number: usize, seed: u64) -> RandomStream {
    let purpose = name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(257) + u64::from(byte));
    Philox::new(seed).derive(purpose).stream([number as u32, 0, 0])
}
