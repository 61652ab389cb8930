//! The vector instructions that kernels are compiled for, and which of them this processor has.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A level of vector instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstructionSet {
    /// Whatever every processor of the target has.
    Portable,
    /// 256-bit vectors and fused multiply-add (x86-64 from 2013).
    Avx2,
    /// 512-bit vectors (x86-64 servers from 2017).
    Avx512,
}

impl InstructionSet {
    /// All levels, the plainest first.
    pub const ALL: [InstructionSet; 3] =
        [InstructionSet::Portable, InstructionSet::Avx2, InstructionSet::Avx512];

    /// The best level of this processor.
    pub fn best() -> InstructionSet {
        let available = InstructionSet::ALL.into_iter().filter(|level| level.is_available());
        available.max().unwrap_or(InstructionSet::Portable)
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            InstructionSet::Portable => true,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => {
                InstructionSet::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// This level, if the processor has it.
    pub(super) fn check(self) -> Result<InstructionSet> {
        if self.is_available() {
            return Ok(self);
        }
        let best = InstructionSet::best();
        Err(Error::Device(format!("this processor has no {self} instructions; its best is {best}")))
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InstructionSet::Portable => "portable",
            InstructionSet::Avx2 => "AVX2",
            InstructionSet::Avx512 => "AVX-512",
        })
    }
}

impl FromStr for InstructionSet {
    type Err = Error;

    fn from_str(name: &str) -> Result<InstructionSet> {
        match name.to_ascii_lowercase().as_str() {
            "portable" => Ok(InstructionSet::Portable),
            "avx2" => Ok(InstructionSet::Avx2),
            "avx512" | "avx-512" => Ok(InstructionSet::Avx512),
            _ => Err(Error::Device(format!(
                "unknown instruction set `{name}`; there are portable, avx2 and avx512"
            ))),
        }
    }
}
