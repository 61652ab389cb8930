//! The element types a tensor can hold.

use std::fmt;

/// Type of a tensor's elements, known at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float: the default on the CPU.
    F32,
    /// The upper half of an `F32`: activations on accelerators.
    Bf16,
    /// Bytes: decoded pictures.
    U8,
    /// 32-bit signed integers: class indices.
    I32,
    /// 64-bit float: the reference backend alone.
    F64,
}

impl DType {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::U8 => 1,
            DType::Bf16 => 2,
            DType::F32 | DType::I32 => 4,
            DType::F64 => 8,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::Bf16 => "bf16",
            DType::U8 => "u8",
            DType::I32 => "i32",
            DType::F64 => "f64",
        })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that a tensor's elements can be read as. Sealed: any bit pattern must be valid.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The run-time name of this type.
    const DTYPE: DType;
}

macro_rules! element {
    ($($type:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
        }
    )*};
}
element!(f32 => F32, half::bf16 => Bf16, u8 => U8, i32 => I32, f64 => F64);
