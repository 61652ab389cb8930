//! Compiles the kernels and the emulator with g++ and links them to a library.
//!
//! An object's name holds the digest of all that it is made from, so that nothing is compiled twice and a library
//! with one changed kernel shares the other objects. What is linked, and why, is the caller's business.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::ptx::source;

/// The compiler; the emulator uses its attributes and its assembler.
pub const COMPILER: &str = "g++";

/// Sums are not fused, so that results do not depend on the machine; type punning is what device compilers allow.
const FLAGS: [&str; 10] = [
    "-std=c++17",
    "-O2",
    "-g1",
    "-fPIC",
    "-march=native",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-fvisibility=hidden",
    "-mtls-dialect=gnu2",
    "-Wno-attributes",
];

/// Misaligned accesses and indices outside of arrays stop a kernel, as on a chip or better. Loops are unrolled
/// before they are checked, which halves the time of a run.
const KERNEL_FLAGS: [&str; 4] =
    ["-O3", "-fsanitize=alignment,bounds", "-fsanitize-undefined-trap-on-error", "-w"];

/// The name by which the CUDA driver is looked for.
pub const LIBRARY: &str = "libcuda.so.1";

/// What a kernel file is compiled with: the language, and the table that it enters its kernels into.
const REGISTRATION: [&str; 2] = ["emulator/emulator.h", "emulator/kernel.h"];

/// One object to compile.
struct Unit {
    name: String,
    text: String,
    flags: Vec<String>,
    digest: String,
}

/// Kernels and emulator in one folder, to be built into another.
pub struct Build {
    compiler: String,
    kernels: PathBuf,
    objects: PathBuf,
}

impl Build {
    /// `kernels` is a folder like the project's, `objects` where compiled objects are kept.
    pub fn new(kernels: PathBuf, objects: PathBuf) -> Result<Build> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            bail!("the emulator runs on x86-64 Linux only");
        }
        let compiler = output(Command::new(COMPILER).arg("--version")).with_context(|| {
            format!("the emulator is built with {COMPILER}; install it (Debian: apt install g++)")
        })?;
        fs::create_dir_all(&objects).with_context(|| format!("making {}", objects.display()))?;
        Ok(Build { compiler, kernels, objects })
    }

    /// The library in `folder`, made from all kernels; returns how many objects had to be compiled.
    pub fn library(&self, folder: &Path) -> Result<usize> {
        let mut units = self.emulator()?;
        let kernels = files(&self.kernels, "cu")?;
        units.extend(self.kernels(&kernels)?);
        let (objects, compiled) = self.compile(&units)?;
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let library = folder.join(LIBRARY);
        let soname = format!("-Wl,-soname,{LIBRARY}");
        self.link(&library, &objects, &["-shared", &soname, "-pthread", "-ldl"])?;
        Ok(compiled)
    }

    /// A program of the emulator, the kernels in `kernel_files` and the C++ file `main`.
    pub fn program(&self, program: &Path, kernel_files: &[PathBuf], main: &Path) -> Result<()> {
        let mut units = self.emulator()?;
        units.extend(self.kernels(kernel_files)?);
        units.push(self.cpp(main)?);
        let (objects, _) = self.compile(&units)?;
        self.link(program, &objects, &["-pthread", "-ldl"])
    }

    /// Removes objects that were made from other texts of the present sources.
    pub fn forget_others(&self) -> Result<()> {
        let mut units = self.emulator()?;
        units.extend(self.kernels(&files(&self.kernels, "cu")?)?);
        for object in files(&self.objects, "o")? {
            let name = stem(&object);
            let name = name.rsplit_once('-').map_or("", |(name, _)| name);
            let mut of_that_name = units.iter().filter(|unit| unit.name == name).peekable();
            let is_source = of_that_name.peek().is_some();
            if is_source && !of_that_name.any(|unit| self.object(unit) == object) {
                fs::remove_file(&object)
                    .with_context(|| format!("removing {}", object.display()))?;
            }
        }
        Ok(())
    }

    fn emulator(&self) -> Result<Vec<Unit>> {
        files(&self.kernels.join("emulator"), "cpp")?.iter().map(|path| self.cpp(path)).collect()
    }

    fn kernels(&self, paths: &[PathBuf]) -> Result<Vec<Unit>> {
        in_parallel(paths, |path| self.kernel(path))
    }

    fn cpp(&self, path: &Path) -> Result<Unit> {
        let flags = vec!["-Wall".to_string(), "-Wextra".to_string()];
        Ok(self.unit(stem(path), read(path)?, flags, &self.texts(path)?))
    }

    /// A kernel file is compiled within its registration, which lists the kernels that preprocessing it shows.
    fn kernel(&self, path: &Path) -> Result<Unit> {
        let name = self.name(path);
        let mut texts = self.texts(path)?;
        for header in REGISTRATION {
            source::collect(&self.kernels, header, &mut texts)?;
        }
        let kernels = self.list(path)?;
        if kernels.is_empty() {
            bail!("{} has no KERNEL", path.display());
        }
        let mut text: String =
            REGISTRATION.iter().map(|header| format!("#include \"{header}\"\n")).collect();
        text += &format!("EMULATED_FILE\nnamespace {{\n#include \"{name}\"\n");
        for (name, bounds) in kernels {
            text += &format!("EMULATED_KERNEL({name}, {bounds})\n");
        }
        text += "}\n";
        let flags = KERNEL_FLAGS.map(str::to_string).to_vec();
        Ok(self.unit(stem(path), text, flags, &texts))
    }

    /// Kernels of a file, each with its launch bounds.
    fn list(&self, path: &Path) -> Result<Vec<(String, String)>> {
        let mut command = self.command();
        command.args(["-E", "-P", "-x", "c++", "-DFASTLEARN_LIST_KERNELS"]);
        command.args(["-include", REGISTRATION[0]]).arg(path);
        let text = output(&mut command).with_context(|| format!("reading {}", path.display()))?;
        list_kernels(&text).with_context(|| path.display().to_string())
    }

    /// As includes write it.
    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.kernels).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// A file and all that it includes, by name.
    fn texts(&self, path: &Path) -> Result<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        source::collect(&self.kernels, &self.name(path), &mut texts)?;
        Ok(texts)
    }

    fn unit(
        &self,
        name: String,
        text: String,
        flags: Vec<String>,
        texts: &BTreeMap<String, String>,
    ) -> Unit {
        let mut all = format!("{}\n{FLAGS:?}\n{flags:?}\n{text}", self.compiler);
        for (name, text) in texts {
            all += &format!("\n{name}\n{text}");
        }
        let digest = source::sha256(all.as_bytes())[..16].to_string();
        Unit { name, text, flags, digest }
    }

    fn object(&self, unit: &Unit) -> PathBuf {
        self.objects.join(format!("{}-{}.o", unit.name, unit.digest))
    }

    fn compile(&self, units: &[Unit]) -> Result<(Vec<PathBuf>, usize)> {
        let missing: Vec<&Unit> = units.iter().filter(|unit| !self.object(unit).exists()).collect();
        in_parallel(&missing, |unit| self.compile_one(unit))?;
        Ok((units.iter().map(|unit| self.object(unit)).collect(), missing.len()))
    }

    /// Under another name first: an object that is there is whole.
    fn compile_one(&self, unit: &Unit) -> Result<()> {
        let object = self.object(unit);
        let unfinished = object.with_extension(format!("{}.unfinished", std::process::id()));
        let source = object.with_extension(format!("{}.cpp", std::process::id()));
        fs::write(&source, &unit.text).with_context(|| format!("writing {}", source.display()))?;
        let mut command = self.command();
        command.args(&unit.flags).arg("-c").arg(&source).arg("-o").arg(&unfinished);
        let compiled = output(&mut command).with_context(|| format!("compiling {}", unit.name));
        fs::remove_file(&source).with_context(|| format!("removing {}", source.display()))?;
        compiled?;
        fs::rename(&unfinished, &object).with_context(|| format!("making {}", object.display()))
    }

    fn link(&self, product: &Path, objects: &[PathBuf], flags: &[&str]) -> Result<()> {
        let unfinished = product.with_extension(format!("{}.unfinished", std::process::id()));
        let mut command = Command::new(COMPILER);
        command.args(objects).arg("-o").arg(&unfinished).args(flags);
        output(&mut command).with_context(|| format!("linking {}", product.display()))?;
        fs::rename(&unfinished, product).with_context(|| format!("making {}", product.display()))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(COMPILER);
        command.args(FLAGS).arg("-I").arg(&self.kernels);
        command
    }
}

/// Kernels in preprocessed text, as `fastlearn_kernel(BOUNDS) NAME(`.
fn list_kernels(text: &str) -> Result<Vec<(String, String)>> {
    const MARK: &str = "fastlearn_kernel(";
    text.split(MARK)
        .skip(1)
        .map(|rest| {
            let end = closing(rest).context("a launch bound without an end")?;
            let name: String = rest[end + 1..]
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            Ok((name, rest[..end].trim().to_string()))
        })
        .collect()
}

/// Where the bracket closes that was opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.char_indices().find_map(|(at, c)| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (depth == 0).then_some(at)
    })
}

/// Runs `work` on every item on as many threads as there are cores; the first error, if any.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let take = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return };
            let result = work(item);
            done.lock().expect("no thread panics while it holds the lock").push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(take);
        }
    });
    let mut done = done.into_inner().expect("the threads have ended");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// What a command prints; an error with what it said if it fails.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {COMPILER}"))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Files of `folder` that end in `.extension`, sorted.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_found_with_their_bounds() {
        let text = "extern \"C\" void fastlearn_kernel(Tile<2, f(3)>::THREADS, 2) a_f32(int x) {}\n\
                    extern \"C\" void fastlearn_kernel(256)\n  b_bf16(int x);";
        let found = list_kernels(text).unwrap();
        let expected = [("a_f32", "Tile<2, f(3)>::THREADS, 2"), ("b_bf16", "256")]
            .map(|(name, bounds)| (name.to_string(), bounds.to_string()));
        assert_eq!(found, expected);
        assert!(list_kernels("fastlearn_kernel(256").is_err());
    }

    #[test]
    fn results_keep_their_order_and_errors_are_not_lost() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(in_parallel(&items, |item| Ok(item * 2)).unwrap()[99], 198);
        assert!(
            in_parallel(&items, |item| if *item == 50 { bail!("no") } else { Ok(()) }).is_err()
        );
    }
}
