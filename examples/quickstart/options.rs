//! What can be chosen on the command line, and how much work that means.

use std::path::PathBuf;

use tensor_core::cpu::{CpuOptions, InstructionSet};

use super::Result;
use super::backbone::{SCHOOLING, Schooling};
use super::world::Counts;

/// What to say when asked, or when an argument is not understood.
pub const USAGE: &str = "\
cargo run --release --example quickstart -- [OPTIONS]
  --out DIR               where pictures and plots go (target/quickstart)
  --cache-dir DIR         where the backbone goes (FASTLEARN_CACHE, else the user's cache folder)
  --instruction-set NAME  portable, avx2 or avx512 (the best there is)
  --threads N             computing threads (one a core)
  --seed N                seed of everything that is drawn by lot (42)
  --quick                 a look at the way, in seconds; too little work for good results
FASTLEARN_DEVICE=auto|cpu|cuda|cuda:1 names what computes (auto: a GPU if one can be used, else the CPU)";

/// The choices.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where pictures and plots go.
    pub out: PathBuf,
    /// Where the backbone goes, if not into the usual cache folder.
    pub cache: Option<PathBuf>,
    /// Threads and instruction set.
    pub cpu: CpuOptions,
    /// Seed of everything that is drawn by lot.
    pub seed: u64,
    /// How much is drawn and trained.
    pub amount: Amount,
}

/// How much is drawn and trained.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// Side of the pictures in pixels.
    pub size: usize,
    /// Pictures of each kind that the backbone learns from.
    pub known: Counts,
    /// Epochs of the backbone's training.
    pub epochs: usize,
    /// Pictures of each kind of the lesson.
    pub unseen: Counts,
    /// Epochs on activations computed once.
    pub precomputed_epochs: usize,
    /// Steps of the linear classifier on pixels.
    pub linear_steps: usize,
}

impl Amount {
    /// Enough for the promised results.
    pub const FULL: Amount = Amount {
        size: SCHOOLING.size,
        known: SCHOOLING.pictures,
        epochs: SCHOOLING.epochs,
        unseen: Counts { train: 30, valid: 50 },
        precomputed_epochs: 5,
        linear_steps: 100,
    };
    /// Just enough to go all the way.
    pub const QUICK: Amount = Amount {
        size: 32,
        known: Counts { train: 4, valid: 2 },
        epochs: 1,
        unseen: Counts { train: 6, valid: 4 },
        precomputed_epochs: 1,
        linear_steps: 5,
    };
}

impl Default for Options {
    fn default() -> Options {
        Options {
            out: PathBuf::from("target/quickstart"),
            cache: None,
            cpu: CpuOptions::default(),
            seed: 42,
            amount: Amount::FULL,
        }
    }
}

impl Options {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    /// An argument that is not understood, by name.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options> {
        let (mut options, mut arguments) = (Options::default(), arguments.into_iter());
        while let Some(name) = arguments.next() {
            if name == "--quick" {
                options.amount = Amount::QUICK;
                continue;
            }
            let value = arguments.next().ok_or_else(|| not_understood(&name))?;
            match name.as_str() {
                "--out" => options.out = value.into(),
                "--cache-dir" => options.cache = Some(value.into()),
                "--instruction-set" => {
                    options.cpu.instruction_set = Some(value.parse::<InstructionSet>()?);
                }
                "--threads" => options.cpu.threads = Some(number(&name, &value)?),
                "--seed" => options.seed = number(&name, &value)?,
                _ => return Err(not_understood(&name).into()),
            }
        }
        Ok(options)
    }

    /// How the backbone is pre-trained.
    pub fn schooling(&self) -> Schooling {
        let Amount { size, known, epochs, .. } = self.amount;
        Schooling { size, pictures: known, epochs, seed: self.seed }
    }

    /// Where pictures and activations go.
    pub fn world(&self) -> PathBuf {
        self.out.join("world")
    }

    /// The command that trains on the reader's own pictures from this backbone.
    pub fn command(&self) -> String {
        let size = self.amount.size;
        let command = format!(
            "cargo run --release -- train PATH/TO/FOLDER --weights {} --size {size}",
            super::backbone::NAME
        );
        match &self.cache {
            Some(cache) => format!("{command} --cache-dir '{}'", cache.display()),
            None => command,
        }
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| format!("{name} takes a number, not `{value}`").into())
}

fn not_understood(name: &str) -> String {
    format!("`{name}` is not understood, or lacks its value\n\n{USAGE}")
}
