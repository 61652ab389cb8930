//! `cargo xtask golden`: makes the golden files again. How they are made is `tests/golden/generate.py`'s business.

use anyhow::{Context, Result, bail};

use crate::{python, repository};

/// What `cargo xtask golden` takes.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    python: python::Interpreter,
    /// Only these files, by stem (`resnet18`, `ops`); all when none is named.
    names: Vec<String>,
}

/// Runs the generator, which writes beside itself.
pub fn run(arguments: &Arguments) -> Result<()> {
    arguments.python.require(&["torch", "torchvision", "numpy"])?;
    let script = repository::root()?.join("tests/golden/generate.py");
    let status = arguments
        .python
        .script(&script)
        .args(&arguments.names)
        .status()
        .with_context(|| format!("starting {}", script.display()))?;
    if !status.success() {
        bail!("{} ended with {status}", script.display());
    }
    Ok(())
}
