//! Faults that the CUDA tests must notice: each is planted alone, and tests that pass without it must fail.
//!
//! A fault of a kernel is a change of its text, built into a library of its own; the program under test, with the
//! PTX that it embeds, stays as it is. A fault of the host is planted by the emulator at every launch of a kernel.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::build::Build;
use super::{Order, cargo_test};
use crate::ptx::source;

/// How a fault is planted.
enum Plant {
    /// In a file below `kernels/`: the first `find` becomes `replace`.
    Source { file: &'static str, find: &'static str, replace: &'static str },
    /// At launches: a value of FASTLEARN_EMULATOR_FAULT.
    Launch(&'static str),
}

struct Fault {
    name: &'static str,
    plant: Plant,
    /// The test of `cuda_ops` that must fail.
    test: &'static str,
}

/// One of each kind at least. A text that is no longer found fails the run, so that the table keeps up.
const FAULTS: [Fault; 10] = [
    Fault {
        name: "barrier removed, tiles",
        plant: Plant::Source {
            file: "common/register_tile.cuh",
            find: "    __syncthreads();\n  } while",
            replace: "  } while",
        },
        test: "f32::matmul",
    },
    Fault {
        name: "barrier removed, tree",
        plant: Plant::Source {
            file: "common/rows.cuh",
            find: "    }\n    __syncthreads();\n",
            replace: "    }\n",
        },
        test: "f32::norm",
    },
    Fault {
        name: "wait for copies removed",
        plant: Plant::Source {
            file: "common/mma_tile.cuh",
            find: "cp_async_wait<Tile::STAGES - 2>();",
            replace: "",
        },
        test: "bf16::matmul",
    },
    Fault {
        name: "wait for weights removed",
        plant: Plant::Source {
            file: "conv_stem_mma.cu",
            find: "  cp_async_wait<0>();\n  for (int at = first_tile",
            replace: "  for (int at = first_tile",
        },
        test: "bf16::conv",
    },
    Fault {
        name: "grid short by a block",
        plant: Plant::Launch("short-grid:conv_"),
        test: "f32::conv",
    },
    Fault {
        name: "grid short, one dimension",
        plant: Plant::Launch("short-grid:pointwise_"),
        test: "f32::pointwise",
    },
    Fault {
        name: "arguments swapped",
        plant: Plant::Launch("swapped-arguments:norm_apply"),
        test: "f32::norm",
    },
    Fault {
        name: "PTX stale",
        plant: Plant::Source {
            file: "norm.cu",
            find: "  uint32_t relu;\n",
            replace: "  uint32_t relu;\n  uint32_t added_since;\n",
        },
        test: "f32::norm",
    },
    Fault {
        name: "tail not written",
        plant: Plant::Source {
            file: "common/vectors.cuh",
            find: "i < len; i += threads",
            replace: "i + 1 < len; i += threads",
        },
        test: "f32::pointwise",
    },
    Fault {
        name: "read behind the end",
        plant: Plant::Source {
            file: "common/vectors.cuh",
            find: "if (own < packs) work.load",
            replace: "if (own <= packs) work.load",
        },
        test: "f32::pointwise",
    },
];

/// The tests that the faults' `test` names belong to.
const TESTS: [&str; 1] = ["cuda_ops"];

/// Plants the faults with `word` in their names, one after the other; `Ok(false)` when the tests missed one.
pub fn run(root: &Path, folder: &Path, word: &str) -> Result<bool> {
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.name.contains(word)).collect();
    if faults.is_empty() {
        let names: Vec<&str> = FAULTS.iter().map(|fault| fault.name).collect();
        bail!("no fault has `{word}` in its name; there are: {}", names.join("; "));
    }
    let tests: BTreeSet<&str> = faults.iter().map(|fault| fault.test).collect();
    for test in tests {
        if let Some(complaint) = complaint(root, folder, test, None)? {
            bail!("{test} fails with no fault planted, which makes it useless here:\n{complaint}");
        }
    }
    let mut missed = 0;
    for fault in &faults {
        let start = Instant::now();
        let caught =
            plant(root, folder, fault).with_context(|| format!("the fault `{}`", fault.name))?;
        missed += usize::from(caught.is_none());
        let verdict = caught.map_or_else(
            || format!("MISSED by {}", fault.test),
            |complaint| format!("caught by {}: {complaint}", fault.test),
        );
        println!("{:<26} {verdict} ({:.1} s)", fault.name, start.elapsed().as_secs_f64());
    }
    println!("faults: {} of {} caught", faults.len() - missed, faults.len());
    Ok(missed == 0)
}

/// What the tests say about the fault; none if they pass.
fn plant(root: &Path, folder: &Path, fault: &Fault) -> Result<Option<String>> {
    match fault.plant {
        Plant::Launch(planted) => complaint(root, folder, fault.test, Some(planted)),
        Plant::Source { file, find, replace } => {
            let changed = tempfile::tempdir().context("making a temporary folder")?;
            let kernels = changed.path().join(source::FOLDER);
            copy(&root.join(source::FOLDER), &kernels)?;
            change(&kernels.join(file), find, replace)?;
            let library = Build::new(kernels, folder.join("objects"))?;
            library.library(changed.path())?;
            complaint(root, changed.path(), fault.test, None)
        }
    }
}

/// Runs a test in both orders until it fails; what it said first.
fn complaint(
    root: &Path,
    library: &Path,
    test: &str,
    planted: Option<&str>,
) -> Result<Option<String>> {
    for order in [Order::Forward, Order::Reverse] {
        let mut command = cargo_test(root, &TESTS, library, order);
        command.args(["--", "--exact", test]);
        if let Some(planted) = planted {
            command.env("FASTLEARN_EMULATOR_FAULT", planted);
        }
        if let Some(complaint) = failure(&mut command)? {
            return Ok(Some(complaint));
        }
    }
    Ok(None)
}

/// The line that says most about a failure; none if the command succeeds.
fn failure(command: &mut Command) -> Result<Option<String>> {
    let output = command.output().context("starting cargo")?;
    if output.status.success() {
        return Ok(None);
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    if text.contains("could not compile") {
        bail!("the tests do not compile:\n{text}");
    }
    let marks = ["CPU emulator:", " instead of ", " off by ", "panicked", "FAILED"];
    let telling = marks.iter().find_map(|mark| text.lines().find(|line| line.contains(mark)));
    Ok(Some(telling.unwrap_or("no reason given").trim().to_string()))
}

fn change(path: &Path, find: &str, replace: &str) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    if !text.contains(find) {
        bail!("{} no longer contains `{find}`; choose another place for the fault", path.display());
    }
    fs::write(path, text.replacen(find, replace, 1))
        .with_context(|| format!("writing {}", path.display()))
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let (path, copied): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&path, &copied)?;
        } else {
            fs::copy(&path, &copied).with_context(|| format!("copying {}", path.display()))?;
        }
    }
    Ok(())
}
