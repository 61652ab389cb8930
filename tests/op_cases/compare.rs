//! Whether two lists of numbers are the same but for rounding.

use tensor_core::DType;

use super::format::{Format, Rounding};

/// How far a result may be from the reference, in units of the epsilon that sums are computed with.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// `||found - expected|| <= norm epsilon ||expected||`.
    pub norm: f64,
    /// `|found - expected| <= element epsilon (magnitude + |expected|)`, each element.
    pub element: f64,
}

impl Bounds {
    /// For sums of up to some thousand terms in any order. Rounding errors of a sum of `k` random
    /// terms are about `epsilon k / 5`, which is `epsilon sqrt(k) / 5` of the result and far less
    /// than epsilon of the sum of |a b|; the rest is room for results that are small by chance. A
    /// term that is missing is `1 / sqrt(k)` of the result: a thousand times the bound and more.
    pub const DEFAULT: Bounds = Bounds { norm: 32.0, element: 8.0 };

    /// Room for sums whose every step is cut off instead of rounded.
    pub fn widened(self, factor: f64) -> Bounds {
        Bounds { norm: self.norm * factor, element: self.element * factor }
    }
}

/// Below the smallest normal number of f32 (and bf16) a vector unit may give zero.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// Half a unit in the last place, which is what rounding to nearest is off by at most, and a little.
const NEAREST: f64 = 0.51;

/// The distance from 1 to the next number.
pub fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::EPSILON),
        DType::Bf16 => 1.0 / 128.0,
        DType::F64 => f64::EPSILON,
        DType::U8 | DType::I32 => 0.0,
    }
}

/// What may be off: `element (magnitude + |expected|) + kept |expected|` of an element, and
/// `whole ||expected||`.
struct Allowance {
    element: f64,
    kept: f64,
    whole: f64,
}

impl Allowance {
    fn new(rounding: Rounding, bounds: Bounds) -> Allowance {
        let computed = |epsilon: f64| (bounds.element * epsilon, bounds.norm * epsilon);
        let (element, whole, kept) = match rounding {
            Rounding::Last(DType::Bf16) => {
                let ((element, whole), kept) =
                    (computed(epsilon(DType::F32)), NEAREST * epsilon(DType::Bf16));
                (element, whole + kept, kept)
            }
            Rounding::Within(format) if format != Format::F32 => {
                let epsilon = format.epsilon();
                (bounds.element * epsilon, NEAREST * epsilon, 0.0)
            }
            Rounding::Within(format) => {
                let (element, whole) = computed(format.epsilon());
                (element, whole, 0.0)
            }
            Rounding::Last(dtype) => {
                let (element, whole) = computed(epsilon(dtype));
                (element, whole, 0.0)
            }
        };
        Allowance { element, kept, whole }
    }
}

/// Checks both bounds; not-a-number must meet not-a-number, an infinity its like.
pub fn compare(
    expected: &[f64],
    magnitude: &[f64],
    found: &[f64],
    rounding: Rounding,
    bounds: Bounds,
) -> Result<(), String> {
    if expected.len() != found.len() || expected.len() != magnitude.len() {
        let lengths = (expected.len(), magnitude.len(), found.len());
        return Err(format!("lengths differ: {lengths:?}"));
    }
    let allowance = Allowance::new(rounding, bounds);
    let (mut distance, mut length) = (0.0, 0.0);
    for (i, (&expected, &found)) in expected.iter().zip(found).enumerate() {
        let same_kind = expected.is_nan() && found.is_nan() || expected == found;
        if same_kind {
            length += if expected.is_finite() { expected * expected } else { 0.0 };
            continue;
        }
        let error = (found - expected).abs();
        let allowed = allowance.element * (magnitude[i] + expected.abs())
            + allowance.kept * expected.abs()
            + bounds.element * SMALLEST;
        // False for not-a-number.
        let within = error <= allowed && expected.is_finite();
        if !within {
            return Err(format!(
                "element {i}: {found} instead of {expected}, off by {error:.3e}, allowed {allowed:.3e}"
            ));
        }
        distance += error * error;
        length += expected * expected;
    }
    let (distance, length): (f64, f64) = (f64::sqrt(distance), f64::sqrt(length));
    let smallest = bounds.norm * SMALLEST * (found.len() as f64).sqrt();
    if distance > allowance.whole * length + smallest {
        let (off, allowed) = (distance / length, allowance.whole);
        return Err(format!("the whole is off by {off:.2e} of its length, allowed {allowed:.2e}"));
    }
    Ok(())
}

/// Checks that two results are the same bits.
pub fn same_bits(left: &[f64], right: &[f64]) -> Result<(), String> {
    if left.len() != right.len() {
        return Err(format!("lengths differ: {} and {}", left.len(), right.len()));
    }
    let pairs = left.iter().zip(right).enumerate();
    match pairs.into_iter().find(|(_, (left, right))| left.to_bits() != right.to_bits()) {
        None => Ok(()),
        Some((i, (left, right))) => Err(format!("element {i}: {left:e} and {right:e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPSILON: f64 = f32::EPSILON as f64;
    const F32: Rounding = Rounding::Last(DType::F32);

    fn check(expected: &[f64], found: &[f64]) -> Result<(), String> {
        let magnitude = vec![1.0; expected.len()];
        compare(expected, &magnitude, found, F32, Bounds::DEFAULT)
    }

    #[test]
    fn one_element_beyond_its_bound_fails() {
        let expected = vec![1.0; 1000];
        let mut found = expected.clone();
        found[700] += 15.0 * EPSILON;
        assert!(check(&expected, &found).is_ok());
        found[700] += 2.0 * EPSILON;
        assert!(check(&expected, &found).is_err_and(|message| message.contains("element 700")));
    }

    #[test]
    fn many_small_errors_fail_by_their_norm() {
        let bounds = Bounds { norm: 1.0, element: 8.0 };
        let (expected, found) = (vec![1.0; 50], vec![1.0 + 2.0 * EPSILON; 50]);
        let result = compare(&expected, &expected, &found, F32, bounds);
        assert!(result.is_err_and(|message| message.contains("the whole")));
    }

    #[test]
    fn one_rounding_to_bf16_passes_and_two_do_not() {
        let bf16 = Rounding::Last(DType::Bf16);
        let check = |found: f64| {
            // Many products that nearly cancel: the sum is small and computed in f32.
            compare(&[1.0, 1.0], &[9.0, 9.0], &[1.0, found], bf16, Bounds::DEFAULT)
        };
        assert!(check(1.0 + 0.5 / 128.0).is_ok());
        assert!(check(1.0 + 1.0 / 128.0).is_err_and(|message| message.contains("element 1")));
        let within = Rounding::Within(Format::Bf16);
        assert!(compare(&[1.0; 40], &[1.0; 40], &[1.003; 40], within, Bounds::DEFAULT).is_ok());
        assert!(compare(&[1.0; 40], &[1.0; 40], &[1.005; 40], within, Bounds::DEFAULT).is_err());
    }

    #[test]
    fn unwritten_and_invented_not_a_number_fail() {
        assert!(check(&[1.0, 2.0], &[1.0, f64::NAN]).is_err());
        assert!(check(&[1.0, f64::NAN], &[1.0, 2.0]).is_err());
        assert!(check(&[f64::NAN], &[f64::NAN]).is_ok());
        assert!(check(&[f64::INFINITY], &[1.0]).is_err());
        assert!(check(&[1.0], &[f64::INFINITY]).is_err());
        assert!(check(&[1.0], &[1.0, 1.0]).is_err());
    }

    #[test]
    fn another_bit_fails() {
        assert!(same_bits(&[1.0, -0.0], &[1.0, -0.0]).is_ok());
        assert!(same_bits(&[1.0, -0.0], &[1.0, 0.0]).is_err());
        assert!(same_bits(&[1.0], &[1.0, 2.0]).is_err());
    }
}
