//! Labelled pictures: from folders to batches that are ready to be sampled.
//!
//! Which pictures there are (`folders`, `csv` over `table`, `names`), which of them are held out
//! (`validation` over `pool`, `splits`, `test_set`) and how often they come (`draws`), how they become
//! batches (`loading`), in which order and how fast (`sampler`, `loader`, `cache`); all in one hand:
//! `image_data`. How a file becomes pixels is the business of `picture` below, what is done to
//! them that of [`transforms`](crate::transforms).

mod cache;
mod csv;
mod draws;
mod folders;
mod image_data;
mod inspection;
mod labels;
mod loader;
mod loading;
mod mersenne_twister;
mod names;
mod pool;
mod sampler;
mod splits;
mod table;
mod test_set;
mod validation;

pub use self::csv::Csv;
pub use cache::PictureCache;
pub use draws::Draws;
pub use folders::{Folders, PICTURE_EXTENSIONS, pictures_in, read_folders};
pub use image_data::ImageData;
pub use inspection::{Bin, Histogram, Inspection};
pub use labels::{LabelKind, Labels};
pub use loader::{Batch, Loader};
pub use loading::Loading;
pub use sampler::{Order, Place, Shard, drawn_batches, epoch_batches};
pub use splits::{HoldOut, Split, cross_validation_indexes};
pub use table::Column;
pub use validation::Validation;

pub use crate::picture::{
    MAX_PIXELS, Picture, PictureSize, decode_picture, open_picture, picture_size,
};
