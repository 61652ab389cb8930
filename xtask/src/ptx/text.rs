//! What is done to the compiler's PTX before it is committed: its version is stamped, what changes with every build
//! or run of the compiler goes, and a head says what the file was made from.

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
    text += &without_process(&stamp(compiled)?, &source.stem);
    Ok(text)
}

/// How the compiler begins the names of its own namespaces; a digest and the number of its process follow.
const OWN_NAMESPACES: [&str; 2] = ["_GLOBAL__N__", "_INTERNAL_"];

/// The PTX with the compiler's own namespaces named after the source. A name in a symbol is preceded by its
/// length, which is how its end is known.
fn without_process(ptx: &str, stem: &str) -> String {
    let mut text = String::with_capacity(ptx.len());
    let mut rest = ptx;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, name) = rest.split_at(digits);
        let length = number.parse().unwrap_or(0);
        let own = OWN_NAMESPACES.into_iter().find(|start| {
            name.starts_with(&format!("{start}00000000_")) && name.get(..length).is_some()
        });
        if let Some(start) = own {
            let steady = format!("{start}{stem}");
            text += &format!("{}{steady}", steady.len());
            rest = &name[length..];
            continue;
        }
        // On to the next number.
        let others = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
        text += number;
        text += &name[..others];
        rest = &name[others..];
    }
    text
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

/// What two PTX files of one source differ in, if the compiler made the same of it for both targets, is left out.
pub fn body(ptx: &str) -> impl Iterator<Item = &str> {
    ptx.lines().filter(|line| !line.starts_with("//") && !line.starts_with(".target "))
}

/// The names of the kernels in a PTX, in order.
fn kernels(ptx: &str) -> Vec<&str> {
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
    fn the_compilers_process_leaves_no_trace() {
        let ptx = |process: &str| {
            let name = |start: &str| format!("{start}00000000_7_norm_cu_70675f9d_{process}");
            let (own, unnamed) = (name("_INTERNAL_"), name("_GLOBAL__N__"));
            let symbol = format!("_ZN{}{own}{}{unnamed}4SIZEE", own.len(), unnamed.len());
            format!(".global .align 4 .u32 {symbol} = 32;\n\tadd.s32 \t%r12, %r3, 44;\n")
        };
        let expected = ".global .align 4 .u32 _ZN14_INTERNAL_norm16_GLOBAL__N__norm4SIZEE = 32;\n\
            \tadd.s32 \t%r12, %r3, 44;\n";
        for process in ["7", "3348", "29990"] {
            assert_eq!(without_process(&ptx(process), "norm"), expected);
        }
    }

    #[test]
    fn the_target_is_not_of_the_body() {
        let of =
            |target| commit(&source("norm"), target, &COMPILED.replace("sm_80", target)).unwrap();
        assert!(body(&of("sm_80")).eq(body(&of("sm_75"))));
        assert!(!body(&of("sm_80")).eq(body(&of("sm_75").replace("ret", "trap"))));
    }

    #[test]
    fn a_kernel_bears_the_name_of_its_file() {
        let message = commit(&source("conv"), "sm_80", COMPILED).unwrap_err().to_string();
        assert!(message.contains("norm_apply_f32") && message.contains("conv_"), "{message}");
        assert!(commit(&source("norm"), "sm_80", ".version 8.4\n").is_err());
        assert!(stamp("ret;").is_err());
    }
}
