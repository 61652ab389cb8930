//! Which top-level module of a crate names which other: read from `crate::` and `super::` paths and the re-exports of
//! lib.rs. A name that lib.rs re-exports counts as the module that it comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::source;
use crate::repository::Tree;

/// One module naming another of the same crate.
#[derive(Debug, PartialEq)]
pub struct Naming {
    /// The top-level module that names.
    pub from: String,
    /// The top-level module named.
    pub to: String,
    /// The file, from the repository's root.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
}

/// A crate's top-level modules and which names which; code that `#[cfg(test)]` guards may look anywhere.
pub struct Modules {
    /// The top-level modules.
    pub names: BTreeSet<String>,
    /// Every naming of a different module.
    pub namings: Vec<Naming>,
}

impl Modules {
    /// Reads the crate whose sources lie in the folder `sources` (as `crates/models/src`).
    pub fn read(tree: &Tree, sources: &str) -> Modules {
        let prefix = format!("{sources}/");
        let files: Vec<(&str, Vec<String>, String)> = tree
            .texts(&[".rs"])
            .filter_map(|(path, text)| {
                let module = module_of(path.strip_prefix(&prefix)?)?;
                Some((path, module, source::without_tests(&source::code(text))))
            })
            .collect();
        let names: BTreeSet<String> =
            files.iter().filter_map(|(_, module, _)| module.first().cloned()).collect();
        let root = files.iter().find(|(_, module, _)| module.is_empty());
        let exports = root.map(|(_, _, code)| exports(&tokens(code), &names)).unwrap_or_default();
        let mut namings = Vec::new();
        for (path, module, code) in files.iter().filter(|(_, module, _)| !module.is_empty()) {
            for (name, line) in named(&tokens(code), module.len()) {
                let to = if names.contains(&name) { Some(&name) } else { exports.get(&name) };
                if let Some(to) = to.filter(|&to| *to != module[0]) {
                    namings.push(Naming {
                        from: module[0].clone(),
                        to: to.clone(),
                        file: (*path).to_string(),
                        line,
                    });
                }
            }
        }
        Modules { names, namings }
    }

    /// Shortest circles of modules, each once, as `[a, b, a]`.
    pub fn circles(&self) -> BTreeSet<Vec<String>> {
        let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for naming in &self.namings {
            next.entry(&naming.from).or_default().insert(&naming.to);
        }
        next.keys().filter_map(|&start| shortest_circle(&next, start)).map(normalised).collect()
    }
}

/// The module path of a file below `src`; `None` for the roots of binaries.
fn module_of(path: &str) -> Option<Vec<String>> {
    if path == "main.rs" || path.starts_with("bin/") {
        return None;
    }
    let stem = path.strip_suffix(".rs")?;
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if stem == "lib" {
        return Some(Vec::new());
    }
    Some(stem.split('/').map(String::from).collect())
}

/// A token and its line.
type Token<'a> = (&'a str, usize);

/// Words, `::` and single other characters.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                found.push((&rest[..length], index + 1));
            }
            rest = &rest[length..];
        }
    }
    found
}

/// One leaf of a use tree: its path and the name that it gives.
struct Leaf<'a> {
    path: Vec<&'a str>,
    name: &'a str,
    line: usize,
}

/// Reads the use tree at `at`, appends its leaves, and returns where it ends.
fn read_tree<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    leaves: &mut Vec<Leaf<'a>>,
) -> usize {
    let mut path = before.to_vec();
    while let Some(&(token, line)) = tokens.get(at) {
        if token == "{" {
            at += 1;
            while tokens.get(at).is_some_and(|token| token.0 != "}") {
                let end = read_tree(tokens, at, &path, leaves);
                at = if end == at || tokens.get(end).is_some_and(|token| token.0 == ",") {
                    end + 1
                } else {
                    end
                };
            }
            return at + 1;
        }
        if !token.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '*') {
            return at;
        }
        path.push(token);
        at += 1;
        if tokens.get(at).is_some_and(|token| token.0 == "::") {
            at += 1;
            continue;
        }
        let mut name = token;
        if let (Some(("as", _)), Some(&(alias, _))) = (tokens.get(at), tokens.get(at + 1)) {
            (name, at) = (alias, at + 2);
        }
        leaves.push(Leaf { path, name, line });
        return at;
    }
    at
}

/// The names that lib.rs takes from its modules, with the module.
fn exports(tokens: &[Token], modules: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for at in 0..tokens.len() {
        if tokens[at].0 != "use" {
            continue;
        }
        let mut leaves = Vec::new();
        read_tree(tokens, at + 1, &[], &mut leaves);
        for leaf in leaves {
            let module = leaf.path.iter().find(|part| !matches!(**part, "crate" | "self"));
            if let Some(module) = module.filter(|module| modules.contains(**module)) {
                exports.insert(leaf.name.to_string(), (*module).to_string());
            }
        }
    }
    exports
}

/// The first parts of all paths from the crate's root, in a file `depth` modules below it.
fn named(tokens: &[Token], depth: usize) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(start) = path_from_root(tokens, at, depth) else {
            at += 1;
            continue;
        };
        let mut leaves = Vec::new();
        at = read_tree(tokens, start, &[], &mut leaves).max(start);
        found.extend(leaves.iter().map(|leaf| (leaf.path[0].to_string(), leaf.line)));
    }
    found
}

/// Where the path after `crate::`, or after exactly `depth` times `super::`, begins.
fn path_from_root(tokens: &[Token], at: usize, depth: usize) -> Option<usize> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.0 == text);
    if is(at, "crate") && is(at + 1, "::") {
        return Some(at + 2);
    }
    if at > 0 && is(at - 1, "::") {
        return None;
    }
    let supers =
        (0..).take_while(|step| is(at + 2 * step, "super") && is(at + 2 * step + 1, "::")).count();
    (supers > 0 && supers == depth).then_some(at + 2 * supers)
}

fn shortest_circle(next: &BTreeMap<&str, BTreeSet<&str>>, start: &str) -> Option<Vec<String>> {
    let mut ways: Vec<Vec<&str>> = vec![vec![start]];
    let mut seen = BTreeSet::new();
    let mut index = 0;
    while index < ways.len() {
        let way = ways[index].clone();
        for &step in next.get(way[way.len() - 1]).into_iter().flatten() {
            if step == start {
                return Some(way.into_iter().map(String::from).collect());
            }
            if seen.insert(step) {
                ways.push([way.as_slice(), &[step]].concat());
            }
        }
        index += 1;
    }
    None
}

/// The circle begun at its first name in the alphabet, and closed.
fn normalised(mut circle: Vec<String>) -> Vec<String> {
    let first = (0..circle.len()).min_by_key(|&at| &circle[at]).unwrap_or(0);
    circle.rotate_left(first);
    circle.push(circle[0].clone());
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Modules {
        Modules::read(&Tree::made_up(files), "src")
    }

    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        read(files)
            .namings
            .iter()
            .map(|naming| format!("{}->{}:{}", naming.from, naming.to, naming.line))
            .collect()
    }

    const OTHERS: [(&str, &str); 3] = [
        ("src/lib.rs", "mod b; mod c;\npub use b::{Thing, inner::Other as Renamed};"),
        ("src/b.rs", ""),
        ("src/c/mod.rs", ""),
    ];

    fn with(text: &str) -> Vec<String> {
        let mut files = OTHERS.to_vec();
        files.push(("src/a/deep.rs", text));
        arrows(&files)
    }

    #[test]
    fn use_trees_and_inline_paths_are_read() {
        assert_eq!(with("use crate::b::X;"), ["a->b:1"]);
        assert_eq!(
            with("use crate::{\n    b::{X, Y as Z},\n    c,\n};"),
            ["a->b:2", "a->b:2", "a->c:3"]
        );
        assert_eq!(with("fn f() -> crate::c::T<crate::b::U> {}"), ["a->c:1", "a->b:1"]);
    }

    #[test]
    fn supers_that_reach_the_root_are_read() {
        assert_eq!(with("use super::super::b::X;"), ["a->b:1"]);
        assert_eq!(with("use super::b::X;"), [""; 0], "a module of a's own");
    }

    #[test]
    fn re_exported_names_count_as_their_module() {
        assert_eq!(with("use crate::{Thing, Renamed, Unknown};"), ["a->b:1", "a->b:1"]);
    }

    #[test]
    fn comments_tests_and_the_own_module_do_not_count() {
        assert_eq!(
            with(
                "// use crate::b;\nuse crate::a::x;\n#[cfg(test)]\nmod tests { use crate::b; }\nuse crate::c;"
            ),
            ["a->c:5"]
        );
    }

    #[test]
    fn circles_are_found_once() {
        let files = [
            ("src/a.rs", "use crate::b;"),
            ("src/b.rs", "use crate::c;"),
            ("src/c.rs", "use crate::a;"),
            ("src/d.rs", "use crate::a;"),
        ];
        assert_eq!(read(&files).circles().into_iter().collect::<Vec<_>>(), [["a", "b", "c", "a"]]);
        assert!(read(&files[1..]).circles().is_empty());
    }
}
