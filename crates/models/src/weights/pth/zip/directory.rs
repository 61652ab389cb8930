//! Where the entries of a zip archive lie, by its central directory: headers before entries may have zeros for sizes.
//!
//! Only stored entries are known, because PyTorch compresses nothing; a compressed one is refused by name.
//! Source: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3.

use std::collections::BTreeMap;
use std::fs::File;

use crate::weights::pth::FileRange;
use crate::weights::pth::fault::{Fault, Outcome};
use crate::weights::pth::stream::Stream;

const END: &[u8; 4] = b"PK\x05\x06";
const END_LENGTH: u64 = 22;
const LONGEST_COMMENT: u64 = u16::MAX as u64;
const LOCATOR: &[u8; 4] = b"PK\x06\x07";
const LOCATOR_LENGTH: u64 = 20;
const ZIP64_END: &[u8; 4] = b"PK\x06\x06";
const CENTRAL_ENTRY: &[u8; 4] = b"PK\x01\x02";
const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";
const LOCAL_HEADER_LENGTH: u64 = 30;
/// The extra field with the numbers that need 64 bits.
const ZIP64_FIELD: u16 = 1;

/// The entries of an archive by name, each within the file.
pub(super) struct Directory(BTreeMap<String, FileRange>);

impl Directory {
    /// Reads the central directory and, for each entry, the lengths that its own header has.
    pub fn read(file: &File, length: u64) -> Outcome<Directory> {
        let Central { entries, start, end } = find_central(file, length)?;
        let mut stream = Stream::new(file, start, end)?;
        let mut found = Vec::new();
        for _ in 0..entries {
            found.push(read_entry(&mut stream)?);
        }
        let mut ranges = BTreeMap::new();
        for entry in found {
            let range = locate(file, length, &entry)?;
            ranges.insert(entry.name, range);
        }
        Ok(Directory(ranges))
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Where an entry's bytes lie.
    pub fn entry(&self, name: &str) -> Outcome<FileRange> {
        self.0
            .get(name)
            .copied()
            .ok_or_else(|| Fault::Damaged(format!("its archive has no entry `{name}`")))
    }
}

/// Where the central directory lies and how many entries it has.
struct Central {
    entries: u64,
    start: u64,
    end: u64,
}

fn find_central(file: &File, length: u64) -> Outcome<Central> {
    let (end_offset, end) = find_end(file, length)?;
    let (entries, size, start) = match zip64_numbers(file, end_offset)? {
        Some(numbers) => numbers,
        None => (u64::from(short(&end, 10)), u64::from(word(&end, 12)), u64::from(word(&end, 16))),
    };
    let end = start.checked_add(size).filter(|&end| end <= end_offset);
    match end {
        Some(end) => Ok(Central { entries, start, end }),
        None => {
            Err(Fault::damaged_at(end_offset, "its archive's directory is said to lie beyond it"))
        }
    }
}

/// The record at the end of the archive, behind which only a comment may follow.
fn find_end(file: &File, length: u64) -> Outcome<(u64, [u8; END_LENGTH as usize])> {
    let from = length.saturating_sub(END_LENGTH + LONGEST_COMMENT);
    let tail = Stream::new(file, from, length)?.bytes(length - from)?;
    tail.windows(END_LENGTH as usize)
        .enumerate()
        .rev()
        .filter_map(|(place, window)| {
            Some((place, <[u8; END_LENGTH as usize]>::try_from(window).ok()?))
        })
        .find(|(place, end)| {
            let comment = tail.len() - place - END_LENGTH as usize;
            end.starts_with(END) && usize::from(short(end, 20)) == comment
        })
        .map(|(place, end)| (from + place as u64, end))
        .ok_or_else(|| Fault::Damaged("its zip archive has no end".to_owned()))
}

/// Number of entries, size and start of the central directory from the 64-bit record, if there is one.
fn zip64_numbers(file: &File, end_offset: u64) -> Outcome<Option<(u64, u64, u64)>> {
    let Some(locator_offset) = end_offset.checked_sub(LOCATOR_LENGTH) else { return Ok(None) };
    let locator: [u8; LOCATOR_LENGTH as usize] =
        Stream::new(file, locator_offset, end_offset)?.array()?;
    if !locator.starts_with(LOCATOR) {
        return Ok(None);
    }
    let offset = long(&locator, 8);
    if offset > locator_offset {
        return Err(Fault::damaged_at(
            locator_offset,
            "its archive's 64-bit end is said to lie beyond it",
        ));
    }
    let record: [u8; 56] = Stream::new(file, offset, locator_offset)?.array()?;
    if !record.starts_with(ZIP64_END) {
        return Err(Fault::damaged_at(offset, "its archive's 64-bit end should stand"));
    }
    Ok(Some((long(&record, 32), long(&record, 40), long(&record, 48))))
}

/// What the central directory says about an entry.
struct Entry {
    name: String,
    size: u64,
    header: u64,
}

fn read_entry(stream: &mut Stream<'_>) -> Outcome<Entry> {
    let offset = stream.position();
    let fixed: [u8; 46] = stream.array()?;
    if !fixed.starts_with(CENTRAL_ENTRY) {
        return Err(Fault::damaged_at(offset, "an entry of its archive's directory should stand"));
    }
    let name = stream.bytes(u64::from(short(&fixed, 28)))?;
    let extra = stream.bytes(u64::from(short(&fixed, 30)))?;
    stream.skip(u64::from(short(&fixed, 32)))?;
    let name = String::from_utf8_lossy(&name).into_owned();

    // In this order, and only those that did not fit.
    let mut wide = zip64_field(&extra).chunks_exact(8).map(|bytes| long(bytes, 0));
    let mut number = |place: usize| match word(&fixed, place) {
        u32::MAX => wide.next().unwrap_or(u64::from(u32::MAX)),
        narrow => u64::from(narrow),
    };
    let (size, packed, header) = (number(24), number(20), number(42));
    let (is_encrypted, method) = (short(&fixed, 8) & 1 != 0, short(&fixed, 10));
    if is_encrypted || method != 0 || packed != size {
        return Err(Fault::refused_at(
            offset,
            format!(
                "its archive's entry `{name}` is compressed or encrypted, which torch.save never does"
            ),
        ));
    }
    Ok(Entry { name, size, header })
}

fn zip64_field(mut extra: &[u8]) -> &[u8] {
    while let Some((head, rest)) = extra.split_first_chunk::<4>() {
        let length = usize::from(short(head, 2)).min(rest.len());
        if short(head, 0) == ZIP64_FIELD {
            return &rest[..length];
        }
        extra = &rest[length..];
    }
    &[]
}

/// Where the entry's bytes lie: behind its own header, whose name and padding have lengths of their own.
fn locate(file: &File, length: u64, entry: &Entry) -> Outcome<FileRange> {
    let beyond = || {
        Fault::damaged_at(
            entry.header,
            format!("its archive's entry `{}` reaches beyond it", entry.name),
        )
    };
    if entry.header > length {
        return Err(beyond());
    }
    let header: [u8; LOCAL_HEADER_LENGTH as usize] =
        Stream::new(file, entry.header, length)?.array()?;
    if !header.starts_with(LOCAL_HEADER) {
        return Err(Fault::damaged_at(
            entry.header,
            format!("the header of its archive's entry `{}` should stand", entry.name),
        ));
    }
    let names = u64::from(short(&header, 26)) + u64::from(short(&header, 28));
    let start = entry.header + LOCAL_HEADER_LENGTH + names;
    let end = start.checked_add(entry.size).filter(|&end| end <= length).ok_or_else(beyond)?;
    Ok(FileRange { start, end })
}

fn short(bytes: &[u8], place: usize) -> u16 {
    u16::from_le_bytes([bytes[place], bytes[place + 1]])
}

fn word(bytes: &[u8], place: usize) -> u32 {
    u32::from(short(bytes, place)) | u32::from(short(bytes, place + 2)) << 16
}

fn long(bytes: &[u8], place: usize) -> u64 {
    u64::from(word(bytes, place)) | u64::from(word(bytes, place + 4)) << 32
}
