//! What is done to the compiler's PTX before it is committed: its version is stamped, the lines that change
//! with every build of the compiler go, and a head says what the file was made from.

use anyhow::{Result, bail};

use super::source::Source;

/// The version of PTX that drivers from 525 on (CUDA 12.0) take. Each compiler writes its own release's version,
/// which older drivers refuse even if no newer instruction is used; the old assembler proves that none is.
const VERSION: &str = ".version 8.0";

/// The committed text.
pub fn commit(source: &Source, target: &str, compiled: &str) -> Result<String> {
    let kernels = kernels(compiled);
    check_names(&source.stem, &kernels)?;
    let mut text =
        format!("// Made by `cargo xtask ptx` from kernels/{}.cu for {target}.\n", source.stem);
    for (path, digest) in &source.digests {
        text += &format!("// sha256 {digest} {path}\n");
    }
    for kernel in kernels {
        text += &format!("// kernel {kernel}\n");
    }
    text += &stamp(compiled)?;
    Ok(text)
}

/// The PTX from its version line on, with the version replaced.
fn stamp(compiled: &str) -> Result<String> {
    let mut lines = compiled.lines().skip_while(|line| !line.starts_with(".version "));
    if lines.next().is_none() {
        bail!("the compiler's PTX has no line `.version`");
    }
    let mut text = format!("{VERSION}\n");
    for line in lines {
        text += line.trim_end();
        text.push('\n');
    }
    Ok(format!("{}\n", text.trim_end()))
}

/// The names of the kernels in a PTX, in order.
pub fn kernels(ptx: &str) -> Vec<&str> {
    ptx.lines()
        .filter_map(|line| line.trim_start().strip_prefix(".visible .entry "))
        .filter_map(|rest| rest.split(['(', ' ']).next())
        .collect()
}

/// Fails unless all names begin with the stem, so that a kernel's file is known from its name.
fn check_names(stem: &str, kernels: &[&str]) -> Result<()> {
    let prefix = format!("{stem}_");
    match kernels.iter().find(|kernel| !kernel.starts_with(&prefix)) {
        Some(kernel) => bail!("the kernel {kernel} must be named {prefix}..., after its file"),
        None if kernels.is_empty() => bail!("it has no kernel"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPILED: &str = "//\n// Compiler Build ID: CL-1\n//\n\n.version 8.4\n.target sm_80\n\
        .visible .entry norm_apply_f32(\n\t.param .u64 a\n)  \n{\n\tret;\n}\n\n";

    fn source(stem: &str) -> Source {
        Source {
            stem: stem.to_string(),
            text: String::new(),
            targets: vec!["sm_80"],
            digests: [("kernels/norm.cu".to_string(), "ab".to_string())].into(),
        }
    }

    #[test]
    fn a_head_is_set_and_the_build_is_dropped() {
        let text = commit(&source("norm"), "sm_80", COMPILED).unwrap();
        let expected = "// Made by `cargo xtask ptx` from kernels/norm.cu for sm_80.\n\
            // sha256 ab kernels/norm.cu\n// kernel norm_apply_f32\n.version 8.0\n.target sm_80\n\
            .visible .entry norm_apply_f32(\n\t.param .u64 a\n)\n{\n\tret;\n}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_kernel_bears_the_name_of_its_file() {
        let message = commit(&source("conv"), "sm_80", COMPILED).unwrap_err().to_string();
        assert!(message.contains("norm_apply_f32") && message.contains("conv_"), "{message}");
        assert!(commit(&source("norm"), "sm_80", ".version 8.4\n").is_err());
        assert!(stamp("ret;").is_err());
    }
}
