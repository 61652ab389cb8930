//! The compiler and the assemblers, fetched as Python wheels whose hashes are pinned.
//!
//! No tool kit needs to be installed: each wheel is unpacked by pip into a folder of its own, because two
//! releases of the assembler would take the same path.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::python::Interpreter;

/// One pinned wheel and the file of it that is used.
struct Wheel {
    package: &'static str,
    version: &'static str,
    sha256: &'static str,
    file: &'static str,
}

const COMPILER: Wheel = Wheel {
    package: "nvidia-cuda-nvrtc-cu12",
    version: "12.4.127",
    sha256: "a178759ebb095827bd30ef56598ec182b85547f1508941a3d560eb7ea1fbf338",
    file: "nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
};

const OLD_ASSEMBLER: Wheel = Wheel {
    package: "nvidia-cuda-nvcc-cu12",
    version: "12.0.140",
    sha256: "958d54df87d0c0b7207e7fed403d6eeda0890a01cc44cfeaccf87c7f90e9b165",
    file: "nvidia/cuda_nvcc/bin/ptxas",
};

const NEW_ASSEMBLER: Wheel = Wheel {
    package: "nvidia-cuda-nvcc-cu12",
    version: "12.9.86",
    sha256: "5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0",
    file: "nvidia/cuda_nvcc/bin/ptxas",
};

/// Where the tools lie.
pub struct Tools {
    /// The library that compiles CUDA C++ to PTX.
    pub compiler: PathBuf,
    /// The assembler of the oldest release whose drivers have to take the PTX.
    pub old_assembler: PathBuf,
    /// An assembler that knows the chips that came later.
    pub new_assembler: PathBuf,
}

impl Tools {
    /// The releases, in words.
    pub fn releases() -> String {
        let wheels = [COMPILER, OLD_ASSEMBLER, NEW_ASSEMBLER];
        wheels.map(|wheel| format!("{} {}", wheel.package, wheel.version)).join(", ")
    }

    /// The tools below `folder`, fetched if they are not there yet.
    pub fn fetch(folder: &Path, python: &Interpreter) -> Result<Tools> {
        Ok(Tools {
            compiler: COMPILER.fetch(folder, python)?,
            old_assembler: OLD_ASSEMBLER.fetch(folder, python)?,
            new_assembler: NEW_ASSEMBLER.fetch(folder, python)?,
        })
    }
}

impl Wheel {
    /// The line of a requirements file that pins this wheel.
    fn requirement(&self) -> String {
        format!("{}=={} --hash=sha256:{}\n", self.package, self.version, self.sha256)
    }

    fn fetch(&self, folder: &Path, python: &Interpreter) -> Result<PathBuf> {
        let name = format!("{}-{}", self.package, self.version);
        let home = folder.join(&name);
        let file = home.join(self.file);
        if file.exists() {
            return Ok(file);
        }
        eprintln!("fetching {name} into {}", folder.display());
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        // Unpacked beside its place and then moved, so that an interrupted fetch is not taken for a whole one.
        let fresh = tempfile::tempdir_in(folder)
            .with_context(|| format!("making a folder in {}", folder.display()))?;
        let requirements = fresh.path().join("requirements.txt");
        fs::write(&requirements, self.requirement())?;
        let unpacked = fresh.path().join("unpacked");
        let output = python
            .module("pip")
            .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary=:all:", "--require-hashes", "--target"])
            .arg(&unpacked)
            .arg("-r")
            .arg(&requirements)
            .output()
            .context("starting pip; name another Python with --python")?;
        if !output.status.success() {
            bail!(
                "pip could not fetch {name}, without which no PTX can be built: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        if !unpacked.join(self.file).exists() {
            bail!("the wheel {name} has no file {}", self.file);
        }
        match fs::rename(&unpacked, &home) {
            Ok(()) => Ok(file),
            // Another run was faster.
            Err(_) if file.exists() => Ok(file),
            Err(error) => {
                Err(error).with_context(|| format!("moving {name} to {}", home.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_pinned_by_version_and_hash() {
        for wheel in [COMPILER, OLD_ASSEMBLER, NEW_ASSEMBLER] {
            assert_eq!(wheel.sha256.len(), 64, "{}", wheel.package);
            let requirement = wheel.requirement();
            assert!(requirement.contains("==12."), "{requirement}");
            assert!(requirement.contains("--hash=sha256:"), "{requirement}");
        }
    }
}
