//! The assembler: proof that a PTX is taken, and what its kernels use of a chip.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// What a kernel uses on one chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Its name.
    pub kernel: String,
    /// The chip, as the assembler calls it.
    pub chip: String,
    /// Registers a thread.
    pub registers: u32,
    /// Bytes that a thread moves to and from memory because its registers do not suffice.
    pub spills: u32,
}

/// Assembles the PTX file at `ptx` for `chip` and throws the machine code away.
pub fn assemble(assembler: &Path, ptx: &Path, chip: &str) -> Result<Vec<Usage>> {
    let output = Command::new(assembler)
        .arg("-v")
        .arg(format!("-arch={chip}"))
        .arg(ptx)
        .args(["-o", "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", assembler.display()))?;
    let said =
        [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    if !output.status.success() {
        bail!("{} refuses it for {chip}:\n{}", assembler.display(), said.trim());
    }
    usages(&said, chip).with_context(|| format!("reading what {} says", assembler.display()))
}

/// Reads the assembler's report on what it made for `chip`.
fn usages(report: &str, chip: &str) -> Result<Vec<Usage>> {
    let mut usages = Vec::new();
    let mut kernel = None;
    let mut spills = 0;
    for line in report.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            kernel = rest.split('\'').next();
        } else if line.contains("bytes spill stores") {
            let numbers = line.split(',').filter(|part| part.contains("spill"));
            spills = numbers.map(first_number).sum::<Result<u32>>()?;
        } else if let Some((_, rest)) = line.split_once("Used ") {
            let kernel = kernel.take().context("registers without a kernel")?.to_string();
            let (chip, registers) = (chip.to_string(), first_number(rest)?);
            usages.push(Usage { kernel, chip, registers, spills });
            spills = 0;
        }
    }
    Ok(usages)
}

fn first_number(text: &str) -> Result<u32> {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse().with_context(|| format!("no number in `{}`", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_and_spills_are_read() {
        let report = "ptxas info    : 0 bytes gmem\n\
            ptxas info    : Compiling entry function 'a_f32' for 'sm_80'\n\
            ptxas info    : Function properties for a_f32\n    \
            0 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\n\
            ptxas info    : Used 30 registers, 380 bytes cmem[0]\n\
            ptxas info    : Compiling entry function 'b_f32' for 'sm_80'\n\
            ptxas info    : Function properties for b_f32\n    \
            0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n\
            ptxas info    : Used 9 registers, used 1 barriers, 380 bytes cmem[0]\n";
        let usage = |kernel: &str, registers, spills| Usage {
            kernel: kernel.to_string(),
            chip: "sm_80".to_string(),
            registers,
            spills,
        };
        assert_eq!(
            usages(report, "sm_80").unwrap(),
            [usage("a_f32", 30, 20), usage("b_f32", 9, 0)]
        );
        assert!(usages("ptxas info : Used 9 registers", "sm_80").is_err());
        assert!(usages("Compiling entry function 'a' for\nUsed many registers", "sm_80").is_err());
    }
}
