//! The files of the working tree, read once and shared by the checks that look at text and sizes.
//!
//! Checks take a [`Tree`], so their tests hand them a made-up one; nothing else in the checks touches the disk.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Suffixes of the files whose text the checks read.
const TEXT_SUFFIXES: [&str; 9] = [".rs", ".cu", ".cuh", ".h", ".cpp", ".py", ".md", ".toml", ".sh"];

/// Folders with products of the build or of the user's own runs, never committed.
const NOT_SOURCES: [&str; 4] = ["target", "runs", "node_modules", "__pycache__"];

/// One file of the working tree.
pub struct File {
    /// From the root, with `/` between the parts on every system.
    pub path: String,
    /// Size on disk in bytes.
    pub bytes: u64,
    /// The text, where the suffix says that it is text.
    pub text: Option<String>,
}

/// All files of the working tree that are sources, sorted by path.
#[derive(Default)]
pub struct Tree {
    /// Sorted by path.
    pub files: Vec<File>,
}

impl Tree {
    /// Reads the tree below `root`. Hidden folders other than `.ci` and folders of build products are left out.
    pub fn read(root: &Path) -> Result<Tree> {
        let mut tree = Tree::default();
        tree.read_folder(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let entries = fs::read_dir(folder)
            .with_context(|| format!("reading the folder {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let hidden = name.starts_with('.') && name != ".ci";
                if !hidden
                    && !NOT_SOURCES.contains(&name.as_str())
                    && !path.join("CACHEDIR.TAG").exists()
                {
                    self.read_folder(&path, &format!("{prefix}{name}/"))?;
                }
            } else if kind.is_file() {
                let is_text = TEXT_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
                let text = is_text
                    .then(|| {
                        fs::read_to_string(&path)
                            .with_context(|| format!("reading {}", path.display()))
                    })
                    .transpose()?;
                self.files.push(File {
                    path: format!("{prefix}{name}"),
                    bytes: entry.metadata()?.len(),
                    text,
                });
            }
        }
        Ok(())
    }

    /// A made-up tree for the checks' own tests.
    #[cfg(test)]
    pub fn made_up(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.files.push(File {
                path: (*path).to_string(),
                bytes: text.len() as u64,
                text: Some((*text).to_string()),
            });
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        tree
    }

    /// Files with one of `suffixes`, with their text.
    pub fn texts<'a>(&'a self, suffixes: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files.iter().filter_map(move |file| {
            let text = file.text.as_deref()?;
            suffixes
                .iter()
                .any(|suffix| file.path.ends_with(suffix))
                .then_some((file.path.as_str(), text))
        })
    }

    /// Whether `path` is a file or a folder with files in it.
    pub fn exists(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }
}

/// The workspace's root: the folder above this package.
pub fn root() -> Result<PathBuf> {
    // `cargo run` states the package that it runs, which stays right when the build folder is shared between checkouts.
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = package.parent().context("xtask has no folder above it")?;
    root.canonicalize().with_context(|| format!("finding the workspace at {}", root.display()))
}
