//! Encoding, and files that are there whole or not at all.

use std::io::Write;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::super::error::InterpretError;

/// RGB8 pixels as a PNG file.
pub fn encode_png(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, InterpretError> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(pixels, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| InterpretError::Draw { reason: error.to_string() })?;
    Ok(bytes)
}

/// Writes beside the target and renames, so that no reader and no full disk ever sees half a file.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), InterpretError> {
    let failed = |source| InterpretError::Write { path: path.to_owned(), source };
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file =
        tempfile::Builder::new().prefix(".writing-").tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    readable_by_all(&file).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// A temporary file is the owner's only; a plot is an ordinary file.
#[cfg(unix)]
fn readable_by_all(file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    Ok(())
}
