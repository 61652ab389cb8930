//! Inside a crate no module imports upward or in a circle.
//!
//! Tensor-core's modules have floors; in the crates above it, circles alone are faults.

use super::Findings;
use super::modules::Modules;
use crate::repository::Tree;

/// The sources of the crate whose modules have floors.
const GROUND: &str = "crates/tensor-core/src";

/// Its floors from the ground up.
const FLOORS: [&[&str]; 7] = [
    &["error", "dtype", "shape", "random", "profile"],
    &["memory"],
    &["backend"],
    &["cpu", "cuda", "reference"],
    &["device"],
    &["tensor"],
    &["ops", "transfer"],
];

/// Modules that never name each other: the judge must share nothing with the judged.
const STRANGERS: &[&str] = FLOORS[3];

/// The crates in which circles are looked for, the ground included.
const CRATES: [&str; 4] =
    [GROUND, "crates/autograd/src", "crates/models/src", "crates/fastlearn/src"];

/// Fails on upward imports in tensor-core, on its modules without a floor, and on circles in any crate.
pub fn check(tree: &Tree) -> Findings {
    let mut findings = Findings::default();
    let mut count = 0;
    for sources in CRATES {
        let modules = Modules::read(tree, sources);
        count += modules.names.len();
        if sources == GROUND {
            check_floors(&modules, &mut findings);
        }
        for circle in modules.circles() {
            findings.problems.push(describe_circle(sources, &modules, &circle));
        }
    }
    findings.extent = format!("{count} modules");
    findings
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn check_floors(modules: &Modules, findings: &mut Findings) {
    for name in modules.names.iter().filter(|name| floor(name).is_none()) {
        findings.problems.push(format!(
            "{GROUND}: the module {name} has no floor; give it one in xtask/src/check/imports.rs"
        ));
    }
    for naming in &modules.namings {
        let place = format!("{}:{}", naming.file, naming.line);
        if floor(&naming.from) < floor(&naming.to) {
            findings
                .problems
                .push(format!("{place}: {} names {}, which is above it", naming.from, naming.to));
        }
        if [&naming.from, &naming.to].iter().all(|name| STRANGERS.contains(&name.as_str())) {
            findings.problems.push(format!(
                "{place}: the backend {} names the backend {}",
                naming.from, naming.to
            ));
        }
    }
}

/// The circle with one place for each of its steps.
fn describe_circle(sources: &str, modules: &Modules, circle: &[String]) -> String {
    let mut text = format!("{sources}: modules in a circle: {}", circle.join(" -> "));
    for step in circle.windows(2) {
        if let Some(naming) =
            modules.namings.iter().find(|naming| naming.from == step[0] && naming.to == step[1])
        {
            text += &format!("\n  {}:{} names {}", naming.file, naming.line, naming.to);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::made_up(files)).problems
    }

    #[test]
    fn downward_imports_pass() {
        let files = [
            ("crates/tensor-core/src/ops/conv.rs", "use crate::{backend::Conv, tensor::Tensor};"),
            ("crates/tensor-core/src/tensor.rs", "use crate::memory::Buffer;"),
            ("crates/tensor-core/src/cpu/conv.rs", "use crate::backend::Conv;"),
            ("crates/tensor-core/src/backend/conv.rs", ""),
            ("crates/tensor-core/src/memory.rs", ""),
        ];
        assert_eq!(problems(&files), [""; 0]);
    }

    #[test]
    fn an_upward_import_fails_with_its_place() {
        let files = [
            ("crates/tensor-core/src/cpu/conv.rs", "//! Head.\nuse crate::tensor::Tensor;"),
            ("crates/tensor-core/src/tensor.rs", ""),
        ];
        assert_eq!(
            problems(&files),
            ["crates/tensor-core/src/cpu/conv.rs:2: cpu names tensor, which is above it"]
        );
    }

    #[test]
    fn a_module_without_a_floor_fails() {
        let found = problems(&[("crates/tensor-core/src/extras.rs", "")]);
        assert!(
            found.len() == 1 && found[0].contains("the module extras has no floor"),
            "{found:?}"
        );
    }

    #[test]
    fn backends_are_strangers() {
        let files = [
            ("crates/tensor-core/src/cpu/conv.rs", ""),
            ("crates/tensor-core/src/reference/conv.rs", "use crate::cpu::conv;"),
        ];
        assert_eq!(problems(&files).len(), 1);
    }

    #[test]
    fn circles_fail_in_every_crate() {
        for sources in ["crates/autograd/src", "crates/models/src", "crates/fastlearn/src"] {
            let (a, b) = (format!("{sources}/a.rs"), format!("{sources}/b.rs"));
            let found = problems(&[(&a, "use crate::b::X;"), (&b, "use crate::a::Y;")]);
            assert!(found.len() == 1 && found[0].contains("a -> b -> a"), "{found:?}");
            assert_eq!(problems(&[(&a, "use crate::b::X;"), (&b, "")]), [""; 0]);
        }
    }
}
