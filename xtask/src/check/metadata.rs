//! The parts of `cargo metadata` that the checks of dependencies read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The resolved dependency graph of the workspace.
#[derive(Deserialize)]
pub struct Metadata {
    /// Every package of the graph, the workspace's own included.
    pub packages: Vec<Package>,
    /// Ids of the workspace's own packages.
    pub workspace_members: Vec<String>,
    /// The edges.
    pub resolve: Resolve,
    /// Where cargo builds.
    #[serde(default)]
    pub target_directory: String,
}

/// One package.
#[derive(Deserialize)]
pub struct Package {
    /// Unique in the graph.
    pub id: String,
    /// As in its manifest.
    pub name: String,
    /// As in its manifest.
    pub version: String,
    /// The native library that it says it links, if any.
    pub links: Option<String>,
    /// The folder it lies in, through its manifest.
    pub manifest_path: String,
}

/// The edges of the graph.
#[derive(Deserialize)]
pub struct Resolve {
    /// One for each package.
    pub nodes: Vec<Node>,
}

/// A package's edges.
#[derive(Deserialize)]
pub struct Node {
    /// The package.
    pub id: String,
    /// What it depends on.
    pub deps: Vec<Edge>,
}

/// A dependency.
#[derive(Deserialize)]
pub struct Edge {
    /// The id of the package depended on.
    pub pkg: String,
    /// Each way in which it is depended on.
    pub dep_kinds: Vec<EdgeKind>,
}

/// One way of depending.
#[derive(Deserialize)]
pub struct EdgeKind {
    /// `None` for a normal dependency, else `dev` or `build`.
    pub kind: Option<String>,
    /// The platforms it is for; `None` for all.
    pub target: Option<String>,
}

impl EdgeKind {
    /// Whether any ordinary build may follow this edge: fuzzers alone set `cfg(fuzzing)`.
    fn is_built(&self) -> bool {
        self.target.as_deref() != Some("cfg(fuzzing)")
    }

    /// Whether only the package's own tests, examples and benches use it.
    fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

impl Metadata {
    /// Asks cargo about the workspace at `root`; the lock file has to fit the manifests.
    pub fn read(root: &Path) -> Result<Metadata> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(root)
            .output()
            .context("starting cargo metadata")?;
        if !output.status.success() {
            bail!(
                "cargo metadata --locked failed:\n{}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        serde_json::from_slice(&output.stdout).context("reading what cargo metadata printed")
    }

    /// The package with this id.
    pub fn package(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }

    /// The workspace's own package of this name.
    pub fn member(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }

    /// The workspace's own packages.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// What the package `id` depends on itself, its development dependencies included.
    pub fn direct<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Package> {
        self.edges(id).filter_map(|edge| self.package(&edge.pkg))
    }

    /// Everything that a build of `starts` compiles, with the package through which it was first reached. Development
    /// dependencies count for the `starts` alone, and only if `with_dev`.
    pub fn reached<'a>(
        &'a self,
        starts: &[&'a str],
        with_dev: bool,
    ) -> BTreeMap<&'a str, Option<&'a str>> {
        let mut reached: BTreeMap<&str, Option<&str>> =
            starts.iter().map(|&id| (id, None)).collect();
        let mut open: Vec<&str> = starts.to_vec();
        while let Some(id) = open.pop() {
            let follows_dev = with_dev && starts.contains(&id);
            for edge in self.edges(id) {
                let is_followed = edge
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.is_built() && (follows_dev || !kind.is_dev()));
                if is_followed && !reached.contains_key(edge.pkg.as_str()) {
                    reached.insert(&edge.pkg, Some(id));
                    open.push(&edge.pkg);
                }
            }
        }
        reached
    }

    /// Names of the packages that a build of `starts` compiles and that depend on `id` themselves.
    pub fn users<'a>(
        &'a self,
        id: &str,
        reached: &BTreeMap<&'a str, Option<&'a str>>,
    ) -> BTreeSet<&'a str> {
        let uses = |user: &&&str| {
            self.edges(user)
                .any(|edge| edge.pkg == id && edge.dep_kinds.iter().any(EdgeKind::is_built))
        };
        reached
            .keys()
            .filter(uses)
            .filter_map(|user| self.package(user))
            .map(|user| user.name.as_str())
            .collect()
    }

    fn edges<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Edge> {
        self.resolve.nodes.iter().filter(move |node| node.id == id).flat_map(|node| &node.deps)
    }
}

/// A package of a made-up graph: `(package, links, [(dependency, kind)])`.
#[cfg(test)]
pub type Row<'a> = (&'a str, Option<&'a str>, &'a [(&'a str, Option<&'a str>)]);

#[cfg(test)]
impl Metadata {
    /// A made-up graph; each id is its package's name.
    pub fn made_up(members: &[&str], rows: &[Row]) -> Metadata {
        let package = |name: &str, links: Option<&str>| Package {
            id: name.into(),
            name: name.into(),
            version: "1.0.0".into(),
            links: links.map(String::from),
            manifest_path: format!("/made-up/crates/{name}/Cargo.toml"),
        };
        let edge = |&(name, kind): &(&str, Option<&str>)| Edge {
            pkg: name.into(),
            dep_kinds: vec![EdgeKind { kind: kind.map(String::from), target: None }],
        };
        Metadata {
            packages: rows.iter().map(|&(name, links, _)| package(name, links)).collect(),
            workspace_members: members.iter().map(|&name| name.into()).collect(),
            target_directory: "/made-up/target".into(),
            resolve: Resolve {
                nodes: rows
                    .iter()
                    .map(|(name, _, deps)| Node {
                        id: (*name).into(),
                        deps: deps.iter().map(edge).collect(),
                    })
                    .collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Metadata {
        let mut graph = Metadata::made_up(
            &["ours"],
            &[
                ("ours", None, &[("a", None), ("tool", Some("dev"))]),
                ("a", None, &[("b", Some("build")), ("fuzzer", None), ("quick", Some("dev"))]),
                ("b", None, &[]),
                ("fuzzer", None, &[]),
                ("quick", None, &[]),
                ("tool", None, &[]),
            ],
        );
        graph.resolve.nodes[1].deps[1].dep_kinds[0].target = Some("cfg(fuzzing)".into());
        graph
    }

    #[test]
    fn reached_follows_what_is_built() {
        let graph = graph();
        let names = |with_dev| graph.reached(&["ours"], with_dev).into_keys().collect::<Vec<_>>();
        assert_eq!(names(false), ["a", "b", "ours"]);
        assert_eq!(names(true), ["a", "b", "ours", "tool"]);
    }

    #[test]
    fn users_are_named() {
        let graph = graph();
        let reached = graph.reached(&["ours"], true);
        assert_eq!(graph.users("b", &reached).into_iter().collect::<Vec<_>>(), ["a"]);
    }
}
