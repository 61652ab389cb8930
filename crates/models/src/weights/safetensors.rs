//! The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes.
//!
//! Headers are checked by the `safetensors` crate; the bodies are streamed here, so that a large file is never in
//! memory twice, and written here, because the crate's order of metadata changes from run to run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use ::safetensors::Dtype;
use ::safetensors::tensor::{Metadata, TensorInfo};
use half::{bf16, f16};
use serde_json::{Map, Value, json};

use super::{StateDict, WeightTensor, write_atomically};
use crate::error::{Error, Result};

/// The formats that can be read, as error messages name them.
const ACCEPTED: &str = "safetensors (.safetensors)";
/// Longest header accepted, the limit that the format's own implementation sets.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;
/// Bytes converted at a time; a multiple of every element size.
const CHUNK: usize = 1 << 20;

/// An open file whose header has been read and agrees with the file's size.
struct Opened {
    reader: BufReader<File>,
    header: Metadata,
}

/// See [`StateDict::read`].
pub(super) fn read(path: &Path) -> Result<StateDict> {
    let mut opened = open(path)?;
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
pub(super) fn read_metadata(path: &Path) -> Result<BTreeMap<String, String>> {
    Ok(texts(&open(path)?.header))
}

/// Checks the header and the file's size without reading the tensors.
pub(super) fn check(path: &Path) -> Result<()> {
    open(path).map(drop)
}

/// See [`StateDict::write`].
pub(super) fn write(state: &StateDict, path: &Path) -> Result<()> {
    let header = header_bytes(state);
    write_atomically(path, |writer| {
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        for (_, tensor) in state.iter() {
            for value in &tensor.values {
                writer.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    })
}

/// The JSON header in the order of [`StateDict::iter`], padded to a multiple of eight bytes.
fn header_bytes(state: &StateDict) -> Vec<u8> {
    let mut header = Map::new();
    if !state.metadata().is_empty() {
        header.insert("__metadata__".to_owned(), json!(state.metadata()));
    }
    let mut start = 0;
    for (name, tensor) in state.iter() {
        let end = start + tensor.values.len() * size_of::<f32>();
        header.insert(
            name.to_owned(),
            json!({ "dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end] }),
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

fn open(path: &Path) -> Result<Opened> {
    refuse_other_extensions(path)?;
    let unreadable = |source| Error::ReadFile { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut reader = BufReader::with_capacity(CHUNK, file);

    let mut beginning = Vec::new();
    reader.by_ref().take(LENGTH_BYTES).read_to_end(&mut beginning).map_err(unreadable)?;
    let header = read_header(&mut reader, &beginning, length)
        .map_err(|problem| content_error(path, &beginning, problem))?;
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

/// A foreign format under this name is called by its own name; anything else is damage.
fn content_error(path: &Path, beginning: &[u8], problem: String) -> Error {
    let found = match beginning {
        [b'P', b'K', 3, 4, ..] => "a zip archive (PyTorch's .pth looks like this)",
        // The pickle protocol opcode, its version, and an opcode that pushes the first object.
        [0x80, 2..=5, ..] => "a Python pickle (an older .pth looks like this)",
        _ => {
            return Error::CorruptWeights { path: path.to_owned(), problem };
        }
    };
    Error::UnsupportedFormat { path: path.to_owned(), found: found.to_owned(), accepted: ACCEPTED }
}

fn refuse_other_extensions(path: &Path) -> Result<()> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    match extension.as_str() {
        "pth" | "pt" | "th" | "bin" | "ckpt" | "h5" | "onnx" | "npz" => {
            Err(Error::UnsupportedFormat {
                path: path.to_owned(),
                found: format!("a .{extension} file"),
                accepted: ACCEPTED,
            })
        }
        _ => Ok(()),
    }
}

/// Reads and converts one tensor. `info` has been checked, so its byte count is within the file.
fn read_values(
    reader: &mut impl Read,
    info: &TensorInfo,
    name: &str,
    path: &Path,
) -> Result<Vec<f32>> {
    let convert = converter(info.dtype).ok_or_else(|| Error::UnsupportedElementType {
        path: path.to_owned(),
        tensor: name.to_owned(),
        dtype: info.dtype.to_string(),
    })?;
    let mut left = info.data_offsets.1 - info.data_offsets.0;
    let mut values = Vec::with_capacity(info.shape.iter().product());
    let mut chunk = vec![0; left.min(CHUNK)];
    while left > 0 {
        let bytes = &mut chunk[..left.min(CHUNK)];
        reader
            .read_exact(bytes)
            .map_err(|source| Error::ReadFile { path: path.to_owned(), source })?;
        convert(bytes, &mut values);
        left -= bytes.len();
    }
    Ok(values)
}

type Convert = fn(&[u8], &mut Vec<f32>);

fn converter(dtype: Dtype) -> Option<Convert> {
    fn each<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, convert: impl Fn([u8; N]) -> f32) {
        let (elements, _) = bytes.as_chunks::<N>();
        values.extend(elements.iter().map(|element| convert(*element)));
    }
    let convert: Convert = match dtype {
        Dtype::F32 => |bytes, values| each(bytes, values, f32::from_le_bytes),
        Dtype::F16 => |bytes, values| each(bytes, values, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => |bytes, values| each(bytes, values, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F64 => |bytes, values| each(bytes, values, |b| f64::from_le_bytes(b) as f32),
        Dtype::I64 => |bytes, values| each(bytes, values, |b| i64::from_le_bytes(b) as f32),
        Dtype::I32 => |bytes, values| each(bytes, values, |b| i32::from_le_bytes(b) as f32),
        _ => return None,
    };
    Some(convert)
}
