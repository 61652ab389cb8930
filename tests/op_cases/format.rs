//! The number formats that kernels multiply in, and what they leave of a result.

use half::bf16;
use tensor_core::DType;
use tensor_core::backend::Plan;

/// What factors are rounded to before they are multiplied. Sums are f32 in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// All 24 bits of an f32.
    F32,
    /// 11 bits: what a tensor core takes of an f32.
    Tf32,
    /// 8 bits, and activations are kept so.
    Bf16,
}

impl Format {
    /// What a plan rounds activations to before it multiplies them; Reference, in f64, rounds nothing.
    pub fn of(plan: &Plan) -> Format {
        match plan.dtype {
            DType::Bf16 => Format::Bf16,
            _ if plan.variant.starts_with("tf32") => Format::Tf32,
            _ => Format::F32,
        }
    }

    /// The distance from 1 to the next number.
    pub fn epsilon(self) -> f64 {
        match self {
            Format::F32 => f64::from(f32::EPSILON),
            Format::Tf32 => 1.0 / 1024.0,
            Format::Bf16 => 1.0 / 128.0,
        }
    }

    /// The nearest number of this format, the even one of two.
    pub fn round(self, value: f32) -> f32 {
        match self {
            Format::F32 => value,
            Format::Tf32 => round_bits(value, 13),
            Format::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }
}

/// Drops the lowest `bits` of the mantissa, to nearest and to even between two.
fn round_bits(value: f32, bits: u32) -> f32 {
    if !value.is_finite() {
        return value;
    }
    let pattern = value.to_bits();
    let half = (1_u32 << (bits - 1)) - 1 + (pattern >> bits & 1);
    f32::from_bits((pattern + half) & !((1 << bits) - 1))
}

/// How a result came to be rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Once, at the end, to this type; all before was done in f32, or in f64 if that is the type.
    Last(DType),
    /// It was computed from results that had been rounded to this format.
    Within(Format),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_keep_their_bits() {
        let value = 1.0 + f32::EPSILON;
        assert_eq!(Format::F32.round(value), value);
        assert_eq!(Format::Tf32.round(value), 1.0);
        assert_eq!(Format::Tf32.round(1.0 + 1.0 / 1024.0), 1.0 + 1.0 / 1024.0);
        assert_eq!(Format::Tf32.round(1.0 + 1.5 / 1024.0), 1.0 + 2.0 / 1024.0);
        assert_eq!(Format::Tf32.round(-1.0 - 0.5 / 1024.0), -1.0);
        assert_eq!(Format::Bf16.round(1.0 + 1.0 / 1024.0), 1.0);
        assert_eq!(Format::Bf16.round(1.0 + 1.0 / 128.0), 1.0 + 1.0 / 128.0);
        assert!(Format::Tf32.round(f32::NAN).is_nan());
    }
}
