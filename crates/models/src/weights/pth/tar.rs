//! The first container, which `torch.save` wrote until early 2017: an uncompressed tar with the members `sys_info`,
//! `storages`, `tensors` and `pickle`.
//!
//! Storages and tensors have keys (addresses of the time); the pickle names tensors by them. Numbers are
//! little-endian on every machine: PyTorch turned them round when it wrote, whatever `sys_info` says.

use std::collections::HashMap;
use std::fs::File;
use std::rc::Rc;

use super::fault::{Fault, Outcome};
use super::pickle::{Global, Object, Objects, PersistentIds, Unexpected, Value, load};
use super::storage::{Place, StorageSlice, Storages, View};
use super::stream::Stream;
use super::{Checkpoint, FileRange};
use crate::weights::element::ByteOrder;

/// Everything in a tar is a multiple of so many bytes.
const BLOCK: u64 = 512;
/// Members that are looked at before the archive is called something else.
const MOST_MEMBERS: usize = 64;
/// Dimensions of a tensor.
const MOST_DIMENSIONS: u32 = 64;

/// Reads the archive's directory, its storages' places, its tensors and its pickle.
pub(super) fn open(file: &File, length: u64) -> Outcome<Checkpoint> {
    let members = members(file, length)?;
    let member = |name: &str| {
        members.get(name).copied().ok_or_else(|| {
            Fault::Refused(format!(
                "it is a tar archive without `{name}`: torch.save did not write it"
            ))
        })
    };
    let mut storages = Storages::new(length, ByteOrder::Little);
    let slices = read_storages(&mut stream(file, member("storages")?)?, &mut storages)?;
    let mut tensors = read_tensors(&mut stream(file, member("tensors")?)?, &slices)?;
    let mut objects = Objects::default();
    let root = load(&mut stream(file, member("pickle")?)?, &mut objects, &mut tensors)?;
    Ok(Checkpoint { objects, root, storages })
}

fn stream(file: &File, range: FileRange) -> Outcome<Stream<'_>> {
    Stream::new(file, range.start, range.end)
}

/// Where each plain member lies.
fn members(file: &File, length: u64) -> Outcome<HashMap<String, FileRange>> {
    let mut stream = Stream::new(file, 0, length)?;
    let mut members = HashMap::new();
    for _ in 0..MOST_MEMBERS {
        // Two empty blocks end an archive; some writers leave them out.
        if stream.left() < BLOCK {
            return Ok(members);
        }
        let offset = stream.position();
        let header = stream.array::<{ BLOCK as usize }>()?;
        if header.iter().all(|&byte| byte == 0) {
            return Ok(members);
        }
        if &header[257..262] != b"ustar" {
            return Err(Fault::damaged_at(offset, "a tar header should stand"));
        }
        let size = octal(&header[124..136])
            .ok_or_else(|| Fault::damaged_at(offset, "a tar member's size is no octal number"))?;
        let start = stream.position();
        stream.skip(size)?;
        // Type 0 is a plain file; the others (PAX headers with times, folders) say nothing about weights.
        if matches!(header[156], b'0' | 0) {
            let name = header[..100].split(|&byte| byte == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            let name = name.trim_start_matches("./").to_owned();
            members.insert(name, FileRange { start, end: start + size });
        }
        stream.skip((size.next_multiple_of(BLOCK) - size).min(stream.left()))?;
    }
    Err(Fault::Refused(format!("it is a tar archive of more than {MOST_MEMBERS} members")))
}

/// A number in octal digits, ended by a space or a zero.
fn octal(digits: &[u8]) -> Option<u64> {
    let text = str::from_utf8(digits).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}

/// The number of entries that a member begins with.
fn count(stream: &mut Stream<'_>, what: &str) -> Outcome<u64> {
    let offset = stream.position();
    let count = load(stream, &mut Objects::default(), &mut Unexpected)?.count();
    // Each entry takes at least a byte.
    count
        .filter(|&count| count <= stream.left())
        .ok_or_else(|| Fault::damaged_at(offset, format!("the number of {what} makes no sense")))
}

/// One pickle that is a tuple of `N`, with what it is made of.
fn tuple<const N: usize>(stream: &mut Stream<'_>, objects: &mut Objects) -> Outcome<[Value; N]> {
    let offset = stream.position();
    let value = load(stream, objects, &mut Unexpected)?;
    objects
        .sequence(value)
        .and_then(|parts| parts.try_into().ok())
        .ok_or_else(|| Fault::damaged_at(offset, format!("a tuple of {N} should stand")))
}

/// Finds where every storage lies and returns all names for them, those of views included.
fn read_storages(
    stream: &mut Stream<'_>,
    storages: &mut Storages,
) -> Outcome<HashMap<Rc<str>, StorageSlice>> {
    let mut slices = HashMap::new();
    for _ in 0..count(stream, "storages")? {
        let offset = stream.position();
        let mut objects = Objects::default();
        let [key, _location, class] = tuple(stream, &mut objects)?;
        let (Some(key), Value::Global(Global::Storage(kind))) = (objects.key(key), class) else {
            return Err(Fault::damaged_at(offset, "a storage's key and class should stand"));
        };
        let elements = u64::from_le_bytes(stream.array()?);
        let start = stream.position();
        let bytes = kind.bytes_of(elements).ok_or_else(|| {
            Fault::damaged_at(offset, format!("storage {key} announces {elements} elements"))
        })?;
        stream.skip(bytes)?;
        storages.insert(key.clone(), Place { kind, start, elements });
        slices.insert(key.clone(), StorageSlice { key, start: 0, length: elements });
    }
    add_storage_views(stream, &mut slices)?;
    Ok(slices)
}

/// Storages that are parts of others: `(key, key of the whole, first element, elements)`.
fn add_storage_views(
    stream: &mut Stream<'_>,
    slices: &mut HashMap<Rc<str>, StorageSlice>,
) -> Outcome<()> {
    let offset = stream.position();
    let damaged = || Fault::damaged_at(offset, "a list of views of storages should stand");
    let mut objects = Objects::default();
    let views = load(stream, &mut objects, &mut Unexpected)?;
    for &view in objects.sequence(views).ok_or_else(damaged)? {
        let &[key, whole, start, length] = objects.sequence(view).ok_or_else(damaged)? else {
            return Err(damaged());
        };
        let (Some(key), Some(whole)) = (objects.key(key), objects.key(whole)) else {
            return Err(damaged());
        };
        let (Some(start), Some(length)) = (start.count(), length.count()) else {
            return Err(damaged());
        };
        let root = slices.get(&whole).ok_or_else(damaged)?.key.clone();
        slices.insert(key, StorageSlice { key: root, start, length });
    }
    Ok(())
}

/// Tensors by key: which storage, lengths, steps and offset.
struct Tensors(HashMap<Rc<str>, View>);

fn read_tensors(
    stream: &mut Stream<'_>,
    slices: &HashMap<Rc<str>, StorageSlice>,
) -> Outcome<Tensors> {
    let mut tensors = HashMap::new();
    for _ in 0..count(stream, "tensors")? {
        let offset = stream.position();
        let mut objects = Objects::default();
        let [key, storage, _class] = tuple(stream, &mut objects)?;
        let (Some(key), Some(storage)) = (objects.key(key), objects.key(storage)) else {
            return Err(Fault::damaged_at(offset, "a tensor's and its storage's key should stand"));
        };
        let storage = slices.get(&storage).ok_or_else(|| {
            Fault::damaged_at(
                offset,
                format!("tensor {key} needs storage {storage}, which is missing"),
            )
        })?;
        let dimensions = u32::from_le_bytes(stream.array()?);
        if dimensions > MOST_DIMENSIONS {
            return Err(Fault::damaged_at(
                offset,
                format!("tensor {key} announces {dimensions} dimensions"),
            ));
        }
        // The number of dimensions once took eight bytes.
        stream.skip(4)?;
        let mut numbers = |count: u32| -> Outcome<Vec<u64>> {
            (0..count)
                .map(|_| {
                    u64::try_from(i64::from_le_bytes(stream.array()?)).map_err(|_| {
                        Fault::damaged_at(offset, format!("tensor {key} has a negative number"))
                    })
                })
                .collect()
        };
        let (shape, strides) = (numbers(dimensions)?, numbers(dimensions)?);
        let start = numbers(1)?[0];
        tensors.insert(key, View { storage: storage.clone(), offset: start, shape, strides });
    }
    Ok(Tensors(tensors))
}

impl PersistentIds for Tensors {
    fn resolve(&mut self, objects: &Objects, id: Value) -> Outcome<Object> {
        let key = objects.key(id).ok_or_else(|| {
            Fault::Refused("it holds a whole module with its source, not a state dict".to_owned())
        })?;
        let view = self.0.get(&key).cloned();
        view.map(Object::Tensor).ok_or_else(|| {
            Fault::Damaged(format!("its pickle needs tensor {key}, which is missing"))
        })
    }
}
