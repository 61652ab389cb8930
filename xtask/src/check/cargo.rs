//! The checks that cargo itself makes: formatting, lints, documentation, builds with fewer features.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Findings, Workspace};

/// How many lines of a failed command's output are shown.
const SHOWN_LINES: usize = 60;

/// `cargo fmt --all --check`.
pub fn fmt(workspace: &Workspace) -> Result<Findings> {
    run(workspace, &["fmt", "--all", "--check", "--", "--color", "never"], &[])
}

/// `cargo clippy --workspace --all-targets -- -D warnings`.
pub fn clippy(workspace: &Workspace) -> Result<Findings> {
    run(
        workspace,
        &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
        &[],
    )
}

/// `cargo doc --no-deps --workspace`, every warning an error. The command and the library share a name, so the
/// binaries are left out.
pub fn doc(workspace: &Workspace) -> Result<Findings> {
    run(
        workspace,
        &["doc", "--no-deps", "--workspace", "--lib", "--quiet"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )
}

/// The library of floor 4 has to compile for those who do not want the command.
pub fn features(workspace: &Workspace) -> Result<Findings> {
    run(
        workspace,
        &["check", "--package", "fastlearn", "--lib", "--no-default-features", "--quiet"],
        &[],
    )
}

/// Each package of `tests/consumers`, which is no member of the workspace, compiles against the one crate it names. The
/// workspace's lock file and target folder are used, so that nothing is resolved or built anew.
pub fn consumers(workspace: &Workspace) -> Result<Findings> {
    let folder = workspace.root.join("tests/consumers");
    let target = workspace.metadata()?.target_directory.clone();
    let mut findings = Findings::default();
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let package = entry?.path();
        std::fs::copy(workspace.root.join("Cargo.lock"), package.join("Cargo.lock"))?;
        let manifest = package.join("Cargo.toml").display().to_string();
        let arguments = ["check", "--quiet", "--manifest-path", &manifest];
        let checked = run(workspace, &arguments, &[("CARGO_TARGET_DIR", &target)])?;
        findings.problems.extend(checked.problems);
    }
    Ok(findings)
}

fn run(workspace: &Workspace, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Findings> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(&workspace.root)
        .output()
        .with_context(|| format!("starting cargo {}", arguments.join(" ")))?;
    let mut findings = Findings::default();
    if !output.status.success() {
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        findings.problems.push(format!(
            "cargo {} says:\n{}",
            arguments.join(" "),
            shortened(&text)
        ));
    }
    Ok(findings)
}

/// The first lines, where the first fault is, and how many were left out.
fn shortened(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    if lines.len() <= SHOWN_LINES {
        return lines.join("\n");
    }
    format!("{}\n... {} more lines", lines[..SHOWN_LINES].join("\n"), lines.len() - SHOWN_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Tree;

    #[test]
    fn a_failing_command_is_a_problem_with_its_output() {
        let workspace = Workspace {
            root: std::env::temp_dir(),
            tree: Tree::default(),
            metadata: std::cell::OnceCell::new(),
        };
        let findings = run(&workspace, &["no-such-subcommand"], &[]).unwrap();
        assert!(findings.problems[0].contains("no-such-subcommand"), "{:?}", findings.problems);
        assert!(run(&workspace, &["--version"], &[]).unwrap().problems.is_empty());
    }

    #[test]
    fn long_output_is_shortened_and_says_so() {
        let text: String = (0..SHOWN_LINES + 5).map(|line| format!("line {line}\n")).collect();
        let shown = shortened(&text);
        assert!(shown.starts_with("line 0\n") && shown.ends_with("... 5 more lines"));
        assert_eq!(shortened("a\nb\n"), "a\nb");
    }
}
