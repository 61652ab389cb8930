//! The second container, which `torch.save` wrote until 1.6: pickles one after the other (a magic number, the protocol's
//! version, the machine, the object, the keys of its storages), then each storage's length and elements.
//!
//! Numbers are little-endian on every machine: PyTorch turns them round when it writes, whatever the pickled
//! `little_endian` says.

use std::collections::HashMap;
use std::fs::File;
use std::rc::Rc;

use super::Checkpoint;
use super::fault::{Fault, Outcome};
use super::pickle::{Object, Objects, PersistentIds, Unexpected, Value, load};
use super::storage::{Place, StorageSlice, StorageType, Storages};
use super::storage_id::StorageId;
use super::stream::Stream;
use crate::weights::element::ByteOrder;

/// The version that all these files have.
const PROTOCOL_VERSION: u64 = 1001;

/// Reads the pickles and finds where each storage lies.
pub(super) fn open(file: &File, length: u64) -> Outcome<Checkpoint> {
    let mut stream = Stream::new(file, 0, length)?;
    let _magic = load(&mut stream, &mut Objects::default(), &mut Unexpected)?;
    let version = load(&mut stream, &mut Objects::default(), &mut Unexpected)?.count();
    if version != Some(PROTOCOL_VERSION) {
        return Err(Fault::Refused(format!(
            "its protocol version is {version:?}, and only {PROTOCOL_VERSION} is known"
        )));
    }
    let _machine = load(&mut stream, &mut Objects::default(), &mut Unexpected)?;

    let (mut objects, mut declared) = (Objects::default(), Declared::default());
    let root = load(&mut stream, &mut objects, &mut declared)?;
    let storages = find_storages(&mut stream, length, &declared)?;
    Ok(Checkpoint { objects, root, storages })
}

/// The list of keys, and then the storages in its order.
fn find_storages(stream: &mut Stream<'_>, length: u64, declared: &Declared) -> Outcome<Storages> {
    let offset = stream.position();
    let mut objects = Objects::default();
    let keys = load(stream, &mut objects, &mut Unexpected)?;
    let keys = objects
        .sequence(keys)
        .ok_or_else(|| Fault::damaged_at(offset, "the list of storages should stand"))?;
    let mut storages = Storages::new(length, ByteOrder::Little);
    for &key in keys {
        let offset = stream.position();
        let known = objects.key(key).and_then(|key| Some((declared.0.get(&key)?, key)));
        let (&(kind, expected), key) = known.ok_or_else(|| {
            Fault::damaged_at(offset, "a storage follows that no tensor is said to use")
        })?;
        let elements = u64::from_le_bytes(stream.array()?);
        let bytes = kind.bytes_of(elements).filter(|_| elements == expected).ok_or_else(|| {
            Fault::damaged_at(
                offset,
                format!("storage {key} has {elements} elements where its pickle says {expected}"),
            )
        })?;
        let start = stream.position();
        stream.skip(bytes)?;
        storages.insert(key, Place { kind, start, elements });
    }
    Ok(storages)
}

/// The storages that the pickle mentions, with their class and number of elements.
#[derive(Default)]
struct Declared(HashMap<Rc<str>, (&'static StorageType, u64)>);

impl PersistentIds for Declared {
    fn resolve(&mut self, objects: &Objects, id: Value) -> Outcome<Object> {
        let StorageId { kind, key, elements, view } = StorageId::of(objects, id)?;
        let known = *self.0.entry(key.clone()).or_insert((kind, elements));
        if known != (kind, elements) {
            return Err(Fault::Damaged(format!("storage {key} is described in two ways")));
        }
        let (start, length) = view.unwrap_or((0, elements));
        Ok(Object::Storage(StorageSlice { key, start, length }))
    }
}
