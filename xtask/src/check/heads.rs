//! Every Rust file begins with a `//!` head that says what lives in it.

use super::Findings;
use crate::repository::Tree;

/// How a lib.rs takes its crate's README as its head.
const README_HEAD: &str = "#![doc = include_str!(";

/// Fails on Rust files whose first line is neither a `//!` comment with words in it nor an included README.
pub fn check(tree: &Tree) -> Findings {
    let mut findings = Findings::default();
    let mut count = 0;
    for (path, text) in tree.texts(&[".rs"]) {
        count += 1;
        if !has_head(text) {
            findings.problems.push(format!(
                "{path} does not begin with a `//!` head: say what lives here and what does not"
            ));
        }
    }
    findings.extent = format!("{count} Rust files");
    findings
}

fn has_head(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let words = first.strip_prefix("//!");
    first.starts_with(README_HEAD) || words.is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_a_first_line_with_words() {
        let tree = Tree::made_up(&[
            ("crates/a/src/bare.rs", "use std::fs;\n"),
            ("crates/a/src/empty.rs", ""),
            ("crates/a/src/good.rs", "\n//! Shapes.\n"),
            ("crates/a/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\nmod good;\n"),
            ("examples/late.rs", "fn main() {}\n//! Late.\n"),
            ("tests/wordless.rs", "//!\n"),
        ]);
        let problems = check(&tree).problems;
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(
            problems
                .iter()
                .all(|problem| !problem.contains("good.rs") && !problem.contains("lib.rs"))
        );
    }
}
