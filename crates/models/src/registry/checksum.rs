//! What is published about a file's sha256, and whether a digest agrees with it.
//!
//! Nothing is read here: the digest of a file is taken where files are (see [`crate::weights`]).

use std::borrow::Cow;
use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_agrees_with_all_or_the_first_of_its_digits() {
        // FIPS 180-4, the one-block example.
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(Checksum::Prefix("ba7816bf".into()).agrees_with(digest));
        assert!(Checksum::Full(digest.to_uppercase().into()).agrees_with(digest));
        assert!(Checksum::Unpublished.agrees_with(digest));
        assert!(!Checksum::Full("ba7816bf".into()).agrees_with(digest));
        assert!(!Checksum::Prefix("ba7816be".into()).agrees_with(digest));
        assert!(!Checksum::Prefix("".into()).agrees_with(digest));
    }
}
