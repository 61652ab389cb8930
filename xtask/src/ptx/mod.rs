//! `cargo xtask ptx`: compiles the kernels to the PTX that tensor-core embeds, and proves that it assembles.
//!
//! Here is the order of the steps; the sources and their headers are [`source`]'s, the tools [`wheels`]', the
//! compiler [`nvrtc`]'s, the text that is committed [`text`]'s, which chips it serves [`chips`]', the assembler
//! [`assemble`]'s, the registers [`budget`]'s, the files [`committed`]'s, and what need not be built again
//! [`cache`]'s.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{python, repository};
use assemble::Usage;
use budget::Budget;
use cache::{Cache, Entry};
use committed::Files;
use nvrtc::Compiler;
use source::Source;
use wheels::Tools;

mod assemble;
mod budget;
mod cache;
mod chips;
mod committed;
mod nvrtc;
pub mod source;
mod text;
mod wheels;

/// What `cargo xtask ptx` takes.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    python: python::Interpreter,
    /// Compare with the committed files instead of writing them.
    #[arg(long)]
    check: bool,
    /// Take the registers that the kernels use now as their budget.
    #[arg(long, conflicts_with = "check")]
    update_budget: bool,
    /// Where the compiler and the assemblers are kept [default: .cuda in the workspace].
    #[arg(long, env = "FASTLEARN_CUDA_TOOLS", value_name = "FOLDER")]
    tools: Option<PathBuf>,
    /// Only these files, by stem (`norm`, `conv_mma`); all when none is named.
    stems: Vec<String>,
}

/// One source on one target.
struct Unit<'a> {
    source: &'a Source,
    target: &'static str,
}

/// What units are built with.
struct Workshop {
    root: PathBuf,
    tools: Tools,
    compiler: Compiler,
    /// `None` for a check.
    cache: Option<Cache>,
    /// For files that the assemblers read.
    scratch: tempfile::TempDir,
}

/// A unit that was built.
struct Built {
    path: String,
    entry: Entry,
}

/// Compiles, assembles, and writes or compares; `Ok(false)` when something is wrong with a kernel.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let start = Instant::now();
    let root = repository::root()?;
    let sources = source::read_all(&root)?;
    let chosen = choose(&sources, &arguments.stems)?;
    let folder = arguments.tools.clone().unwrap_or_else(|| root.join(".cuda"));
    let workshop = Workshop::open(&root, &folder, arguments)?;
    let units: Vec<Unit> = chosen
        .iter()
        .flat_map(|source| source.targets.iter().map(|target| Unit { source, target }))
        .collect();

    let (built, mut problems) = build_all(&workshop, &units);
    let whole = arguments.stems.is_empty();
    if !arguments.update_budget {
        problems.extend(Budget::read(&root)?.complaints(&registers(&built), whole));
    } else if problems.is_empty() {
        update_budget(&root, registers(&built), whole)?;
    }

    let files: Files = built.into_iter().map(|unit| (unit.path, unit.entry.text)).collect();
    if arguments.check {
        problems.extend(committed::differences(&root, &files, &sources)?);
    } else if problems.is_empty() {
        let changed = committed::write(&root, &files, &sources)?;
        println!("{changed} files of {} changed", committed::FOLDER);
    }
    needless_targets(&chosen, &files).iter().for_each(|notice| println!("notice: {notice}"));
    problems.iter().for_each(|problem| println!("{problem}"));
    let verdict = if problems.is_empty() { "ok" } else { "FAILED" };
    let seconds = start.elapsed().as_secs_f64();
    println!("ptx {verdict}: {} sources, {} PTX, {seconds:.1} s", chosen.len(), units.len());
    if !problems.is_empty() && arguments.check {
        println!("again, and to write what has changed: cargo xtask ptx");
    }
    Ok(problems.is_empty())
}

fn choose<'a>(sources: &'a [Source], stems: &[String]) -> Result<Vec<&'a Source>> {
    for stem in stems {
        if !sources.iter().any(|source| source.stem == *stem) {
            let known: Vec<_> = sources.iter().map(|source| source.stem.as_str()).collect();
            bail!("there is no {}/{stem}.cu; there are {}", source::FOLDER, known.join(", "));
        }
    }
    let chosen = |source: &&Source| stems.is_empty() || stems.contains(&source.stem);
    Ok(sources.iter().filter(chosen).collect())
}

/// Builds the units on as many threads as there are cores; in the order of their paths, and what is wrong with some.
fn build_all(workshop: &Workshop, units: &[Unit]) -> (Vec<Built>, Vec<String>) {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let work = || {
        while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = workshop.build(unit);
            done.lock().expect("no thread panics while it holds the lock").push(result);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (mut built, mut problems) = (Vec::new(), Vec::new());
    for result in done.into_inner().expect("the threads have ended") {
        match result {
            Ok(unit) => built.push(unit),
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    built.sort_by(|a, b| a.path.cmp(&b.path));
    problems.sort();
    (built, problems)
}

impl Workshop {
    fn open(root: &Path, folder: &Path, arguments: &Arguments) -> Result<Workshop> {
        let tools = Tools::fetch(folder, &arguments.python)?;
        Ok(Workshop {
            root: root.to_path_buf(),
            compiler: Compiler::load(&tools.compiler)?,
            tools,
            cache: (!arguments.check).then(|| Cache::new(folder)),
            scratch: tempfile::tempdir().context("making a temporary folder")?,
        })
    }

    fn build(&self, unit: &Unit) -> Result<Built> {
        let Unit { source, target } = *unit;
        let releases = Tools::releases();
        let known = self.cache.as_ref().and_then(|cache| cache.get(source, target, &releases));
        let entry = match known {
            Some(entry) => entry,
            None => {
                let entry = self.make(source, target).with_context(|| {
                    format!("{}/{}.cu for {target}", source::FOLDER, source.stem)
                })?;
                if let Some(cache) = &self.cache {
                    cache.put(source, target, &releases, &entry)?;
                }
                entry
            }
        };
        Ok(Built { path: committed::path(&source.stem, target), entry })
    }

    /// Compiles, and assembles for the chips that the PTX serves.
    fn make(&self, source: &Source, target: &'static str) -> Result<Entry> {
        let options = [
            "--std=c++17".to_string(),
            // What follows a `return` inside `if constexpr` is not reachable, and is meant not to be.
            "--diag-suppress=128".to_string(),
            format!("--include-path={}", self.root.join(source::FOLDER).display()),
            format!("--gpu-architecture={}", target.replace("sm_", "compute_")),
        ];
        let name = format!("{}.cu", source.stem);
        let compiled = self.compiler.compile(&name, &source.text, &options)?;
        let text = text::commit(source, target, &compiled)?;
        let ptx = self.scratch.path().join(format!("{}.{target}.ptx", source.stem));
        fs::write(&ptx, &text).context("writing a temporary file")?;
        let mut usages = Vec::new();
        for chip in chips::served(target, &source.targets) {
            let (old, new) = (&self.tools.old_assembler, &self.tools.new_assembler);
            let assemblers = if chip.is_budgeted { vec![old, new] } else { vec![new] };
            for assembler in assemblers {
                let found = assemble::assemble(assembler, &ptx, chip.name)?;
                refuse_spills(&found)?;
                usages.extend(found.into_iter().filter(|_| chip.is_budgeted));
            }
        }
        Ok(Entry { text, usages })
    }
}

/// Targets whose PTX is that of the target below, which runs on their chips as well.
fn needless_targets(sources: &[&Source], files: &Files) -> Vec<String> {
    let mut notices = Vec::new();
    for source in sources {
        let ptx = |target| files.get(&committed::path(&source.stem, target));
        for pair in source.targets.windows(2) {
            let (Some(lower), Some(higher)) = (ptx(pair[0]), ptx(pair[1])) else { continue };
            if text::body(lower).eq(text::body(higher)) {
                notices.push(format!(
                    "{}/{}.cu: the PTX for {} is that for {}, which runs there too; its head need not name it",
                    source::FOLDER, source.stem, pair[1], pair[0]
                ));
            }
        }
    }
    notices
}

fn refuse_spills(usages: &[Usage]) -> Result<()> {
    let spilling: Vec<String> = usages
        .iter()
        .filter(|usage| usage.spills > 0)
        .map(|usage| format!("{} spills {} bytes on {}", usage.kernel, usage.spills, usage.chip))
        .collect();
    if !spilling.is_empty() {
        bail!("{}; use fewer registers", spilling.join(", "));
    }
    Ok(())
}

/// What all kernels use.
fn registers(built: &[Built]) -> Budget {
    let mut used = Budget::default();
    for unit in built {
        unit.entry.usages.iter().for_each(|usage| used.note(usage));
    }
    used
}

/// Makes the budget what the kernels use. Where all were built the old one is not read: a merge may have left
/// it in pieces.
fn update_budget(root: &Path, used: Budget, whole: bool) -> Result<()> {
    let mut budget = if whole { Budget::default() } else { Budget::read(root)? };
    budget.extend(used);
    committed::write_at_once(&root.join(budget::FILE), &budget.to_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_stem_is_refused_with_the_known_ones() {
        let source = Source {
            stem: "norm".to_string(),
            text: String::new(),
            targets: vec!["sm_80"],
            digests: Default::default(),
        };
        let sources = [source];
        assert_eq!(choose(&sources, &[]).unwrap().len(), 1);
        let message = choose(&sources, &["conv".into()]).err().unwrap().to_string();
        assert!(message.contains("conv.cu") && message.contains("norm"), "{message}");
    }

    #[test]
    fn a_spill_is_refused_by_name() {
        let (kernel, chip) = ("norm_apply_f32".to_string(), "sm_80".to_string());
        let usage =
            |spills| Usage { kernel: kernel.clone(), chip: chip.clone(), registers: 255, spills };
        assert!(refuse_spills(&[usage(0)]).is_ok());
        let message = refuse_spills(&[usage(0), usage(8)]).unwrap_err().to_string();
        assert!(message.contains("norm_apply_f32 spills 8 bytes on sm_80"), "{message}");
    }
}
