//! Builds the executables of the bundle and finds out from cargo where they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Tests of CUDA devices, and the program that measures.
const TESTS: [&str; 4] = ["cuda_ops", "cuda_host", "cuda_steps", "cuda_layers"];
const EXAMPLE: &str = "rates";

/// A release build without symbols: nobody debugs on that machine, and everything has to be carried there.
const PROFILE: &str = "gpu";

/// An executable under the name that it has in the bundle.
#[derive(Debug, PartialEq)]
pub struct Executable {
    /// Its target's name.
    pub name: String,
    /// Where cargo has put it.
    pub path: PathBuf,
}

/// Builds all of them.
pub fn build(root: &Path) -> Result<Vec<Executable>> {
    let mut tests = vec!["test", "--no-run"];
    TESTS.iter().for_each(|test| tests.extend(["--test", test]));
    let mut found = cargo(root, &tests)?;
    found.extend(cargo(root, &["build", "--example", EXAMPLE])?);
    for wanted in TESTS.iter().chain([&EXAMPLE]) {
        if found.iter().all(|executable| executable.name != *wanted) {
            bail!("cargo named no executable for {wanted}");
        }
    }
    Ok(found)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<Vec<Executable>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .args(["--profile", PROFILE, "--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    if !output.status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// What cargo's messages say was made to be run. The libraries that are built on the way have no executable.
fn executables(messages: &str) -> Vec<Executable> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_string();
            let path = PathBuf::from(message["executable"].as_str()?);
            let is_ours = TESTS.contains(&name.as_str()) || name == EXAMPLE;
            is_ours.then_some(Executable { name, path })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_those_of_our_targets() {
        let messages = "{\"target\":{\"name\":\"cuda_ops\"},\"executable\":\"/a\"}\nnoise\n\
                        {\"target\":{\"name\":\"fastlearn\"},\"executable\":\"/b\"}\n\
                        {\"target\":{\"name\":\"rates\"},\"executable\":null}\n\
                        {\"target\":{\"name\":\"rates\"},\"executable\":\"/c\"}";
        let found: Vec<(String, PathBuf)> =
            executables(messages).into_iter().map(|found| (found.name, found.path)).collect();
        assert_eq!(found, [("cuda_ops".into(), "/a".into()), ("rates".into(), "/c".into())]);
    }
}
