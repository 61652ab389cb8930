//! The four crates stand on one another: each names only those below it, and the lowest stays light.

use super::Findings;
use super::metadata::{Metadata, Package};

/// From the ground up.
const STACK: [&str; 4] = ["tensor-core", "autograd", "models", "fastlearn"];

/// What must not come with the ground floor, through whatever dependency.
const TOO_HEAVY_FOR_THE_GROUND: [&str; 4] = ["image", "csv", "clap", "fast_image_resize"];

/// Fails on a crate that names one not below it, on a crate without a floor, and on a heavy ground floor.
pub fn check(metadata: &Metadata) -> Findings {
    let mut findings = Findings::default();
    for member in metadata.members().filter(|member| lies_in_crates(member)) {
        match STACK.iter().position(|&name| name == member.name) {
            Some(floor) => name_only_those_below(metadata, member, floor, &mut findings),
            None => findings.problems.push(format!(
                "{} lies in crates/ and has no floor: the stack is {}",
                member.name,
                STACK.join(" <- ")
            )),
        }
    }
    keep_the_ground_light(metadata, &mut findings);
    findings.extent = STACK.join(" <- ");
    findings
}

fn lies_in_crates(package: &Package) -> bool {
    package.manifest_path.replace('\\', "/").trim_end_matches("/Cargo.toml").rsplit('/').nth(1)
        == Some("crates")
}

fn name_only_those_below(
    metadata: &Metadata,
    member: &Package,
    floor: usize,
    findings: &mut Findings,
) {
    for dependency in metadata.direct(&member.id) {
        let is_ours = metadata.workspace_members.contains(&dependency.id);
        if is_ours && !STACK[..floor].contains(&dependency.name.as_str()) {
            findings
                .problems
                .push(format!("{} names {}, which is not below it", member.name, dependency.name));
        }
    }
}

fn keep_the_ground_light(metadata: &Metadata, findings: &mut Findings) {
    let Some(ground) = metadata.member(STACK[0]) else {
        findings.problems.push(format!("the workspace has no crate {}", STACK[0]));
        return;
    };
    let reached = metadata.reached(&[&ground.id], false);
    for id in reached.keys() {
        let Some(package) = metadata.package(id) else {
            continue;
        };
        if TOO_HEAVY_FOR_THE_GROUND.contains(&package.name.as_str()) {
            let users: Vec<_> = metadata.users(id, &reached).into_iter().collect();
            findings.problems.push(format!(
                "{} pulls {} (through {})",
                ground.name,
                package.name,
                users.join(", ")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::metadata::Row;

    const MEMBERS: [&str; 3] = ["tensor-core", "autograd", "models"];

    #[test]
    fn crates_that_name_those_below_pass() {
        let rows: &[Row] = &[
            ("tensor-core", None, &[("half", None), ("criterion", Some("dev"))]),
            ("autograd", None, &[("tensor-core", None)]),
            ("models", None, &[("tensor-core", None), ("autograd", None)]),
            ("half", None, &[]),
            ("criterion", None, &[("clap", None)]),
            ("clap", None, &[]),
        ];
        assert_eq!(check(&Metadata::made_up(&MEMBERS, rows)).problems, [""; 0]);
    }

    #[test]
    fn an_upward_name_fails_even_for_tests() {
        let rows: &[Row] = &[
            ("tensor-core", None, &[]),
            ("autograd", None, &[("tensor-core", None), ("models", Some("dev"))]),
            ("models", None, &[("autograd", None)]),
        ];
        assert_eq!(
            check(&Metadata::made_up(&MEMBERS, rows)).problems,
            ["autograd names models, which is not below it"]
        );
    }

    #[test]
    fn a_heavy_ground_fails_through_any_depth() {
        let rows: &[Row] = &[
            ("tensor-core", None, &[("a", None)]),
            ("a", None, &[("image", Some("build"))]),
            ("image", None, &[]),
        ];
        assert_eq!(
            check(&Metadata::made_up(&["tensor-core"], rows)).problems,
            ["tensor-core pulls image (through a)"]
        );
    }

    #[test]
    fn a_crate_without_a_floor_fails() {
        let rows: &[Row] = &[("tensor-core", None, &[]), ("extras", None, &[])];
        let problems = check(&Metadata::made_up(&["tensor-core", "extras"], rows)).problems;
        assert!(
            problems.len() == 1 && problems[0].starts_with("extras lies in crates/"),
            "{problems:?}"
        );
    }
}
