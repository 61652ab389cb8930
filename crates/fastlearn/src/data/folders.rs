//! From a folder of class folders to splits with one vocabulary.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::labels::Labels;
use super::splits::{HoldOut, Split, cross_validation_indexes};
use crate::{Error, Result};

/// File name extensions taken for pictures, in any case.
pub const PICTURE_EXTENSIONS: [&str; 8] =
    ["jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff"];

const TRAIN: &str = "train";
/// The names that people give the folder of validation pictures.
const VALID: [&str; 3] = ["valid", "val", "validation"];
const TEST: &str = "test";

/// The splits found in a folder.
#[derive(Debug)]
pub struct Folders {
    /// Class names, sorted; labels are indexes into it.
    pub classes: Vec<String>,
    /// Pictures to learn from.
    pub train: Split,
    /// Pictures to judge by.
    pub valid: Split,
    /// Pictures to predict, labelled if they lie in class folders.
    pub test: Option<Split>,
}

/// Reads `ROOT/{train,valid[,test]}/CLASS/*`, or plain `ROOT/CLASS/*` with `hold_out` saying which
/// pictures are for validation (it does too where there is `train` but no `valid`). The test folder
/// may be flat: then its pictures have no labels.
///
/// The classes are the sorted names of the training folders. Files are sorted within a class.
/// Hidden files and files that [are no pictures by name](PICTURE_EXTENSIONS) are passed over.
/// Nothing is decoded here and nothing is written.
///
/// # Errors
/// Names the folder: no such folder, no class folder, a class folder without a picture, a class in
/// validation or test only.
pub fn read_folders(root: &Path, hold_out: HoldOut) -> Result<Folders> {
    let found = find_folders(root)?;
    let (train, valid) = match found.valid {
        Some(valid) => (found.train, valid),
        None => hold_out_of(&found, hold_out)?,
    };
    Ok(Folders { classes: names(&found.vocabulary), train, valid, test: found.test })
}

/// What class folders hold, before anything is held out.
pub(super) struct Found {
    vocabulary: Vec<OsString>,
    /// Where the class folders are.
    folder: PathBuf,
    /// The pictures to learn from, or all.
    pub train: Split,
    pub valid: Option<Split>,
    pub test: Option<Split>,
}

impl Found {
    pub fn classes(&self) -> Vec<String> {
        names(&self.vocabulary)
    }

    /// Every picture with a label but those of the test folder.
    pub fn pool(&self) -> Split {
        match &self.valid {
            Some(valid) => self.train.followed_by(valid),
            None => self.train.clone(),
        }
    }
}

/// Finds class folders: see [`read_folders`].
pub(super) fn find_folders(root: &Path) -> Result<Found> {
    if !root.is_dir() {
        return Err(Error::folder(root, "there is no such folder"));
    }
    let valid = VALID.iter().map(|name| root.join(name)).find(|path| path.is_dir());
    let train = root.join(TRAIN);
    let is_split = train.is_dir() && (valid.is_some() || !list(&train)?.folders.is_empty());
    let folder = if is_split { train } else { root.to_owned() };
    let (vocabulary, files) = read_classes(&folder)?;
    let train = labelled(root, &vocabulary, files, &folder)?;
    let mut found = Found { vocabulary, folder, train, valid: None, test: None };
    if let Some(valid) = valid.filter(|_| is_split) {
        let files = read_classes(&valid)?.1;
        found.valid = Some(labelled(root, &found.vocabulary, files, &valid)?);
    }
    let test = root.join(TEST);
    if is_split && test.is_dir() {
        found.test = Some(read_test(root, &found.vocabulary, &test)?);
    }
    Ok(found)
}

/// Every picture under a folder, at any depth, sorted; or the one file itself.
///
/// # Errors
/// If the path does not exist or a folder cannot be read, or if there is no picture in it.
pub fn pictures_in(path: &Path) -> Result<Vec<PathBuf>> {
    let kind = fs::metadata(path).map_err(|error| Error::io(path, error))?;
    if !kind.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(folder) = waiting.pop() {
        let listing = list(&folder)?;
        found.extend(listing.pictures);
        waiting.extend(listing.folders.iter().map(|name| folder.join(name)));
    }
    found.sort_unstable();
    match found.is_empty() {
        true => Err(Error::folder(path, no_pictures())),
        false => Ok(found),
    }
}

/// Class folder to its pictures, sorted by name.
type ClassFiles = BTreeMap<OsString, Vec<PathBuf>>;

fn read_test(root: &Path, vocabulary: &[OsString], test: &Path) -> Result<Split> {
    let listing = list(test)?;
    if !listing.folders.is_empty() {
        return labelled(root, vocabulary, read_classes(test)?.1, test);
    }
    match listing.pictures.is_empty() {
        true => Err(Error::folder(test, no_pictures())),
        false => Ok(Split::new(root, listing.pictures, Labels::Unknown)),
    }
}

fn read_classes(folder: &Path) -> Result<(Vec<OsString>, ClassFiles)> {
    let listing = list(folder)?;
    if listing.folders.is_empty() {
        let reason =
            "has no class folders; expected CLASS/picture files, one folder for each class";
        return Err(Error::folder(folder, reason));
    }
    let mut files = ClassFiles::new();
    for class in &listing.folders {
        let path = folder.join(class);
        let pictures = list(&path)?.pictures;
        if pictures.is_empty() {
            let reason = format!("is an empty class: it {}", no_pictures());
            return Err(Error::folder(&path, format!("{reason}; add pictures or remove it")));
        }
        files.insert(class.clone(), pictures);
    }
    Ok((listing.folders, files))
}

fn labelled(
    root: &Path,
    vocabulary: &[OsString],
    files: ClassFiles,
    folder: &Path,
) -> Result<Split> {
    let (mut paths, mut labels) = (Vec::new(), Vec::new());
    for (class, pictures) in files {
        let Ok(label) = vocabulary.binary_search(&class) else {
            let reason = "is a class that the training folder does not have; add training pictures or remove it";
            return Err(Error::folder(&folder.join(class), reason));
        };
        labels.extend(std::iter::repeat_n(label as u32, pictures.len()));
        paths.extend(pictures);
    }
    Ok(Split::new(root, paths, Labels::One(labels)))
}

/// Divides the pictures of a folder into those to learn from and those held out.
pub(super) fn hold_out_of(found: &Found, hold_out: HoldOut) -> Result<(Split, Split)> {
    let Found { vocabulary, folder, train: all, .. } = found;
    if !(hold_out.fraction > 0.0 && hold_out.fraction < 1.0) {
        return Err(Error::setting(
            "hold-out fraction",
            hold_out.fraction,
            "it must lie between 0 and 1",
        ));
    }
    let held = cross_validation_indexes(all.len(), hold_out.fold, hold_out.fraction, hold_out.seed);
    if held.is_empty() {
        let reason = format!(
            "has {} pictures, of which {} of part {} leaves none for validation; add pictures or make folders train and valid",
            all.len(),
            hold_out.fraction,
            hold_out.fold
        );
        return Err(Error::folder(folder, reason));
    }
    let mut is_held = vec![false; all.len()];
    held.iter().for_each(|&index| is_held[index] = true);
    let (valid, train): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|&i| is_held[i]);
    let train = all.select(&train);
    let counts = train.labels().counts(vocabulary.len());
    for (class, count) in vocabulary.iter().zip(counts) {
        if count == 0 {
            let reason = "has all its pictures held out for validation; add pictures or choose another fold or seed";
            return Err(Error::folder(&folder.join(class), reason));
        }
    }
    Ok((train, all.select(&valid)))
}

fn names(vocabulary: &[OsString]) -> Vec<String> {
    vocabulary.iter().map(|name| name.to_string_lossy().into_owned()).collect()
}

fn no_pictures() -> String {
    format!("holds no pictures (files ending in {})", PICTURE_EXTENSIONS.join(", "))
}

/// What a folder holds, hidden entries left out, sorted by name.
struct Listing {
    folders: Vec<OsString>,
    pictures: Vec<PathBuf>,
}

fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing { folders: Vec::new(), pictures: Vec::new() };
    for entry in fs::read_dir(folder).map_err(|error| Error::io(folder, error))? {
        let entry = entry.map_err(|error| Error::io(folder, error))?;
        let (name, path) = (entry.file_name(), entry.path());
        // `.ipynb_checkpoints`, `.DS_Store` and the like.
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            listing.folders.push(name);
        } else if is_picture_name(&path) {
            listing.pictures.push(path);
        }
    }
    listing.folders.sort_unstable();
    listing.pictures.sort_unstable();
    Ok(listing)
}

pub(super) fn is_picture_name(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    PICTURE_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
#[path = "folders_tests.rs"]
mod tests;
