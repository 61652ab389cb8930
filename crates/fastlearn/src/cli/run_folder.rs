//! The folder that holds everything a run leaves. It is new, or that of a run that is resumed: nothing is
//! ever overwritten. While a run writes into it, no other one can.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use fastlearn::interpret::Drawing;
use models::weights::write_atomically;

use super::error::{CommandError, Result};

/// Folder of the run folders unless told otherwise.
const RUNS: &str = "runs";

/// The file that says by its lock that a run is writing. The system lifts the lock when the process
/// ends, however it ends.
const LOCK: &str = ".lock";
/// What files begin with that were being written when a process was killed.
const HALF_WRITTEN: &str = ".writing-";

/// A folder that was empty when the run began, or is that of an earlier part of it, and can be written.
/// If nothing is put into it, it goes again.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Held until the run is over.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder `chosen`, or `runs/NAME-OF-DATA/NUMBER`, and tries to write into it.
    pub fn create(chosen: Option<&Path>, data: &Path) -> Result<RunFolder> {
        let path = match chosen {
            Some(path) => {
                refuse_inside(path, data)?;
                fs::create_dir_all(path).map_err(|error| not_writable(path, &error))?;
                path.to_owned()
            }
            None => {
                let runs = Path::new(RUNS).join(name_of(data));
                refuse_inside(&runs, data)?;
                numbered_folder(&runs)?
            }
        };
        let folder = RunFolder::lock(path)?;
        folder.refuse_content()?;
        tempfile::tempfile_in(&folder.path)
            .and_then(|mut file| file.write_all(b"can this folder be written?"))
            .map_err(|error| not_writable(&folder.path, &error))?;
        Ok(folder)
    }

    /// The folder of a run that is to go on.
    pub fn reopen(path: &Path) -> Result<RunFolder> {
        let folder = RunFolder::lock(path.to_owned())?;
        for entry in
            fs::read_dir(path).map_err(|error| CommandError::reading(path, error))?.flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(HALF_WRITTEN) {
                // What stays takes room and nothing else.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(folder)
    }

    fn lock(path: PathBuf) -> Result<RunFolder> {
        let refused = |error: &std::io::Error| not_writable(&path, error);
        let file = path.join(LOCK);
        let lock = File::options().create(true).append(true).open(&file);
        let lock = lock.map_err(|error| refused(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(RunFolder { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(CommandError::run_folder(
                &path,
                "another run is writing into it; wait for its end, or choose another folder with --out",
            )),
            // A file system without locks: then nobody is kept out.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                Ok(RunFolder { path, _lock: lock })
            }
            Err(TryLockError::Error(error)) => Err(refused(&error)),
        }
    }

    fn refuse_content(&self) -> Result<()> {
        let path = &self.path;
        let entries = fs::read_dir(path).map_err(|error| CommandError::reading(path, error))?;
        match entries.flatten().any(|entry| entry.file_name() != LOCK) {
            false => Ok(()),
            true => Err(CommandError::run_folder(
                path,
                "is not empty and nothing is overwritten; choose a new folder with --out, or go on with \
                 the run in it with --resume",
            )),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a whole file or none.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.file(name);
        write_atomically(&path, |writer| writer.write_all(content.as_ref()))?;
        Ok(path)
    }

    /// Draws a plot into a file.
    pub fn draw(&self, name: &str, drawing: &impl Drawing) -> Result<PathBuf> {
        let path = self.file(name);
        drawing.save(&path)?;
        Ok(path)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.file(LOCK));
        // Refused unless the folder is empty, which is what is wanted.
        let _ = fs::remove_dir(&self.path);
    }
}

/// The name of the data folder, even if it was given as `.`.
pub fn name_of(data: &Path) -> PathBuf {
    let whole = fs::canonicalize(data).unwrap_or_else(|_| data.to_owned());
    whole.file_name().map_or_else(|| PathBuf::from("data"), PathBuf::from)
}

/// The data folder is never written to.
pub fn refuse_inside(folder: &Path, data: &Path) -> Result<()> {
    let data = fs::canonicalize(data).map_err(|error| CommandError::reading(data, error))?;
    let absolute = std::path::absolute(folder)
        .map_err(|error| CommandError::run_folder(folder, error.to_string()))?;
    // The folder need not exist yet; what exists of it tells where it will be.
    let inside = absolute
        .ancestors()
        .find_map(|ancestor| fs::canonicalize(ancestor).ok())
        .is_some_and(|existing| existing.starts_with(&data));
    match inside {
        true => Err(CommandError::run_folder(
            folder,
            "lies in the data folder, which is never written to; choose another with --out",
        )),
        false => Ok(()),
    }
}

/// The first number above all that are there; made at once, so that two runs never share one.
fn numbered_folder(runs: &Path) -> Result<PathBuf> {
    fs::create_dir_all(runs).map_err(|error| not_writable(runs, &error))?;
    let entries = fs::read_dir(runs).map_err(|error| CommandError::reading(runs, error))?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut number: u32 = numbers.max().unwrap_or(0);
    loop {
        number = number.saturating_add(1);
        let path = runs.join(format!("{number:03}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < u32::MAX => {}
            Err(error) => return Err(not_writable(&path, &error)),
        }
    }
}

fn not_writable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::run_folder(
        path,
        format!("cannot be written ({error}); choose a folder that can be with --out"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_up_and_an_unused_folder_goes() {
        let runs = tempfile::tempdir().unwrap();
        let first = numbered_folder(runs.path()).unwrap();
        assert_eq!(first, runs.path().join("001"));
        fs::create_dir(runs.path().join("017")).unwrap();
        assert_eq!(numbered_folder(runs.path()).unwrap(), runs.path().join("018"));

        let data = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&runs.path().join("new/run")), data.path()).unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
        let folder = RunFolder::create(Some(&path), data.path()).unwrap();
        folder.write("recipe.toml", "seed = 1").unwrap();
        drop(folder);
        let error = RunFolder::create(Some(&path), data.path()).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
        assert_eq!(fs::read_to_string(path.join("recipe.toml")).unwrap(), "seed = 1");
    }

    #[test]
    fn the_data_folder_is_refused() {
        let data = tempfile::tempdir().unwrap();
        for inside in ["runs/x", "", "a/../b"] {
            let error = RunFolder::create(Some(&data.path().join(inside)), data.path());
            assert!(error.unwrap_err().to_string().contains("never written to"), "{inside}");
        }
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    }
}
