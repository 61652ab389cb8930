//! From a file to pixels in memory: 8-bit RGB, upright, first frame.
//!
//! The content decides the format, never the file's name. Resizing is not done here.

use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::Picture;
use crate::{Error, Result};

/// Largest picture that is decoded, in pixels.
pub const MAX_PIXELS: u64 = 200_000_000;
/// Largest file that is read, in bytes: a file beyond it is no photograph.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// Room for the largest picture at 16 bits and four channels.
const MAX_DECODE_BYTES: u64 = MAX_PIXELS * 8;

/// Reads and decodes a picture.
///
/// 16-bit, CMYK, grey and palette pictures become 8-bit RGB; alpha is dropped; of an animation the
/// first frame is taken; the EXIF orientation is applied.
///
/// # Errors
/// Names the file when it cannot be read, is no picture, is cut off or damaged, or has more than
/// [`MAX_PIXELS`] pixels (checked before any of them is decoded).
pub fn open_picture(path: &Path) -> Result<Picture> {
    let size = fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    if size > MAX_FILE_BYTES {
        return Err(Error::picture(path, format!("is {size} bytes long, which is no picture")));
    }
    let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
    decode_picture(&bytes, path)
}

/// Decodes a picture file that is already in memory; `path` serves for messages only. See
/// [`open_picture`].
///
/// # Errors
/// As [`open_picture`].
pub fn decode_picture(bytes: &[u8], path: &Path) -> Result<Picture> {
    // Damaged files reach odd corners of decoders; a panic there must not end a training run.
    catch_unwind(AssertUnwindSafe(|| decode(bytes, path)))
        .unwrap_or_else(|_| Err(Error::picture(path, "is damaged; its decoder gave up")))
}

fn decode(bytes: &[u8], path: &Path) -> Result<Picture> {
    let damaged =
        |error: image::ImageError| Error::picture(path, format!("cannot be decoded: {error}"));
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| Error::io(path, error))?;
    let Some(format) = reader.format() else {
        return Err(Error::picture(
            path,
            "is not a picture: its content is neither JPEG, PNG, GIF, WebP, BMP nor TIFF",
        ));
    };
    if format == ImageFormat::Jpeg && !jpeg_has_end(bytes) {
        return Err(Error::picture(path, "is cut off: the JPEG data has no end marker"));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let count = u64::from(width) * u64::from(height);
    if count == 0 || count > MAX_PIXELS {
        return Err(Error::picture(
            path,
            format!(
                "is {width} x {height} pixels; 1 to {} million are accepted",
                MAX_PIXELS / 1_000_000
            ),
        ));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    let image = image.into_rgb8();
    let (width, height) = image.dimensions();
    Ok(Picture { height: height as usize, width: width as usize, pixels: image.into_raw() })
}

/// Whether the marker that ends a JPEG is there. The decoder fills what is missing with grey
/// instead of failing, and a model would learn from the grey.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    let mut at = 2;
    while at + 1 < bytes.len() {
        if bytes[at] != 0xff {
            at += 1;
            continue;
        }
        match bytes[at + 1] {
            END => return true,
            // Fill byte: the marker may still follow.
            0xff => at += 1,
            // Stuffed data byte, and the markers that stand alone.
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            // Everything else carries its length, so an embedded thumbnail is stepped over.
            _ => {
                let Some(length) = bytes.get(at + 2..at + 4) else {
                    return false;
                };
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
        }
    }
    false
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
