//! Writing a zip archive of stored entries, each beginning where PyTorch wants it.
//! Source: PKWARE's APPNOTE 6.3, section 4.3.

use std::io::{self, Write};

use crc32fast::Hasher;

/// Contents begin at a multiple of so many bytes, so that storages can be mapped into memory.
const ALIGNMENT: u64 = 64;
const LOCAL_HEADER_LENGTH: u64 = 30;
/// An extra field's identifier and length.
const EXTRA_HEADER_LENGTH: u64 = 4;
/// Under which PyTorch pads.
const PADDING_FIELD: u16 = u16::from_le_bytes(*b"FB");

/// An archive under construction.
pub(in super::super) struct Archive<W> {
    writer: W,
    position: u64,
    directory: Vec<u8>,
    entries: u16,
}

impl<W: Write> Archive<W> {
    pub fn new(writer: W) -> Archive<W> {
        Archive { writer, position: 0, directory: Vec::new(), entries: 0 }
    }

    /// Adds an entry. `content` is written twice: the header in front of it needs its length and checksum.
    pub fn entry(
        &mut self,
        name: &str,
        content: impl Fn(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut measure = Measure { length: 0, checksum: Hasher::new() };
        content(&mut measure)?;
        let (length, checksum) = (narrow(measure.length)?, measure.checksum.finalize());
        let offset = narrow(self.position)?;
        let unpadded =
            self.position + LOCAL_HEADER_LENGTH + name.len() as u64 + EXTRA_HEADER_LENGTH;
        let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;

        // Version, flags (names are UTF-8), method (stored), time and date: the same in both headers.
        let common = shorts(&[20, 0x800, 0, 0, 0x21]);
        let sizes = [checksum, length, length].map(u32::to_le_bytes).concat();
        let extra_length = EXTRA_HEADER_LENGTH + padding;
        let header = [
            b"PK\x03\x04".to_vec(),
            common.clone(),
            sizes.clone(),
            shorts(&[name.len() as u16, extra_length as u16]),
            name.as_bytes().to_vec(),
            shorts(&[PADDING_FIELD, padding as u16]),
            vec![0; padding as usize],
        ];
        self.writer.write_all(&header.concat())?;
        content(&mut self.writer)?;
        self.position = unpadded + padding + u64::from(length);

        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(common);
        self.directory.extend(sizes);
        // Lengths of name, extra field and comment; disk and attributes.
        self.directory.extend(shorts(&[name.len() as u16, 0, 0, 0, 0, 0, 0]));
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.entries = self.entries.checked_add(1).ok_or_else(too_large)?;
        Ok(())
    }

    /// Writes the directory.
    pub fn finish(mut self) -> io::Result<()> {
        let (start, length) = (narrow(self.position)?, narrow(self.directory.len() as u64)?);
        self.writer.write_all(&self.directory)?;
        let end = [
            b"PK\x05\x06".to_vec(),
            shorts(&[0, 0, self.entries, self.entries]),
            length.to_le_bytes().to_vec(),
            start.to_le_bytes().to_vec(),
            shorts(&[0]),
        ];
        self.writer.write_all(&end.concat())
    }
}

/// Counts and sums up what is written into it.
struct Measure {
    length: u64,
    checksum: Hasher,
}

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        self.checksum.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shorts(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn narrow(number: u64) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| too_large())
}

fn too_large() -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        "a .pth of more than 4 GiB or 65,535 tensors is not written; use .safetensors",
    )
}
