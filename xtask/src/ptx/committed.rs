//! The files that tensor-core embeds: one PTX a source and target.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::source::{KNOWN_TARGETS, Source};

/// Where the files lie, from the workspace's root.
pub const FOLDER: &str = "crates/tensor-core/ptx";

/// Paths within the folder, and texts.
pub type Files = BTreeMap<String, String>;

/// The path of a PTX within the folder.
pub fn path(stem: &str, target: &str) -> String {
    format!("{target}/{stem}.ptx")
}

/// The PTX files in the folder that none of the sources makes.
fn left_over(folder: &Path, sources: &[Source]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for target in KNOWN_TARGETS {
        let Ok(entries) = fs::read_dir(folder.join(target)) else { continue };
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let makes = |source: &Source| {
                source.targets.contains(&target) && format!("{}.ptx", source.stem) == name
            };
            if !sources.iter().any(makes) {
                found.push(format!("{target}/{name}"));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Writes the files that differ from what is there, each at once, and removes left-over ones. Gives how many
/// changed.
pub fn write(root: &Path, files: &Files, sources: &[Source]) -> Result<usize> {
    let folder = root.join(FOLDER);
    let mut changed = 0;
    for (path, text) in files {
        let file = folder.join(path);
        if fs::read_to_string(&file).is_ok_and(|old| old == *text) {
            continue;
        }
        changed += 1;
        write_at_once(&file, text)?;
    }
    for path in left_over(&folder, sources)? {
        changed += 1;
        fs::remove_file(folder.join(&path)).with_context(|| format!("removing {FOLDER}/{path}"))?;
    }
    Ok(changed)
}

/// Writes beside the file and moves it into place: a build that runs meanwhile never reads half of it.
pub fn write_at_once(file: &Path, text: &str) -> Result<()> {
    let said = || format!("writing {}", file.display());
    let parent = file.parent().context("a file without a folder")?;
    fs::create_dir_all(parent).with_context(said)?;
    let fresh = tempfile::Builder::new().tempfile_in(parent).with_context(said)?;
    fs::write(fresh.path(), text).with_context(said)?;
    // A temporary file is private; a source file is not.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o644)).with_context(said)?;
    }
    fresh.persist(file).with_context(said)?;
    Ok(())
}

/// What differs between the committed files and `files`.
pub fn differences(root: &Path, files: &Files, sources: &[Source]) -> Result<Vec<String>> {
    let folder = root.join(FOLDER);
    let mut found = Vec::new();
    for (path, text) in files {
        match fs::read_to_string(folder.join(path)) {
            Ok(old) if old == *text => {}
            Ok(old) => found.push(describe(path, &old, text)),
            Err(_) => found.push(format!("{FOLDER}/{path} is missing")),
        }
    }
    for path in left_over(&folder, sources)? {
        found.push(format!("{FOLDER}/{path} is made by none of the kernels"));
    }
    Ok(found)
}

fn describe(path: &str, old: &str, new: &str) -> String {
    let differing = old.lines().zip(new.lines()).position(|(old, new)| old != new);
    let line = differing.unwrap_or_else(|| old.lines().count().min(new.lines().count()));
    format!("{FOLDER}/{path} differs from what its source gives now, from line {} on", line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<Source> {
        vec![Source {
            stem: "norm".to_string(),
            text: String::new(),
            targets: vec!["sm_75", "sm_80"],
            digests: BTreeMap::new(),
        }]
    }

    fn files() -> Files {
        let mut files = Files::new();
        files.insert(path("norm", "sm_75"), "one\ntwo\n".to_string());
        files.insert(path("norm", "sm_80"), "one\ntwo\n".to_string());
        files
    }

    #[test]
    fn what_was_written_does_not_differ() {
        let root = tempfile::tempdir().unwrap();
        let sources = sources();
        let files = files();
        assert_eq!(write(root.path(), &files, &sources).unwrap(), 2);
        assert_eq!(write(root.path(), &files, &sources).unwrap(), 0);
        assert!(differences(root.path(), &files, &sources).unwrap().is_empty());
    }

    #[test]
    fn changed_missing_and_extra_files_are_told_and_mended() {
        let root = tempfile::tempdir().unwrap();
        let (sources, folder) = (sources(), root.path().join(FOLDER));
        let files = files();
        write(root.path(), &files, &sources).unwrap();
        fs::write(folder.join("sm_75/norm.ptx"), "one\n2\n").unwrap();
        fs::remove_file(folder.join("sm_80/norm.ptx")).unwrap();
        fs::write(folder.join("sm_80/old.ptx"), "old").unwrap();
        let found = differences(root.path(), &files, &sources).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("sm_75/norm.ptx") && found[0].contains("line 2"), "{found:?}");
        assert!(found[1].contains("missing") && found[2].contains("old.ptx"), "{found:?}");
        assert_eq!(write(root.path(), &files, &sources).unwrap(), 3);
        assert!(differences(root.path(), &files, &sources).unwrap().is_empty());
    }
}
