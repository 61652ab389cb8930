//! How long source files and how large committed files may be.

use super::Findings;
use crate::repository::Tree;

/// Suffixes of source files.
const SOURCES: [&str; 6] = [".rs", ".cu", ".cuh", ".h", ".cpp", ".py"];
/// A longer file fails.
const MOST_LINES: usize = 500;
/// A longer file is a notice: it is time to think of a split.
const COMFORTABLE_LINES: usize = 300;
/// A larger single file fails.
const MOST_BYTES: u64 = 2 << 20;
/// Where the golden files lie and how large they may be together.
const GOLDEN: (&str, u64) = ("tests/golden/", 5_000_000);

/// Fails on source files over 500 lines, single files over 2 MiB and golden files over 5 MB together.
pub fn check(tree: &Tree) -> Findings {
    let mut findings = Findings::default();
    let mut count = 0;
    for (path, text) in tree.texts(&SOURCES) {
        count += 1;
        let lines = text.lines().count();
        if lines > MOST_LINES {
            findings.problems.push(format!("{path} has {lines} lines; split it (at most {MOST_LINES}, better {COMFORTABLE_LINES})"));
        } else if lines > COMFORTABLE_LINES {
            findings.notices.push(format!("{path} has {lines} lines"));
        }
    }
    for file in tree.files.iter().filter(|file| file.bytes > MOST_BYTES) {
        findings.problems.push(format!(
            "{} has {} bytes; no file may have over {MOST_BYTES}",
            file.path, file.bytes
        ));
    }
    let (folder, limit) = GOLDEN;
    let golden: u64 =
        tree.files.iter().filter(|file| file.path.starts_with(folder)).map(|file| file.bytes).sum();
    if golden > limit {
        findings.problems.push(format!("{folder} has {golden} bytes together, more than {limit}"));
    }
    findings.extent = format!("{count} source files, golden files {:.1} MB", golden as f64 / 1e6);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::File;

    #[test]
    fn long_files_fail_and_longish_ones_are_noticed() {
        let (long, longish, short) = ("//\n".repeat(501), "//\n".repeat(301), "//\n".repeat(300));
        let tree = Tree::made_up(&[
            ("a.cu", &long),
            ("b.rs", &longish),
            ("c.rs", &short),
            ("d.md", &long),
        ]);
        let findings = check(&tree);
        assert_eq!(findings.problems.len(), 1);
        assert!(findings.problems[0].starts_with("a.cu has 501 lines"));
        assert_eq!(findings.notices, ["b.rs has 301 lines"]);
    }

    #[test]
    fn large_files_fail_alone_and_golden_files_together() {
        let file = |path: &str, bytes| File { path: path.into(), bytes, text: None };
        let tree = Tree { files: vec![file("docs/a.png", (2 << 20) + 1)] };
        assert_eq!(check(&tree).problems.len(), 1);
        let golden = |each| Tree {
            files: (0..4).map(|i| file(&format!("tests/golden/{i}.json"), each)).collect(),
        };
        assert_eq!(check(&golden(1_250_001)).problems.len(), 1);
        assert!(check(&golden(1_250_000)).problems.is_empty());
    }
}
