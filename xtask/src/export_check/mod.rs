//! `cargo xtask export-check`: whether PyTorch and onnxruntime load what `fastlearn export` writes, by the Python that
//! docs/export.md shows, and compute our logits. What is compared is `xtask/python/export_check.py`'s business.

mod environment;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{python, repository};

/// The example that writes models and logits, and the command that exports them.
const CASES: &str = "export_cases";
const COMMAND: &str = "fastlearn";

/// The formats, and how the files of each case end.
const FORMATS: [(&str, &str); 3] =
    [("torchvision", "pth"), ("safetensors", "torch.safetensors"), ("onnx", "onnx")];

/// What `cargo xtask export-check` takes.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    python: python::Interpreter,
    /// Leave the exported files in this folder.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// Builds, exports every case and compares; `false` if something differs.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let root = repository::root()?;
    let python = environment::with_packages(&arguments.python, &root)?;
    let programs = build(&root)?;

    let temporary = tempfile::tempdir().context("making a folder")?;
    let folder = match &arguments.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making {}", folder.display()))?;
            folder.as_path()
        }
        None => temporary.path(),
    };
    succeed(Command::new(&programs.cases).arg(folder))?;
    for case in cases(folder)? {
        for (format, extension) in FORMATS {
            let model = folder.join(format!("{case}.safetensors"));
            let out = folder.join(format!("{case}.{extension}"));
            let mut command = Command::new(&programs.command);
            command.arg("export").arg(model).args(["--format", format, "--out"]).arg(out);
            succeed(command.stdout(Stdio::null()))?;
        }
    }
    let script = root.join("xtask/python/export_check.py");
    let mut check = Command::new(python);
    check.arg("-B").arg(script).arg(root.join("docs/export.md")).arg(folder);
    let status = check.status().context("starting Python")?;
    Ok(status.success())
}

/// The names in `cases.json`.
fn cases(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("cases.json");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text)?;
    cases
        .iter()
        .map(|case| case["name"].as_str().map(str::to_owned).context("a case has no name"))
        .collect()
}

struct Programs {
    cases: PathBuf,
    command: PathBuf,
}

/// Builds both with the profile of the tests, which `cargo test --workspace` has built already.
fn build(root: &Path) -> Result<Programs> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--workspace", "--profile", "test"])
        .args(["--example", CASES, "--bin", COMMAND])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo build")?;
    if !output.status.success() {
        bail!("cargo build --example {CASES} --bin {COMMAND} failed");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let program = |name: &str| {
        executable(&messages, name).with_context(|| format!("cargo named no executable {name}"))
    };
    Ok(Programs { cases: program(CASES)?, command: program(COMMAND)? })
}

fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| {
            let is_meant = message["target"]["name"] == name;
            message["executable"].as_str().filter(|_| is_meant).map(PathBuf::from)
        })
}

fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("starting {name}"))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_of_that_name_is_found() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"models"},"executable":null}"#,
            "\nnot JSON\n",
            r#"{"reason":"compiler-artifact","target":{"name":"fastlearn"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"fastlearn"},"executable":"/t/fastlearn"}"#,
        );
        assert_eq!(executable(messages, "fastlearn"), Some(PathBuf::from("/t/fastlearn")));
        assert_eq!(executable(messages, "export_cases"), None);
    }
}
