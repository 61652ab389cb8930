//! The committed PTX was made from the kernels as they are now. Needs no compiler: each PTX says
//! the sha256 of its source and of every header, which is compared with the files in `kernels/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The workspace's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of the files in a folder that have this suffix, without it.
fn stems(folder: &str, suffix: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return BTreeSet::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| Some(name.strip_suffix(suffix)?.to_string())).collect()
}

/// The targets that a .cu file names, and the file with all headers that it reaches.
fn source(stem: &str) -> (Vec<String>, BTreeSet<String>) {
    let file = format!("kernels/{stem}.cu");
    let text = read(&file);
    let targets = text.lines().find_map(|line| line.strip_prefix("// targets:"));
    let targets = targets.unwrap_or_else(|| panic!("{file} names no targets"));
    let (mut reached, mut waiting) = (BTreeSet::new(), vec![file.clone()]);
    while let Some(file) = waiting.pop() {
        if reached.insert(file.clone()) {
            let text = read(&file);
            let included = text.lines().filter_map(|line| line.trim().strip_prefix("#include \""));
            waiting.extend(included.map(|rest| format!("kernels/{}", rest.trim_end_matches('"'))));
        }
    }
    (targets.split_whitespace().map(str::to_string).collect(), reached)
}

/// Path and digest, as the head of a PTX says.
fn recorded(ptx: &str) -> BTreeMap<String, String> {
    let words = ptx.lines().filter_map(|line| line.strip_prefix("// sha256 "));
    let pairs = words.filter_map(|rest| rest.split_once(' '));
    pairs.map(|(digest, path)| (path.to_string(), digest.to_string())).collect()
}

#[test]
fn every_kernel_has_its_ptx_and_every_ptx_its_kernel() {
    let mut expected = BTreeSet::new();
    for stem in stems("kernels", ".cu") {
        expected.extend(source(&stem).0.iter().map(|target| format!("{target}/{stem}.ptx")));
    }
    let mut found = BTreeSet::new();
    for target in ["sm_75", "sm_80", "sm_90a"] {
        let names = stems(&format!("crates/tensor-core/ptx/{target}"), ".ptx");
        found.extend(names.iter().map(|stem| format!("{target}/{stem}.ptx")));
    }
    assert_eq!(found, expected, "run `cargo xtask ptx`");
}

#[test]
fn every_ptx_was_made_from_the_kernels_as_they_are() {
    for stem in stems("kernels", ".cu") {
        let (targets, files) = source(&stem);
        let digest = |path: &String| {
            let bytes = fs::read(root().join(path)).unwrap();
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let expected: BTreeMap<String, String> =
            files.iter().map(|path| (path.clone(), digest(path))).collect();
        for target in targets {
            let path = format!("crates/tensor-core/ptx/{target}/{stem}.ptx");
            let ptx = read(&path);
            assert_eq!(recorded(&ptx), expected, "{path} is stale: run `cargo xtask ptx`");
            assert!(ptx.contains("\n.version 8.0\n"), "{path} has another version than 8.0");
        }
    }
}
