//! The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes.
//!
//! Headers are checked by the `safetensors` crate; the bodies are streamed here, so that a large file is never in
//! memory twice, and written here, because the crate's order of metadata changes from run to run.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;

use ::safetensors::Dtype;
use ::safetensors::tensor::{Metadata, TensorInfo};
use serde_json::{Map, Value, json};

use super::element::{ByteOrder, ElementType};
use super::entry::{Entry, Values};
use super::{StateDict, WeightTensor, write_atomically};
use crate::error::{Error, Result};

/// Longest header accepted, the limit that the format's own implementation sets.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;

/// An open file whose header has been read and agrees with the file's size.
struct Opened {
    reader: BufReader<File>,
    header: Metadata,
}

/// See [`StateDict::read`].
pub(super) fn read(file: File, path: &Path) -> Result<StateDict> {
    let mut opened = open(file, path)?;
    let mut state = StateDict::new();
    *state.metadata_mut() = texts(&opened.header);
    // In the order of the file, so that it is read from front to end.
    for name in opened.header.offset_keys() {
        if let Some(info) = opened.header.info(&name) {
            let values = read_values(&mut opened.reader, info, &name, path)?;
            state.insert(name, WeightTensor { shape: info.shape.clone(), values })?;
        }
    }
    Ok(state)
}

/// See [`StateDict::read_metadata`].
pub(super) fn read_metadata(file: File, path: &Path) -> Result<BTreeMap<String, String>> {
    Ok(texts(&open(file, path)?.header))
}

/// Checks the header and the file's size without reading the tensors.
pub(super) fn check(path: &Path) -> Result<()> {
    let file =
        File::open(path).map_err(|source| Error::ReadFile { path: path.to_owned(), source })?;
    open(file, path).map(drop)
}

/// Writes all entries, the widest elements first so that each begins at a multiple of its size, and the texts beside
/// them.
pub(super) fn write(
    entries: &[Entry<'_>],
    metadata: &BTreeMap<String, String>,
    path: &Path,
) -> Result<()> {
    let mut entries: Vec<&Entry<'_>> = entries.iter().collect();
    entries.sort_by_key(|entry| Reverse(entry.values.element_bytes()));
    let header = header_bytes(&entries, metadata);
    write_atomically(path, |writer| {
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        entries.iter().try_for_each(|entry| entry.values.write(writer))
    })
}

/// The JSON header in the order of the entries, padded to a multiple of eight bytes.
fn header_bytes(entries: &[&Entry<'_>], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut start = 0;
    for entry in entries {
        let end = start + entry.values.bytes();
        let dtype = match entry.values {
            Values::Floats(_) => "F32",
            Values::Integer(_) => "I64",
        };
        header.insert(
            entry.name.to_string(),
            json!({ "dtype": dtype, "shape": entry.shape, "data_offsets": [start, end] }),
        );
        start = end;
    }
    let mut bytes = Value::Object(header).to_string().into_bytes();
    bytes.resize(bytes.len().next_multiple_of(LENGTH_BYTES as usize), b' ');
    bytes
}

fn texts(header: &Metadata) -> BTreeMap<String, String> {
    header.metadata().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect()
}

fn open(mut file: File, path: &Path) -> Result<Opened> {
    let unreadable = |source| Error::ReadFile { path: path.to_owned(), source };
    let length = file.metadata().map_err(unreadable)?.len();
    // Its first bytes have been looked at.
    file.rewind().map_err(unreadable)?;
    let mut reader = BufReader::new(file);

    let mut beginning = Vec::new();
    reader.by_ref().take(LENGTH_BYTES).read_to_end(&mut beginning).map_err(unreadable)?;
    let header = read_header(&mut reader, &beginning, length).map_err(|problem| {
        Error::CorruptWeights { path: path.to_owned(), format: "safetensors", problem }
    })?;
    Ok(Opened { reader, header })
}

/// The parsed header, or what is wrong with it.
fn read_header(
    reader: &mut impl Read,
    beginning: &[u8],
    file_length: u64,
) -> Result<Metadata, String> {
    let header_length = <[u8; LENGTH_BYTES as usize]>::try_from(beginning)
        .map(u64::from_le_bytes)
        .map_err(|_| format!("it has only {file_length} bytes"))?;
    if header_length > MAX_HEADER || header_length > file_length - LENGTH_BYTES {
        return Err(format!(
            "it announces a header of {header_length} bytes, but the whole file has {file_length}"
        ));
    }
    let mut header = Vec::new();
    reader
        .take(header_length)
        .read_to_end(&mut header)
        .map_err(|error| format!("its header cannot be read: {error}"))?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|error| format!("its header is damaged: {error}"))?;
    let whole = (header.data_len() as u64).saturating_add(LENGTH_BYTES + header_length);
    if whole != file_length {
        return Err(format!(
            "by its header it should have {whole} bytes, but it has {file_length}"
        ));
    }
    Ok(header)
}

/// Reads and converts one tensor. `info` has been checked, so its byte count is within the file.
fn read_values(
    reader: &mut impl Read,
    info: &TensorInfo,
    name: &str,
    path: &Path,
) -> Result<Vec<f32>> {
    let element = element(info.dtype).ok_or_else(|| Error::UnsupportedElementType {
        path: path.to_owned(),
        tensor: name.to_owned(),
        dtype: info.dtype.to_string(),
    })?;
    let elements = (info.data_offsets.1 - info.data_offsets.0) / element.bytes();
    element
        .read(reader, elements, ByteOrder::Little)
        .map_err(|source| Error::ReadFile { path: path.to_owned(), source })
}

fn element(dtype: Dtype) -> Option<ElementType> {
    match dtype {
        Dtype::F32 => Some(ElementType::F32),
        Dtype::F16 => Some(ElementType::F16),
        Dtype::BF16 => Some(ElementType::BF16),
        Dtype::F64 => Some(ElementType::F64),
        Dtype::I64 => Some(ElementType::I64),
        Dtype::I32 => Some(ElementType::I32),
        _ => None,
    }
}
