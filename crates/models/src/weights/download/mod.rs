//! Fetching a published file over HTTP: announced first, resumed after an interruption, checked, then renamed.
//!
//! What has arrived lies in `NAME.part` beside the destination (with the server's entity tag in `NAME.part.etag`)
//! until it is whole and checked. Which file is wanted is decided in `resolve`.

mod part;
mod transfer;

use std::fmt;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use self::part::Part;
use self::transfer::Transfer;
use super::digest::sha256_of_file;
use super::{Checksum, PublishedSize, WeightFormat, WeightSource, pth, safetensors};
use crate::error::{Error, Result};

/// What is known before the first byte of the body is taken.
#[derive(Debug, Clone, Copy)]
pub struct Announcement<'a> {
    /// The file that is about to be fetched: address, licence, checksum, notes.
    pub source: &'a WeightSource,
    /// Where it will be stored.
    pub destination: &'a Path,
    /// Bytes of the whole file, from the server or else as published.
    pub bytes: Option<u64>,
    /// Bytes that an earlier, interrupted download left; only the rest is fetched.
    pub resumed_from: u64,
}

/// One line: `NAME, 87.3 MB, licence LICENCE, from ADDRESS`, with what an earlier download left and a warning
/// where no checksum is published.
impl fmt::Display for Announcement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source;
        match self.bytes {
            Some(bytes) => write!(f, "{}, {}", source.file_name, Megabytes(bytes))?,
            None => write!(f, "{}, size unknown", source.file_name)?,
        }
        write!(f, ", licence {}, from {}", source.licence, source.address)?;
        if self.resumed_from > 0 {
            write!(f, ", continuing after {}", Megabytes(self.resumed_from))?;
        }
        if source.sha256 == Checksum::Unpublished {
            f.write_str(" (no checksum is published: only length and format can be checked)")?;
        }
        Ok(())
    }
}

/// Bytes in millions, with one digit after the point.
struct Megabytes(u64);

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MB", self.0 as f64 / 1e6)
    }
}

/// How far a finished download could be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// All 64 digits of the published sha256.
    Sha256,
    /// The published beginning of the sha256.
    Sha256Prefix,
    /// No checksum is published: only length and format were checked.
    LengthAndFormat,
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "sha256 agrees",
            Self::Sha256Prefix => "the published beginning of the sha256 agrees",
            Self::LengthAndFormat => "no sha256 is published; length and format agree",
        })
    }
}

/// What a finished download was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Bytes of the file.
    pub bytes: u64,
    /// Its sha256 in 64 hex digits.
    pub sha256: String,
    /// What the file was checked against.
    pub verification: Verification,
}

/// Is told about a download as it happens, for example to draw a progress bar. All methods do nothing by default.
pub trait DownloadObserver {
    /// Called once, before the first byte of the file is taken.
    fn started(&mut self, announcement: &Announcement<'_>) {
        let _ = announcement;
    }

    /// Called after each piece. `received` counts from the file's beginning and can fall if the server makes
    /// the download start again; `total` is the length of the whole file, if known.
    fn progress(&mut self, received: u64, total: Option<u64>) {
        let _ = (received, total);
    }

    /// Called once, when the checked file is in its place.
    fn finished(&mut self, receipt: &Receipt) {
        let _ = receipt;
    }
}

/// An observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl DownloadObserver for Silent {}

/// How downloads are carried out.
#[derive(Debug, Clone)]
pub struct Downloader {
    /// Longest wait for name resolution and for a connection, each.
    pub connect_timeout: Duration,
    /// Longest silence of a connected server.
    pub read_timeout: Duration,
    /// How often a broken download is taken up again before [`Error::Interrupted`] is returned; at least 1.
    pub attempts: u32,
    /// Wait before a broken download is taken up again.
    pub pause: Duration,
}

impl Default for Downloader {
    /// 15 s to connect, 30 s of silence, three attempts two seconds apart.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(30),
            attempts: 3,
            pause: Duration::from_secs(2),
        }
    }
}

impl Downloader {
    /// Fetches `source` into the file `destination`, whose folders are made. The file appears there only when it is
    /// whole and agrees with the published checksum, or, where none is published, with length and format.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::HttpStatus`], [`Error::Interrupted`] (what arrived is kept for the next
    /// call), [`Error::ChecksumMismatch`] and [`Error::CorruptWeights`] (what arrived is removed),
    /// [`Error::WrongLength`], [`Error::DownloadInProgress`], [`Error::WriteFile`] (read-only or full disk).
    pub fn fetch(
        &self,
        source: &WeightSource,
        destination: &Path,
        observer: &mut dyn DownloadObserver,
    ) -> Result<Receipt> {
        let mut part = Part::open(destination)?;
        let mut transfer = Transfer::new(self, source, destination, observer);
        let mut attempt = 1;
        while let Err(error) = transfer.run(&mut part) {
            // A server that was reached once is worth another try; one that never was is not.
            let passing = match error {
                Error::Interrupted { .. } => true,
                Error::Unreachable { .. } => attempt > 1,
                _ => false,
            };
            if !passing || attempt >= self.attempts {
                return Err(error);
            }
            attempt += 1;
            thread::sleep(self.pause);
        }
        let receipt = check(source, &part)?;
        part.finish(destination)?;
        observer.finished(&receipt);
        Ok(receipt)
    }
}

/// Checks the whole file that lies in `part`; a wrong one is removed.
fn check(source: &WeightSource, part: &Part) -> Result<Receipt> {
    let unreadable = |error| Error::ReadFile { path: part.path().to_owned(), source: error };
    let sha256 = sha256_of_file(part.path()).map_err(unreadable)?;
    let bytes = fs::metadata(part.path()).map_err(unreadable)?.len();
    if !source.sha256.agrees_with(&sha256) {
        part.remove();
        return Err(Error::ChecksumMismatch {
            address: source.address.to_string(),
            expected: source.sha256.to_string(),
            found: sha256,
        });
    }
    let sound = match source.format {
        WeightFormat::Safetensors => safetensors::check(part.path()),
        WeightFormat::Pth => pth::check(part.path()),
    };
    if let Err(error) = sound {
        part.remove();
        return Err(error);
    }
    let verification = match source.sha256 {
        Checksum::Full(_) => Verification::Sha256,
        Checksum::Prefix(_) => Verification::Sha256Prefix,
        Checksum::Unpublished => Verification::LengthAndFormat,
    };
    Ok(Receipt { bytes, sha256, verification })
}

/// Refuses a server's file whose length is not the published one.
fn check_length(source: &WeightSource, total: Option<u64>) -> Result<()> {
    match (source.size, total) {
        (PublishedSize::Exact(expected), Some(found)) if expected != found => {
            Err(Error::WrongLength { address: source.address.to_string(), expected, found })
        }
        _ => Ok(()),
    }
}
