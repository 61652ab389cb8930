//! How large a picture is, from the beginning of its file.

use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Bytes in which nearly every file says its size, EXIF data with a thumbnail included.
const BEGINNING: u64 = 128 << 10;

/// Width and height of a picture, upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PictureSize {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl PictureSize {
    /// The shorter side.
    pub fn short_side(self) -> usize {
        self.width.min(self.height)
    }
}

/// Width and height of a picture file as [`open_picture`](super::open_picture) would give them, without
/// decoding it; of most formats only the beginning is read.
///
/// # Errors
/// Names the file when it cannot be read or its header is that of no picture.
pub fn picture_size(path: &Path) -> Result<PictureSize> {
    let io = |error| Error::io(path, error);
    let mut file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    (&mut file).take(BEGINNING).read_to_end(&mut bytes).map_err(io)?;
    if let Ok(size) = header(&bytes) {
        return Ok(size);
    }
    file.read_to_end(&mut bytes).map_err(io)?;
    header(&bytes).map_err(|reason| Error::picture(path, reason))
}

fn header(bytes: &[u8]) -> Result<PictureSize, String> {
    // As in decoding: damaged files reach odd corners of decoders.
    let read = catch_unwind(AssertUnwindSafe(|| dimensions(bytes)));
    match read {
        Ok(Ok(size)) => Ok(size),
        Ok(Err(error)) => Err(format!("is no picture: {error}")),
        Err(_) => Err("is damaged; its decoder gave up".to_owned()),
    }
}

fn dimensions(bytes: &[u8]) -> image::ImageResult<PictureSize> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    Ok(match decoder.orientation()? {
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => PictureSize { width, height },
        _ => PictureSize { width: height, height: width },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::open_picture;
    use image::RgbImage;

    #[test]
    fn sizes_are_those_of_the_decoded_pictures() {
        let folder = tempfile::tempdir().unwrap();
        for (number, name) in
            ["a.jpg", "b.png", "c.gif", "d.bmp", "e.tiff", "f.webp"].iter().enumerate()
        {
            let path = folder.path().join(name);
            RgbImage::new(31 + number as u32, 20).save(&path).unwrap();
            let (size, picture) = (picture_size(&path).unwrap(), open_picture(&path).unwrap());
            assert_eq!((size.width, size.height), (picture.width, picture.height), "{name}");
            assert_eq!(size.short_side(), 20);
        }
    }

    #[test]
    fn a_size_after_much_else_is_found() {
        // A JPEG whose frame header lies behind more comments than the beginning holds.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        RgbImage::new(37, 21).save(&path).unwrap();
        let plain = std::fs::read(&path).unwrap();
        let comment = [&[0xff, 0xfe, 0xff, 0xff], [b' '; 0xfffd].as_slice()].concat();
        let bytes = [&plain[..2], &comment.repeat(4), &plain[2..]].concat();
        assert!(bytes.len() as u64 > 2 * BEGINNING);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(picture_size(&path).unwrap(), PictureSize { width: 37, height: 21 });
    }

    #[test]
    fn what_is_no_picture_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter.jpg");
        for content in ["", "Dear reader"] {
            std::fs::write(&path, content).unwrap();
            let error = picture_size(&path).unwrap_err().to_string();
            assert!(error.contains("letter.jpg"), "{error}");
        }
        assert!(picture_size(&folder.path().join("none.jpg")).is_err());
    }
}
