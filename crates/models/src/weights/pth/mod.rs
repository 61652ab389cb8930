//! What `torch.save` writes (`.pth`), in each of the three containers it has used, read without executing anything; the third
//! is written too ([`write`](mod@write)).
//!
//! The containers say where pickles and storages lie ([`tar`], [`legacy`], [`zip`]), the pickle machine what tensors
//! are made of them ([`pickle`]), [`state`] which of these are the state dict, [`storage`] reads their elements. A
//! hostile file costs an error: every length is checked against the file before memory is taken, nothing recurses,
//! and the names that a pickle may mention are a fixed list.

mod fault;
mod legacy;
mod pickle;
mod state;
mod storage;
mod storage_id;
mod stream;
mod tar;
mod write;
mod zip;

use std::fs::File;
use std::path::Path;

use super::StateDict;
use super::format::{Container, Format};
use crate::error::Result;

pub(super) use write::write;

use fault::{Fault, Outcome};
use pickle::{Objects, Value};
use storage::Storages;

/// Bytes `start..end` of a file, known to lie within it.
#[derive(Debug, Clone, Copy)]
struct FileRange {
    start: u64,
    end: u64,
}

/// What a file holds before a tensor is read.
struct Checkpoint {
    objects: Objects,
    root: Value,
    storages: Storages,
}

/// See [`StateDict::read`].
pub(super) fn read(container: Container, file: &File, path: &Path) -> Result<StateDict> {
    let tensors = read_tensors(container, file).map_err(|fault| fault.in_file(path))?;
    let mut state = StateDict::new();
    for (name, tensor) in tensors {
        state.insert(name, tensor)?;
    }
    Ok(state)
}

/// Checks everything but the tensors' elements: directories, pickles, and where storages lie.
pub(super) fn check(path: &Path) -> Result<()> {
    let (Format::Pth(container), file) = Format::of(path)? else {
        let problem = "it does not begin as one".to_owned();
        return Err(Fault::Damaged(problem).in_file(path));
    };
    open(container, &file).map(drop).map_err(|fault| fault.in_file(path))
}

fn read_tensors(container: Container, file: &File) -> Outcome<Vec<(String, super::WeightTensor)>> {
    let mut checkpoint = open(container, file)?;
    let views = state::tensors(&checkpoint.objects, checkpoint.root)?;
    let mut tensors = Vec::new();
    for (name, view) in views {
        let tensor = checkpoint.storages.read(file, &name, &view)?;
        tensors.push((name, tensor));
    }
    Ok(tensors)
}

fn open(container: Container, file: &File) -> Outcome<Checkpoint> {
    let length = file.metadata()?.len();
    match container {
        Container::Tar => tar::open(file, length),
        Container::Legacy => legacy::open(file, length),
        Container::Zip => zip::open(file, length),
    }
}
