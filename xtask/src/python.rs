//! The Python interpreter that chores run in: those that compare with PyTorch, and the one that fetches wheels.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// How a chore is told which Python to use.
#[derive(clap::Args)]
pub struct Interpreter {
    /// The Python interpreter; what needs PyTorch needs torch, torchvision and numpy in its environment.
    #[arg(
        long = "python",
        env = "FASTLEARN_PYTHON",
        default_value = "python3",
        value_name = "PATH"
    )]
    path: PathBuf,
}

impl Interpreter {
    /// The interpreter's file or name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that runs `script`.
    pub fn script(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(script);
        command
    }

    /// A command that runs an installed module.
    pub fn module(&self, name: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.args(["-m", name]);
        command
    }

    /// Fails with the remedy where the interpreter lacks one of `modules`.
    pub fn require(&self, modules: &[&str]) -> Result<()> {
        let output = Command::new(&self.path)
            .args(["-c", &format!("import {}", modules.join(", "))])
            .output()
            .with_context(|| {
                format!("starting {}; name another Python with --python", self.path.display())
            })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let reason = said.trim().lines().last().unwrap_or("no reason given").to_string();
            bail!(
                "{} cannot import {} ({reason}); install them there or name another Python with --python",
                self.path.display(),
                modules.join(", ")
            );
        }
        Ok(())
    }
}
