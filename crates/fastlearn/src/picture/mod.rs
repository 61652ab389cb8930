//! One picture in memory: what it is, how a file becomes one (`decode`), how large it is
//! (`size`), how it is shrunk (`resize`).
//!
//! Which pictures there are is the business of `data`, what is done to them that of `transforms`;
//! both stand on this module. Its public names are reached through `data`.

mod decode;
mod resize;
mod size;

pub use decode::{MAX_PIXELS, decode_picture, open_picture};
pub(crate) use resize::shrink;
pub use size::{PictureSize, picture_size};

/// A decoded picture: RGB, one byte a channel, row after row without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `height * width * 3` bytes.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// The pixel at this row and column.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn pixel(&self, row: usize, column: usize) -> [u8; 3] {
        let at = (row * self.width + column) * 3;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }
}
