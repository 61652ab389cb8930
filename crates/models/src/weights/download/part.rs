//! The partial file of a download and the entity tag beside it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// `NAME.part`, locked against other processes for as long as it is open.
pub(super) struct Part {
    path: PathBuf,
    tag_path: PathBuf,
    file: File,
    length: u64,
}

impl Part {
    /// Opens the partial file of `destination`, with what an earlier download left in it.
    pub(super) fn open(destination: &Path) -> Result<Self> {
        let path = with_suffix(destination, ".part");
        let tag_path = with_suffix(destination, ".part.etag");
        let (file, length) = open_locked(&path).map_err(|error| match error {
            TryLockError::WouldBlock => Error::DownloadInProgress { part: path.clone() },
            TryLockError::Error(source) => Error::WriteFile { path: path.clone(), source },
        })?;
        Ok(Self { path, tag_path, file, length })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in it.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The entity tag of the file that these bytes belong to, if the server gave one.
    pub(super) fn tag(&self) -> Option<String> {
        fs::read_to_string(&self.tag_path).ok().filter(|tag| !tag.is_empty())
    }

    /// Empties it and remembers the entity tag of the file that will now come.
    pub(super) fn restart(&mut self, tag: Option<&str>) -> Result<()> {
        self.written(|part| {
            part.file.set_len(0)?;
            part.file.seek(SeekFrom::Start(0))?;
            part.length = 0;
            match tag {
                Some(tag) => fs::write(&part.tag_path, tag),
                None => remove_if_there(&part.tag_path),
            }
        })
    }

    /// Adds bytes at its end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.written(|part| {
            part.file.write_all(bytes)?;
            part.length += bytes.len() as u64;
            Ok(())
        })
    }

    /// Forces the bytes to disk and gives the file its final name.
    pub(super) fn finish(self, destination: &Path) -> Result<()> {
        let moved = self.file.sync_all();
        // Closed first: some systems refuse to rename an open file.
        drop(self.file);
        moved
            .and_then(|()| fs::rename(&self.path, destination))
            .and_then(|()| remove_if_there(&self.tag_path))
            .map_err(|source| Error::WriteFile { path: destination.to_owned(), source })
    }

    /// Removes it from the disk. A failure only leaves a file that the next download checks again.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.tag_path);
    }

    fn written(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<()> {
        write(self).map_err(|source| Error::WriteFile { path: self.path.clone(), source })
    }
}

fn open_locked(path: &Path) -> Result<(File, u64), TryLockError> {
    let open = || -> io::Result<File> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    };
    let mut file = open().map_err(TryLockError::Error)?;
    match file.try_lock() {
        // Some network file systems know no locks; there the final checksum is the only guard.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        locked => locked?,
    }
    let length = file.seek(SeekFrom::End(0)).map_err(TryLockError::Error)?;
    Ok((file, length))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
