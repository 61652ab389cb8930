//! No dependency may need anything but Rust: no system library, no other build tool.
//!
//! The lists below are the whole policy; an exception carries its reason.

use std::collections::BTreeSet;

use super::Findings;
use super::metadata::{Metadata, Package};

/// Crates that look for, bring or build something outside Rust.
const DENIED: [&str; 14] = [
    "autotools",
    "bindgen",
    "cmake",
    "curl",
    "freetype-sys",
    "meson",
    "nasm-rs",
    "native-tls",
    "openssl",
    "pkg-config",
    "servo-fontconfig",
    "system-deps",
    "vcpkg",
    "yeslogic-fontconfig-sys",
];

/// Crates named `*-sys` that are declarations in Rust of what the system's kernel or browser has anyway.
const HARMLESS_SYS: [&str; 6] =
    ["js-sys", "linux-raw-sys", "web-sys", "windows-sys", "core-foundation-sys", "wasi-sys"];

/// Packages that may state a `links` key: `(package, why)`.
const MAY_LINK: [(&str, &str); 4] = [
    (
        "ring",
        "carries its own code and assembly, prebuilt; a C compiler is all it asks, which a Rust linker brings",
    ),
    ("rayon-core", "links nothing: the key keeps two versions out of one program"),
    ("wasm-bindgen-shared", "links nothing: the key keeps two versions out of one program"),
    ("prettyplease", "links nothing: the key keeps two versions out of one program"),
];

/// Packages that may call a C compiler in their build script.
const MAY_COMPILE_C: [&str; 1] = ["ring"];

/// Fails on denied crates, on `-sys` crates and `links` keys outside the lists, and on other users of `cc`.
pub fn check(metadata: &Metadata) -> Findings {
    let mut findings = Findings::default();
    let members: Vec<&str> = metadata.members().map(|member| member.id.as_str()).collect();
    let reached = metadata.reached(&members, true);
    for id in reached.keys() {
        let Some(package) = metadata.package(id) else {
            continue;
        };
        let users = metadata.users(id, &reached);
        if let Some(reason) = objection(package, &users) {
            let users: Vec<_> = users.into_iter().collect();
            findings.problems.push(format!(
                "{} {}: {reason} (used by {})",
                package.name,
                package.version,
                users.join(", ")
            ));
        }
    }
    findings.extent = format!("{} packages", reached.len());
    findings
}

fn objection(package: &Package, users: &BTreeSet<&str>) -> Option<String> {
    let name = package.name.as_str();
    if DENIED.contains(&name) {
        return Some("looks for or builds something outside Rust".into());
    }
    if name == "cc" && users.iter().any(|user| !MAY_COMPILE_C.contains(user)) {
        return Some(format!("only {} may call a C compiler", MAY_COMPILE_C.join(", ")));
    }
    if name.ends_with("-sys") && !HARMLESS_SYS.contains(&name) {
        return Some("stands for a system library".into());
    }
    let links = package.links.as_deref()?;
    let is_allowed = MAY_LINK.iter().any(|&(allowed, _)| allowed == name);
    (!is_allowed).then(|| format!("links the native library {links}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(dependency: &str, links: Option<&str>) -> Vec<String> {
        let metadata = Metadata::made_up(
            &["ours"],
            &[("ours", None, &[(dependency, None)]), (dependency, links, &[])],
        );
        check(&metadata).problems
    }

    #[test]
    fn what_needs_more_than_rust_is_refused() {
        for (name, links) in [
            ("cmake", None),
            ("pkg-config", None),
            ("libz-sys", None),
            ("fine", Some("z")),
            ("cc", None),
        ] {
            let found = problems(name, links);
            assert!(found.len() == 1 && found[0].ends_with("(used by ours)"), "{name}: {found:?}");
        }
    }

    #[test]
    fn the_exceptions_pass() {
        for (name, links) in
            [("windows-sys", None), ("ring", Some("ring_core_0_17_14_")), ("half", None)]
        {
            assert_eq!(problems(name, links), [""; 0]);
        }
    }

    #[test]
    fn development_and_build_dependencies_count() {
        for kind in ["dev", "build"] {
            let metadata = Metadata::made_up(
                &["ours"],
                &[("ours", None, &[("bindgen", Some(kind))]), ("bindgen", None, &[])],
            );
            assert_eq!(check(&metadata).problems.len(), 1);
        }
    }

    #[test]
    fn a_c_compiler_is_for_ring_alone() {
        let metadata = Metadata::made_up(
            &["ours"],
            &[
                ("ours", None, &[("ring", None), ("other", None)]),
                ("ring", Some("ring_core"), &[("cc", Some("build"))]),
                ("other", None, &[]),
                ("cc", None, &[]),
            ],
        );
        assert_eq!(check(&metadata).problems, [""; 0]);
    }
}
