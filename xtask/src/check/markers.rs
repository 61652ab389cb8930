//! Markers of unfinished work that must not reach a commit.

use super::{Findings, source};
use crate::repository::Tree;

/// Macros that say that something is unfinished or being debugged.
const MARKERS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Fails on each marker in code; comments and strings may name them.
pub fn check(tree: &Tree) -> Findings {
    let mut findings = Findings::default();
    let mut count = 0;
    for (path, text) in tree.texts(&[".rs"]) {
        count += 1;
        for (index, line) in source::code(text).lines().enumerate() {
            for marker in MARKERS.iter().filter(|marker| names(line, marker)) {
                findings.problems.push(format!("{path}:{} has {marker}", index + 1));
            }
        }
    }
    findings.extent = format!("{count} Rust files");
    findings
}

/// Whether `line` calls `marker` itself rather than a longer macro that ends alike.
fn names(line: &str, marker: &str) -> bool {
    line.match_indices(marker).any(|(start, _)| {
        !line[..start].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_in_code_fail_and_words_about_them_do_not() {
        let tree = Tree::made_up(&[
            ("a.rs", "//! Never todo!() here.\nfn a() {\n    todo!()\n}\n"),
            ("b.rs", "const NAME: &str = \"dbg!\";\n/* unimplemented!() */\nmy_todo!();\n"),
            ("c.rs", "let x = dbg!(1);"),
        ]);
        assert_eq!(check(&tree).problems, ["a.rs:3 has todo!", "c.rs:1 has dbg!"]);
    }
}
