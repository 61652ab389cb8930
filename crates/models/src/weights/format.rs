//! Which format a file is of, by its first bytes: what it is called says nothing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// The formats that can be read, as error messages name them.
const ACCEPTED: &str = "safetensors (.safetensors) and what torch.save writes (.pth)";

/// Bytes that tell all formats apart: the tar's mark ends at 262.
const BEGINNING: u64 = 512;

/// How `torch.save` wrote its files until 1.6: a pickled number of ten bytes.
const LEGACY_MAGIC: [u8; 13] =
    [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// A format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The safetensors format, which has no mark of its own: whatever is nothing else.
    Safetensors,
    /// What `torch.save` writes.
    Pth(Container),
}

/// A container of `torch.save`'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// Until early 2017.
    Tar,
    /// Until 1.6.
    Legacy,
    /// Since 1.6.
    Zip,
}

impl Format {
    /// The format of a file, by its content.
    ///
    /// # Errors
    /// [`Error::ReadFile`]; [`Error::UnsupportedFormat`] for a format that is known and not read.
    pub fn of(path: &Path) -> Result<(Self, File)> {
        let unreadable = |source| Error::ReadFile { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mut beginning = Vec::new();
        (&file).take(BEGINNING).read_to_end(&mut beginning).map_err(unreadable)?;
        match Self::of_bytes(&beginning) {
            Ok(format) => Ok((format, file)),
            Err(found) => Err(Error::UnsupportedFormat {
                path: path.to_owned(),
                found: found.to_owned(),
                accepted: ACCEPTED,
            }),
        }
    }

    /// The format, or the name of one that is not read.
    fn of_bytes(beginning: &[u8]) -> Result<Self, &'static str> {
        match beginning {
            _ if beginning.get(257..262) == Some(b"ustar") => Ok(Self::Pth(Container::Tar)),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Self::Pth(Container::Zip)),
            [0x80, 2..=5, rest @ ..] if rest.starts_with(&LEGACY_MAGIC) => {
                Ok(Self::Pth(Container::Legacy))
            }
            [0x80, 2..=5, ..] => Err("a Python pickle that torch.save did not write"),
            [0x89, b'H', b'D', b'F', ..] => Err("an HDF5 file (Keras's .h5)"),
            [0x1f, 0x8b, ..] => Err("a gzip archive"),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Err("a NumPy array (.npy)"),
            _ => Ok(Self::Safetensors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_tells_the_format() {
        let mut legacy = vec![0x80, 2];
        legacy.extend(LEGACY_MAGIC);
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(Format::of_bytes(&legacy), Ok(Format::Pth(Container::Legacy)));
        assert_eq!(Format::of_bytes(&tar), Ok(Format::Pth(Container::Tar)));
        assert_eq!(Format::of_bytes(b"PK\x03\x04 and the rest"), Ok(Format::Pth(Container::Zip)));
        assert_eq!(Format::of_bytes(b"\x40\0\0\0\0\0\0\0{\"a\""), Ok(Format::Safetensors));
        assert_eq!(Format::of_bytes(b""), Ok(Format::Safetensors));
        assert!(Format::of_bytes(b"\x80\x02}q\x00.").unwrap_err().contains("pickle"));
        assert!(Format::of_bytes(b"\x89HDF\r\n").unwrap_err().contains("HDF5"));
    }
}
