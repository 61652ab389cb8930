//! `cargo xtask check`: runs the checks, cheapest first, and prints one line for each.
//!
//! A check is a function from a [`Workspace`] to [`Findings`]; adding one is a module and a row in [`CHECKS`].

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::repository::{self, Tree};
use metadata::Metadata;

mod cargo;
mod deny;
mod heads;
mod imports;
mod links;
mod markers;
mod metadata;
mod modules;
mod sizes;
mod source;
mod stack;
mod twins;

/// What `cargo xtask check` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only these checks; all of them when none is named.
    names: Vec<String>,
    /// Print the checks and what each verifies, and run none.
    #[arg(long)]
    list: bool,
    /// Print notices as well, such as files that are getting long.
    #[arg(long)]
    notices: bool,
}

/// What a check looks at.
pub struct Workspace {
    /// The workspace's root folder.
    pub root: PathBuf,
    /// Its files.
    pub tree: Tree,
    metadata: OnceCell<Metadata>,
}

impl Workspace {
    fn open() -> Result<Workspace> {
        let root = repository::root()?;
        let tree = Tree::read(&root)?;
        Ok(Workspace { root, tree, metadata: OnceCell::new() })
    }

    /// What `cargo metadata` says, asked once.
    pub fn metadata(&self) -> Result<&Metadata> {
        if self.metadata.get().is_none() {
            let read = Metadata::read(&self.root)?;
            return Ok(self.metadata.get_or_init(|| read));
        }
        Ok(self.metadata.get().expect("filled above"))
    }
}

/// What a check found: problems fail it, notices do not.
#[derive(Default)]
pub struct Findings {
    /// Each with file and remedy; any of them fails the check.
    pub problems: Vec<String>,
    /// Worth knowing, printed on request.
    pub notices: Vec<String>,
    /// How much was looked at, for the check's line.
    pub extent: String,
}

struct Check {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Result<Findings>,
}

/// Cheapest first.
const CHECKS: [Check; 13] = [
    Check {
        name: "sizes",
        about: "source files under 500 lines, committed files small, golden files under 5 MB together",
        run: |workspace| Ok(sizes::check(&workspace.tree)),
    },
    Check {
        name: "heads",
        about: "every Rust file begins with a `//!` head",
        run: |workspace| Ok(heads::check(&workspace.tree)),
    },
    Check {
        name: "markers",
        about: "no todo!, unimplemented! or dbg! left in the code",
        run: |workspace| Ok(markers::check(&workspace.tree)),
    },
    Check {
        name: "links",
        about: "links in *.md to files of the repository lead somewhere",
        run: |workspace| Ok(links::check(&workspace.tree)),
    },
    Check {
        name: "twins",
        about: "every op family has its file on every floor and in every backend that has begun",
        run: |workspace| Ok(twins::check(&workspace.tree)),
    },
    Check {
        name: "imports",
        about: "no module imports upward or in a circle",
        run: |workspace| Ok(imports::check(&workspace.tree)),
    },
    Check {
        name: "stack",
        about: "each crate names only those below it; tensor-core stays light",
        run: |workspace| Ok(stack::check(workspace.metadata()?)),
    },
    Check {
        name: "deny",
        about: "no dependency needs a system library, cmake, pkg-config or nasm",
        run: |workspace| Ok(deny::check(workspace.metadata()?)),
    },
    Check { name: "fmt", about: "cargo fmt --all --check", run: cargo::fmt },
    Check {
        name: "clippy",
        about: "cargo clippy --workspace --all-targets -- -D warnings",
        run: cargo::clippy,
    },
    Check {
        name: "doc",
        about: "cargo doc --no-deps --workspace with warnings denied",
        run: cargo::doc,
    },
    Check {
        name: "features",
        about: "fastlearn compiles without its command",
        run: cargo::features,
    },
    Check {
        name: "consumers",
        about: "a package outside the workspace builds against each crate alone",
        run: cargo::consumers,
    },
];

/// Runs the chosen checks; `Ok(false)` when one of them found a problem.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let chosen = choose(&arguments.names)?;
    if arguments.list {
        for check in chosen {
            println!("{:<10} {}", check.name, check.about);
        }
        return Ok(true);
    }
    let workspace = Workspace::open()?;
    let mut failed = Vec::new();
    for check in chosen {
        let start = Instant::now();
        let findings = (check.run)(&workspace).unwrap_or_else(|error| Findings {
            problems: vec![format!("could not run: {error:#}")],
            ..Findings::default()
        });
        print(check.name, &findings, start.elapsed().as_secs_f64(), arguments.notices);
        if !findings.problems.is_empty() {
            failed.push(check.name);
        }
    }
    if !failed.is_empty() {
        println!("\nfailed: {} (again: cargo xtask check {})", failed.join(", "), failed.join(" "));
    }
    Ok(failed.is_empty())
}

fn choose(names: &[String]) -> Result<Vec<&'static Check>> {
    for name in names {
        if !CHECKS.iter().any(|check| check.name == name) {
            let known: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
            bail!("there is no check `{name}`; the checks are {}", known.join(", "));
        }
    }
    Ok(CHECKS
        .iter()
        .filter(|check| names.is_empty() || names.iter().any(|name| name == check.name))
        .collect())
}

fn print(name: &str, findings: &Findings, seconds: f64, notices: bool) {
    let verdict = if findings.problems.is_empty() { "ok" } else { "FAILED" };
    let mut line = format!("{name:<10} {verdict:<7} {seconds:>7.2} s  {}", findings.extent);
    if !findings.notices.is_empty() {
        line += &format!(
            " ({} notices{})",
            findings.notices.len(),
            if notices { "" } else { ": --notices" }
        );
    }
    println!("{}", line.trim_end());
    for problem in &findings.problems {
        println!("    {}", problem.replace('\n', "\n    "));
    }
    if notices {
        for notice in &findings.notices {
            println!("    notice: {notice}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_checks_and_keep_their_order() {
        let names = |chosen: Vec<&Check>| chosen.iter().map(|check| check.name).collect::<Vec<_>>();
        assert_eq!(names(choose(&[]).unwrap()).len(), CHECKS.len());
        assert_eq!(names(choose(&["fmt".into(), "sizes".into()]).unwrap()), ["sizes", "fmt"]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let message = choose(&["tidy".into()]).err().unwrap().to_string();
        assert!(message.contains("tidy") && message.contains("twins"), "{message}");
    }
}
