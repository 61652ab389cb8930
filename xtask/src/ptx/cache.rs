//! What was built before: a PTX and what its kernels use, kept with the tools under a digest of everything that they
//! were made from. A check builds anew and does not look here.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::assemble::Usage;
use super::committed::write_at_once;
use super::source::{Source, sha256};

/// Raised with every change to how PTX is made, so that what was made otherwise is not found.
const FORMAT: u32 = 3;

/// A PTX that assembles without spills.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The text to be committed.
    pub text: String,
    /// What its kernels use on the chips of the budget.
    pub usages: Vec<Usage>,
}

/// A folder of entries.
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of the tools in this folder.
    pub fn new(tools: &Path) -> Cache {
        Cache { folder: tools.join("cache") }
    }

    fn file(&self, source: &Source, target: &str, tools: &str) -> PathBuf {
        let made_from =
            format!("{FORMAT} {target} {:?} {tools} {:?}", source.targets, source.digests);
        self.folder.join(format!("{}.json", sha256(made_from.as_bytes())))
    }

    /// The entry of a source as it is now, on a target, by tools that call themselves `tools`.
    pub fn get(&self, source: &Source, target: &str, tools: &str) -> Option<Entry> {
        let text = fs::read_to_string(self.file(source, target, tools)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps an entry.
    pub fn put(&self, source: &Source, target: &str, tools: &str, entry: &Entry) -> Result<()> {
        write_at_once(&self.file(source, target, tools), &serde_json::to_string(entry)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_until_something_that_it_was_made_from_changes() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let mut source = Source {
            stem: "norm".to_string(),
            text: String::new(),
            targets: vec!["sm_80"],
            digests: [("kernels/norm.cu".to_string(), "ab".to_string())].into(),
        };
        let (kernel, chip) = ("norm_f32".to_string(), "sm_80".to_string());
        let usages = vec![Usage { kernel, chip, registers: 9, spills: 0 }];
        let entry = Entry { text: "ret;".to_string(), usages };
        assert_eq!(cache.get(&source, "sm_80", "12.4"), None);
        cache.put(&source, "sm_80", "12.4", &entry).unwrap();
        assert_eq!(cache.get(&source, "sm_80", "12.4"), Some(entry));
        assert_eq!(cache.get(&source, "sm_75", "12.4"), None);
        assert_eq!(cache.get(&source, "sm_80", "12.5"), None);
        source.digests.insert("kernels/norm.cu".to_string(), "cd".to_string());
        assert_eq!(cache.get(&source, "sm_80", "12.4"), None);
    }
}
