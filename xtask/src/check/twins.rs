//! One stem, one op family: whoever knows one of its files knows where the others are.
//!
//! A family is a file of `backend/` that declares a trait `*Kernels`. Every backend folder that has begun has to have
//! the stem, and so have the ops, the op cases and, where a gradient exists, autograd's functions.

use super::{Findings, source};
use crate::repository::Tree;

/// Where the contracts are.
const CONTRACTS: &str = "crates/tensor-core/src/backend/";
/// The folders of the backends; one that does not exist has not begun.
const BACKENDS: [&str; 3] = [
    "crates/tensor-core/src/cpu",
    "crates/tensor-core/src/reference",
    "crates/tensor-core/src/cuda",
];
/// Where every family has a twin.
const TWINS: [&str; 2] = ["crates/tensor-core/src/ops", "tests/op_cases"];
/// Where families with a gradient have a twin.
const FUNCTIONS: &str = "crates/autograd/src/functions";
/// Families without a gradient: `(stem, why)`.
const WITHOUT_GRADIENT: [(&str, &str); 4] = [
    ("augment", "makes input, before any parameter"),
    ("convert", "changes the representation, not the value"),
    ("optimizer", "steps parameters after the gradients"),
    ("random", "draws numbers"),
];

/// Fails on each missing twin.
pub fn check(tree: &Tree) -> Findings {
    let mut findings = Findings::default();
    let stems = stems(tree);
    for stem in &stems {
        for folder in homes(tree, stem) {
            if !tree.exists(&format!("{folder}/{stem}.rs"))
                && !tree.exists(&format!("{folder}/{stem}"))
            {
                findings
                    .problems
                    .push(format!("{CONTRACTS}{stem}.rs has no twin {folder}/{stem}.rs"));
            }
        }
    }
    findings.extent = format!("{} families: {}", stems.len(), stems.join(" "));
    findings
}

/// The stems of the contracts, in order.
fn stems(tree: &Tree) -> Vec<String> {
    let mut stems: Vec<String> = tree
        .texts(&[".rs"])
        .filter(|(path, text)| path.starts_with(CONTRACTS) && declares_kernels(text))
        .filter_map(|(path, _)| {
            let inside = path.strip_prefix(CONTRACTS)?;
            let stem = inside.split('/').next()?;
            Some(stem.strip_suffix(".rs").unwrap_or(stem).to_string())
        })
        .filter(|stem| stem != "mod")
        .collect();
    stems.dedup();
    stems
}

/// Whether the code declares a trait whose name ends in `Kernels`.
fn declares_kernels(text: &str) -> bool {
    let code = source::code(text);
    let words: Vec<&str> = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(2).any(|pair| pair[0] == "trait" && pair[1].ends_with("Kernels"))
}

/// The folders in which the family `stem` has to have a file or folder.
fn homes<'a>(tree: &Tree, stem: &str) -> Vec<&'a str> {
    let mut homes: Vec<&str> =
        BACKENDS.into_iter().filter(|backend| tree.exists(backend)).collect();
    homes.extend(TWINS);
    if !WITHOUT_GRADIENT.iter().any(|&(without, _)| without == stem) {
        homes.push(FUNCTIONS);
    }
    homes
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: [(&str, &str); 12] = [
        ("crates/tensor-core/src/backend/mod.rs", "pub trait Backend: ConvKernels {}"),
        ("crates/tensor-core/src/backend/shapes.rs", "//! No trait ConvKernels here.\n"),
        ("crates/tensor-core/src/backend/conv.rs", "pub trait ConvKernels {}"),
        ("crates/tensor-core/src/backend/optimizer.rs", "pub trait OptimizerKernels: Send {}"),
        ("crates/tensor-core/src/cpu/conv/winograd.rs", ""),
        ("crates/tensor-core/src/cpu/optimizer.rs", ""),
        ("crates/tensor-core/src/ops/conv.rs", ""),
        ("crates/tensor-core/src/ops/optimizer.rs", ""),
        ("tests/op_cases/conv.rs", ""),
        ("tests/op_cases/optimizer.rs", ""),
        ("crates/autograd/src/functions/conv.rs", ""),
        ("crates/autograd/src/lib.rs", ""),
    ];

    #[test]
    fn a_complete_house_passes_without_backends_that_have_not_begun() {
        let findings = check(&Tree::made_up(&COMPLETE));
        assert_eq!(findings.problems, [""; 0]);
        assert_eq!(findings.extent, "2 families: conv optimizer");
    }

    #[test]
    fn each_missing_twin_fails() {
        for missing in 4..11 {
            let files: Vec<_> = COMPLETE
                .iter()
                .enumerate()
                .filter(|&(at, _)| at != missing)
                .map(|(_, file)| *file)
                .collect();
            let problems = check(&Tree::made_up(&files)).problems;
            assert_eq!(problems.len(), 1, "without {}: {problems:?}", COMPLETE[missing].0);
        }
    }

    #[test]
    fn a_backend_that_begins_owes_every_family() {
        let mut files = COMPLETE.to_vec();
        files.push(("crates/tensor-core/src/reference/mod.rs", ""));
        assert_eq!(check(&Tree::made_up(&files)).problems.len(), 2);
    }
}
