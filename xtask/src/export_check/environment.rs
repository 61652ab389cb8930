//! A Python with PyTorch and onnxruntime: the one that was named if it has them, else an environment of our own, made
//! once in an ignored folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::python::Interpreter;

/// What the check imports.
const MODULES: [&str; 6] = ["torch", "torchvision", "onnx", "onnxruntime", "safetensors", "numpy"];

/// The versions that it is known to pass with; what they need comes with them.
const REQUIREMENTS: &str = "\
torch==2.15.0
torchvision==0.29.2
onnx==1.23.2
onnxruntime==1.32.0
safetensors==0.8.0
numpy==2.4.6
";

/// Where environments lie, from the root.
const FOLDER: &str = ".python";
/// Written into an environment once everything is installed.
const COMPLETE: &str = "complete";

/// The interpreter to run the check with.
pub fn with_packages(python: &Interpreter, root: &Path) -> Result<PathBuf> {
    if python.require(&MODULES).is_ok() {
        return Ok(python.path().to_owned());
    }
    let home = root.join(FOLDER).join(format!("export-{}", digest(REQUIREMENTS)));
    let own = interpreter(&home);
    if home.join(COMPLETE).exists() {
        return Ok(own);
    }
    eprintln!(
        "{} lacks some of {}; installing them into {} (5 GB, of which the check needs PyTorch's CPU side)",
        python.path().display(),
        MODULES.join(", "),
        home.display()
    );
    // What an interrupted installation left is cleared away.
    let mut make = python.module("venv");
    make.arg("--clear").arg(&home);
    run(&mut make, "making a Python environment")?;
    let requirements = home.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)
        .with_context(|| format!("writing {}", requirements.display()))?;
    let mut install = Command::new(&own);
    // Compiling every module of PyTorch to bytecode takes longer than the check.
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install.args(["--no-compile", "--only-binary=:all:", "-r"]).arg(&requirements);
    run(&mut install, "installing PyTorch and onnxruntime with pip")?;
    fs::write(home.join(COMPLETE), REQUIREMENTS)
        .with_context(|| format!("writing into {}", home.display()))?;
    Ok(own)
}

fn interpreter(home: &Path) -> PathBuf {
    if cfg!(windows) { home.join("Scripts/python.exe") } else { home.join("bin/python") }
}

/// The first digits of a text's sha256: other requirements get an environment of their own.
fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn run(command: &mut Command, what: &str) -> Result<()> {
    let output =
        command.output().with_context(|| format!("{what}; name another Python with --python"))?;
    if !output.status.success() {
        bail!(
            "{what} failed; name a Python that has {} with --python:\n{}",
            MODULES.join(", "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_pinned() {
        for module in MODULES {
            let is_pinned =
                REQUIREMENTS.lines().any(|line| line.starts_with(&format!("{module}==")));
            assert!(is_pinned, "{module}");
        }
        assert_eq!(digest("abc"), "ba7816bf");
    }
}
