//! Links in *.md that lead to files of the repository; addresses outside are not followed.

use super::Findings;
use crate::repository::Tree;

/// Fails on each link to a file or folder that is not there.
pub fn check(tree: &Tree) -> Findings {
    let mut findings = Findings::default();
    let mut count = 0;
    for (path, text) in tree.texts(&[".md"]) {
        for (line, target) in targets(text) {
            let Some(file) = local_file(path, &target) else {
                continue;
            };
            count += 1;
            if !file.is_empty() && !tree.exists(&file) {
                findings
                    .problems
                    .push(format!("{path}:{line} links to {target}, and there is no {file}"));
            }
        }
    }
    findings.extent = format!("{count} links");
    findings
}

/// Link and image targets with their line numbers; code blocks and code spans hold none.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let plain: String = line.split('`').step_by(2).collect();
        for (start, _) in plain.match_indices("](") {
            if let Some(target) = target(&plain[start + 2..]) {
                found.push((index + 1, target));
            }
        }
        if let Some((label, target)) =
            plain.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "))
            && !label.contains(']')
        {
            found.push((index + 1, target.trim().to_string()));
        }
    }
    found
}

/// The target that `rest`, the text after `](`, begins with: up to the closing bracket, without a title.
fn target(rest: &str) -> Option<String> {
    let inside = &rest[..rest.find(')')?];
    inside.split_whitespace().next().map(|target| target.trim_matches(['<', '>']).to_string())
}

/// The path from the root that `target` in the file `from` means; `None` for an address or a place in the same file.
fn local_file(from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") || target.starts_with('#') {
        return None;
    }
    let target = target.split('#').next().unwrap_or(target);
    let (base, target) = match target.strip_prefix('/') {
        Some(rooted) => ("", rooted),
        None => (from.rsplit_once('/').map_or("", |(folder, _)| folder), target),
    };
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part != ".." {
            parts.push(part);
        } else if parts.pop().is_none() {
            return Some(format!("{target} (outside the repository)"));
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_files_and_folders() {
        let text = "[a](docs/a.md#top) ![b](<docs/b.png> \"title\") [c](docs) [d](https://example.org/x) [e](#here)\n[f]: /docs/a.md\n";
        let tree = Tree::made_up(&[
            ("README.md", text),
            ("docs/a.md", "[up](../README.md)"),
            ("docs/b.png", ""),
        ]);
        let findings = check(&tree);
        assert_eq!(findings.problems, [""; 0]);
        assert_eq!(findings.extent, "5 links");
    }

    #[test]
    fn a_link_to_nothing_fails_with_its_line() {
        let text = "fine\n[a](missing.md) `[b](code.md)`\n```\n[c](block.md)\n```\n[d]: gone.md\n";
        let problems = check(&Tree::made_up(&[("docs/x.md", text)])).problems;
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("docs/x.md:2 links to missing.md"));
        assert!(problems[1].starts_with("docs/x.md:6 links to gone.md"));
    }

    #[test]
    fn a_link_out_of_the_repository_fails() {
        let problems =
            check(&Tree::made_up(&[("x.md", "[e](../out.md)"), ("out.md", "")])).problems;
        assert_eq!(problems.len(), 1);
    }
}
