//! The pictures to predict.

use std::path::Path;

use super::ImageData;
use super::folders::pictures_in;
use super::labels::Labels;
use super::splits::Split;
use crate::Result;

impl ImageData {
    /// The pictures of this folder, at any depth and sorted by name, as the test set: nothing is known of
    /// their labels. A path that is not absolute and not there is looked for in the data folder. For a
    /// test set with labels see [`with_test_csv`](ImageData::with_test_csv).
    ///
    /// # Errors
    /// If there is no such folder or no picture in it.
    pub fn with_test(mut self, folder: impl AsRef<Path>) -> Result<ImageData> {
        let folder = folder.as_ref();
        let within = self.root.join(folder);
        let folder = if !folder.exists() && within.exists() { &within } else { folder };
        self.test = Some(Split::new(folder, pictures_in(folder)?, Labels::Unknown));
        Ok(self)
    }
}
