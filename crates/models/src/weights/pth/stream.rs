//! A range of a file, read from front to end. Every length is checked against the range before memory is taken.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use super::fault::{Fault, Outcome};

/// Enough for most pickles; storages are read past the buffer.
const BUFFER: usize = 1 << 14;

/// Reads bytes `position..end` of a file. One stream at a time: streams of one file share its cursor.
pub(super) struct Stream<'a> {
    reader: BufReader<&'a File>,
    position: u64,
    end: u64,
}

impl<'a> Stream<'a> {
    /// The bytes `start..end`, which the caller has found to lie within the file.
    pub fn new(file: &'a File, start: u64, end: u64) -> Outcome<Stream<'a>> {
        let mut reader = BufReader::with_capacity(BUFFER, file);
        reader.seek(SeekFrom::Start(start))?;
        Ok(Stream { reader, position: start, end })
    }

    /// Where the next byte lies in the file.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that are left.
    pub fn left(&self) -> u64 {
        self.end - self.position
    }

    /// Passes over so many bytes.
    pub fn skip(&mut self, bytes: u64) -> Outcome<()> {
        self.expect(bytes)?;
        let distance = i64::try_from(bytes).map_err(|_| self.too_short(bytes))?;
        self.reader.seek_relative(distance)?;
        self.position += bytes;
        Ok(())
    }

    /// The next byte.
    pub fn byte(&mut self) -> Outcome<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        self.expect(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    /// The next bytes, so many.
    pub fn bytes(&mut self, length: u64) -> Outcome<Vec<u8>> {
        self.expect(length)?;
        // Within the file, so within what memory can address.
        let mut bytes = vec![0; length as usize];
        self.reader.read_exact(&mut bytes)?;
        self.position += length;
        Ok(bytes)
    }

    /// The bytes up to the next line feed, which is passed over; at most `longest`.
    pub fn line(&mut self, longest: usize) -> Outcome<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line),
                byte if line.len() < longest => line.push(byte),
                _ => {
                    return Err(Fault::damaged_at(
                        self.position,
                        format!("a name is longer than {longest} bytes"),
                    ));
                }
            }
        }
    }

    fn expect(&self, bytes: u64) -> Outcome<()> {
        if bytes <= self.left() { Ok(()) } else { Err(self.too_short(bytes)) }
    }

    fn too_short(&self, bytes: u64) -> Fault {
        Fault::damaged_at(
            self.position,
            format!("{bytes} bytes should follow, but {} are left", self.left()),
        )
    }
}
