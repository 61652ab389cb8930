//! The kernels as text: which files there are, which targets each names, which headers it includes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// Where the device code lies, from the workspace's root.
pub const FOLDER: &str = "kernels";

/// How a .cu file begins the line that names its targets.
const TARGETS: &str = "// targets:";

/// The chips that kernels may be compiled for.
pub const KNOWN_TARGETS: [&str; 3] = ["sm_75", "sm_80", "sm_90a"];

/// One .cu file and everything it includes.
pub struct Source {
    /// The file's name without `.cu`.
    pub stem: String,
    /// Its text.
    pub text: String,
    /// The chips it is compiled for, of [`KNOWN_TARGETS`].
    pub targets: Vec<&'static str>,
    /// The sha256 of the file and of each header, keyed by path from the workspace's root.
    pub digests: BTreeMap<String, String>,
}

/// Reads all .cu files below `root/kernels`, sorted by stem.
pub fn read_all(root: &Path) -> Result<Vec<Source>> {
    let folder = root.join(FOLDER);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "cu"));
    paths.sort();
    paths.iter().map(|path| read(&folder, path)).collect()
}

fn read(folder: &Path, path: &Path) -> Result<Source> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = format!("{stem}.cu");
    let mut texts = BTreeMap::new();
    collect(folder, &name, &mut texts)?;
    let digests = texts
        .iter()
        .map(|(name, text)| (format!("{FOLDER}/{name}"), sha256(text.as_bytes())))
        .collect();
    let text = texts.remove(&name).unwrap_or_default();
    let targets = targets(&text).with_context(|| format!("{FOLDER}/{name}"))?;
    Ok(Source { stem, text, targets, digests })
}

/// Reads a file of `folder` and what it includes, and that in turn, each once.
pub fn collect(folder: &Path, name: &str, texts: &mut BTreeMap<String, String>) -> Result<()> {
    if texts.contains_key(name) {
        return Ok(());
    }
    let text = fs::read_to_string(folder.join(name))
        .with_context(|| format!("reading {FOLDER}/{name}; includes are written from {FOLDER}/"))?;
    let included: Vec<String> = includes(&text).map(str::to_string).collect();
    texts.insert(name.to_string(), text);
    included.iter().try_for_each(|name| collect(folder, name, texts))
}

/// The names in `#include "..."` lines.
fn includes(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        line.trim_start()
            .strip_prefix('#')?
            .trim_start()
            .strip_prefix("include")?
            .trim()
            .strip_prefix('"')?
            .split('"')
            .next()
    })
}

/// The targets that a .cu file's text names.
fn targets(text: &str) -> Result<Vec<&'static str>> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(TARGETS));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        bail!("the head needs exactly one line `{TARGETS} {}`", KNOWN_TARGETS.join(" "));
    };
    let mut targets = Vec::new();
    for word in line.split_whitespace() {
        match KNOWN_TARGETS.iter().find(|known| **known == word) {
            Some(known) if !targets.contains(known) => targets.push(*known),
            Some(_) => bail!("the target {word} is named twice"),
            None => bail!("no such target: {word}; there are {}", KNOWN_TARGETS.join(" ")),
        }
    }
    if targets.is_empty() {
        bail!("the line `{TARGETS}` names no target");
    }
    Ok(targets)
}

/// The digest in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_the_one_line() {
        assert_eq!(targets("// x\n// targets: sm_80 sm_90a\n").unwrap(), ["sm_80", "sm_90a"]);
        for (text, complaint) in [
            ("// none here", "exactly one line"),
            ("// targets: sm_80\n// targets: sm_80", "exactly one line"),
            ("// targets: sm_81", "no such target: sm_81"),
            ("// targets: sm_80 sm_80", "named twice"),
            ("// targets:", "names no target"),
        ] {
            let message = format!("{:#}", targets(text).unwrap_err());
            assert!(message.contains(complaint), "{text}: {message}");
        }
    }

    #[test]
    fn headers_count_however_they_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        let kernels = folder.path().join(FOLDER);
        fs::create_dir_all(kernels.join("common")).unwrap();
        let write = |name: &str, text: &str| fs::write(kernels.join(name), text).unwrap();
        write("a.cu", "// targets: sm_75\n#include \"common/one.cuh\"\n");
        write("common/one.cuh", "#pragma once\n  # include \"common/two.cuh\"\n");
        write("common/two.cuh", "#include \"common/one.cuh\"\n#include <not_ours>\n");
        write("notes.md", "not a kernel");
        let sources = read_all(folder.path()).unwrap();
        assert_eq!(sources.len(), 1);
        let paths: Vec<&String> = sources[0].digests.keys().collect();
        assert_eq!(paths, ["kernels/a.cu", "kernels/common/one.cuh", "kernels/common/two.cuh"]);

        write("b.cu", "// targets: sm_75\n#include \"common/three.cuh\"\n");
        let message = format!("{:#}", read_all(folder.path()).err().unwrap());
        assert!(message.contains("common/three.cuh"), "{message}");
    }

    #[test]
    fn digests_are_sha256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
    }
}
