//! `cargo xtask gpu-bundle`: one folder with everything that proves and measures the CUDA backend on a GPU machine
//! that has neither Rust nor a network: stripped executables, the other framework's programs, and `run.sh`.
//!
//! Here are the command and what goes into the folder; building is [`executables`]'. What happens on that machine is
//! written in `run.sh`, which `--emulated` also runs here, at tiny sizes, on the emulated driver.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{python, repository};

mod executables;

/// The script that runs the bundle.
const SCRIPT: &str = include_str!("run.sh");

/// The other framework's side and the table of both, beside `xtask/python`.
const PROGRAMS: [&str; 2] = ["torch_rates.py", "rates_table.py"];

/// What may be carried to a GPU machine at a time.
const MOST_BYTES: u64 = 64 << 20;

/// What `cargo xtask gpu-bundle` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder to be filled; the files of an earlier bundle in it are replaced.
    #[arg(long, default_value = ".gpu", value_name = "FOLDER")]
    out: PathBuf,
    /// Run the bundle here afterwards, at tiny sizes, on the emulated driver.
    #[arg(long)]
    emulated: bool,
    #[command(flatten)]
    python: python::Interpreter,
}

/// Fills the folder, and runs it if that is asked for; `Ok(false)` when something in it fails.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let root = repository::root()?;
    let folder = root.join(&arguments.out);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for executable in executables::build(&root)? {
        let target = folder.join(&executable.name);
        fs::copy(&executable.path, &target).with_context(|| {
            format!("copying {} to {}", executable.path.display(), target.display())
        })?;
    }
    for program in PROGRAMS {
        let source = root.join("xtask/python").join(program);
        fs::copy(&source, folder.join(program))
            .with_context(|| format!("copying {}", source.display()))?;
    }
    let script = folder.join("run.sh");
    fs::write(&script, SCRIPT).with_context(|| format!("writing {}", script.display()))?;
    make_executable(&script)?;
    let bytes = report(&folder)?;
    if bytes > MOST_BYTES {
        bail!(
            "the bundle has {bytes} bytes, more than the {MOST_BYTES} that can be carried at a time"
        );
    }
    if arguments.emulated { run_emulated(&script, &arguments.python) } else { Ok(true) }
}

#[cfg(unix)]
fn make_executable(script: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making {} executable", script.display()))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    bail!("the bundle is for Linux machines; make it on one")
}

/// Prints the files with their sizes, and gives the sum.
fn report(folder: &Path) -> Result<u64> {
    let mut total = 0;
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
    entries.retain(|entry| entry.path().is_file());
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let bytes = entry.metadata()?.len();
        println!("{:>10} {}", bytes, entry.file_name().to_string_lossy());
        total += bytes;
    }
    println!("{total:>10} bytes in {}", folder.display());
    Ok(total)
}

/// The emulator is another chore of this program, which puts itself in the driver's place.
fn run_emulated(script: &Path, python: &python::Interpreter) -> Result<bool> {
    let this = std::env::current_exe().context("finding this program")?;
    let status = Command::new(this)
        .args(["emulator", "--"])
        .arg(script)
        .env("FASTLEARN_BUNDLE", "tiny")
        .env("FASTLEARN_PYTHON", python.path())
        .status()
        .context("starting the emulator")?;
    Ok(status.success())
}
