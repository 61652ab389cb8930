//! What is published about a file's sha256, and comparing a file with it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// The sha256 that a publisher gives for a file, as lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// All 64 digits.
    Full(Cow<'static, str>),
    /// The first digits only, as in torchvision's file names.
    Prefix(Cow<'static, str>),
    /// Nothing is published: a download can be checked for size and format only.
    Unpublished,
}

impl Checksum {
    /// The published digits, if any.
    pub fn digits(&self) -> Option<&str> {
        match self {
            Self::Full(digits) | Self::Prefix(digits) => Some(digits),
            Self::Unpublished => None,
        }
    }

    /// Whether a file with this full digest can be the published one. A full checksum must be equal, a prefix must
    /// begin it; digits of the wrong number or none at all never agree with a `Full` or `Prefix`.
    pub fn agrees_with(&self, digest: &str) -> bool {
        match self {
            Self::Full(digits) => digits.eq_ignore_ascii_case(digest),
            Self::Prefix(digits) => {
                !digits.is_empty()
                    && digest
                        .get(..digits.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(digits))
            }
            Self::Unpublished => true,
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(digits) => f.write_str(digits),
            Self::Prefix(digits) => write!(f, "{digits}..."),
            Self::Unpublished => f.write_str("not published"),
        }
    }
}

/// The sha256 of a file as 64 hex digits, read in pieces.
pub(super) fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    let mut digits = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing into a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_matches_the_published_test_vector() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, b"abc").unwrap();
        let digest = sha256_of_file(&path).unwrap();
        // FIPS 180-4, the one-block example.
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(Checksum::Prefix("ba7816bf".into()).agrees_with(&digest));
        assert!(Checksum::Full(digest.to_uppercase().into()).agrees_with(&digest));
        assert!(Checksum::Unpublished.agrees_with(&digest));
        assert!(!Checksum::Full("ba7816bf".into()).agrees_with(&digest));
        assert!(!Checksum::Prefix("ba7816be".into()).agrees_with(&digest));
        assert!(!Checksum::Prefix("".into()).agrees_with(&digest));
    }
}
