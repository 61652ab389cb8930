//! The third container, which `torch.save` has written since 1.6: a zip archive of stored entries, all in one folder:
//! `data.pkl`, a file for each storage in `data/`, and since 2.1 `byteorder`.
//!
//! Where the entries lie is [`directory`]'s business, writing an archive [`archive`]'s.

mod archive;
mod directory;

use std::fs::File;

pub(super) use self::archive::Archive;
use self::directory::Directory;
use super::fault::{Fault, Outcome};
use super::pickle::{Object, Objects, PersistentIds, Value, load};
use super::storage::{Place, StorageSlice, Storages};
use super::storage_id::StorageId;
use super::stream::Stream;
use super::{Checkpoint, FileRange};
use crate::weights::element::ByteOrder;

/// The pickle's name within the archive's folder.
const PICKLE: &str = "data.pkl";

/// Reads the archive's directory and its pickle.
pub(super) fn open(file: &File, length: u64) -> Outcome<Checkpoint> {
    let directory = Directory::read(file, length)?;
    let folder = folder(&directory)?;
    let pickle = directory.entry(&format!("{folder}{PICKLE}"))?;
    let order = byte_order(file, &directory, &folder)?;
    let mut records = Records { directory, folder, storages: Storages::new(length, order) };
    let mut objects = Objects::default();
    let root = load(&mut stream(file, pickle)?, &mut objects, &mut records)?;
    Ok(Checkpoint { objects, root, storages: records.storages })
}

fn stream(file: &File, range: FileRange) -> Outcome<Stream<'_>> {
    Stream::new(file, range.start, range.end)
}

/// The folder that everything lies in, with its slash: whatever the file was called when it was saved.
fn folder(directory: &Directory) -> Outcome<String> {
    if directory.names().any(|name| name.ends_with("/constants.pkl")) {
        return Err(Fault::Refused(
            "it holds a TorchScript program (torch.jit.save), not a state dict".to_owned(),
        ));
    }
    let mut folders = directory.names().filter_map(|name| {
        name.strip_suffix(PICKLE).filter(|folder| folder.find('/') == folder.len().checked_sub(1))
    });
    match (folders.next(), folders.next()) {
        (Some(folder), None) => Ok(folder.to_owned()),
        _ => Err(Fault::Refused(format!(
            "it is a zip archive without one `{PICKLE}`: torch.save did not write it"
        ))),
    }
}

/// What the entry `byteorder` says; files without one are little-endian.
fn byte_order(file: &File, directory: &Directory, folder: &str) -> Outcome<ByteOrder> {
    let Ok(range) = directory.entry(&format!("{folder}byteorder")) else {
        return Ok(ByteOrder::Little);
    };
    match stream(file, range)?.bytes((range.end - range.start).min(8))?.as_slice() {
        b"little" => Ok(ByteOrder::Little),
        b"big" => Ok(ByteOrder::Big),
        _ => Err(Fault::Damaged("its entry `byteorder` is neither little nor big".to_owned())),
    }
}

/// The storages as the pickle mentions them, each an entry of the archive.
struct Records {
    directory: Directory,
    folder: String,
    storages: Storages,
}

impl PersistentIds for Records {
    fn resolve(&mut self, objects: &Objects, id: Value) -> Outcome<Object> {
        let StorageId { kind, key, elements, view } = StorageId::of(objects, id)?;
        if view.is_some() {
            return Err(Fault::Damaged(format!("storage {key} is part of another")));
        }
        let FileRange { start, end } =
            self.directory.entry(&format!("{}data/{key}", self.folder))?;
        if kind.bytes_of(elements) != Some(end - start) {
            return Err(Fault::Damaged(format!(
                "storage {key} has {} bytes where its pickle says {elements} elements of {} bytes",
                end - start,
                kind.bytes
            )));
        }
        self.storages.insert(key.clone(), Place { kind, start, elements });
        Ok(Object::Storage(StorageSlice { key, start: 0, length: elements }))
    }
}
