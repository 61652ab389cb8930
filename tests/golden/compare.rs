//! How far our results are from PyTorch's in f64, and how far they may be.
//!
//! The rule: no further than 1e-4 relative, or than three times PyTorch's own f32.

use super::{Digest, Digests, Number, formula, in_pytorch_order};

/// Allowed relative distance where PyTorch's own f32 is nearer than a third of it.
pub const TOLERANCE: f64 = 1e-4;
/// Allowed multiple of the distance of PyTorch's own f32.
pub const TIMES_F32: f64 = 3.0;
/// Allowed relative distance of parameters' movements, which are small beside the rounding of the parameters.
pub const MOVEMENT_TOLERANCE: f64 = 1e-2;

impl Digest {
    /// The largest relative distance of `values`, in PyTorch's order, in norm, projections and samples.
    ///
    /// The error's projection on a vector of independent numbers of variance 1/3 has the variance |error|^2 / 3, so
    /// each of the three estimates |error| / |expected|.
    pub fn distance(&self, values: &[f32]) -> f64 {
        let count: usize = self.shape.iter().product();
        if values.len() != count || values.iter().any(|value| !value.is_finite()) {
            return f64::INFINITY;
        }
        if self.norm == 0.0 {
            return if values.iter().all(|&value| value == 0.0) { 0.0 } else { f64::INFINITY };
        }
        let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let projections = mean_square((0..4).map(|k| projection(k, values) - self.projections[k]));
        let samples = mean_square(
            (0..8).map(|j| f64::from(values[sample_index(j, count)]) - self.samples[j]),
        );
        let largest = (norm - self.norm)
            .abs()
            .max((3.0 * projections).sqrt())
            .max((samples * count as f64).sqrt());
        largest / self.norm
    }
}

impl Number {
    /// The relative distance of `value`.
    pub fn distance(&self, value: f64) -> f64 {
        (value - self.value).abs() / self.value.abs()
    }
}

/// The inner product with the formula's vector `projection/k`.
pub fn projection(k: usize, values: &[f32]) -> f64 {
    let key = formula::key(&format!("projection/{k}"));
    values
        .iter()
        .enumerate()
        .map(|(index, &value)| formula::uniform(key, index) * f64::from(value))
        .sum()
}

/// The index of sample `j` in a tensor of `count` elements.
pub fn sample_index(j: usize, count: usize) -> usize {
    (formula::hashed(formula::key("samples"), j) % count as u64) as usize
}

fn mean_square(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.map(|value| value * value).sum::<f64>() / count
}

/// Collects comparisons, so that a failing test names every tensor that is off and not the first alone.
pub struct Comparison {
    title: String,
    tolerance: f64,
    compared: usize,
    failures: Vec<String>,
    /// The largest distance over what is allowed, and where.
    worst: (f64, String),
}

impl Comparison {
    /// With the rule's tolerance.
    pub fn new(title: impl Into<String>) -> Comparison {
        Comparison::with_tolerance(title, TOLERANCE)
    }

    /// With another relative tolerance; three times PyTorch's own f32 is allowed all the same.
    pub fn with_tolerance(title: impl Into<String>, tolerance: f64) -> Comparison {
        let worst = (0.0, String::new());
        Comparison { title: title.into(), tolerance, compared: 0, failures: Vec::new(), worst }
    }

    /// Compares `values` in PyTorch's order (NCHW, KCRS).
    pub fn tensor(&mut self, name: &str, expected: &Digest, values: &[f32]) {
        let count: usize = expected.shape.iter().product();
        if values.len() != count {
            let shape = &expected.shape;
            self.failures.push(format!(
                "{name}: {} values, and the shape {shape:?} has {count}",
                values.len()
            ));
        }
        self.judge(name, expected.distance(values), expected.f32_distance);
    }

    /// Compares `values` in our order (NHWC, KRSC).
    pub fn ours(&mut self, name: &str, expected: &Digest, values: &[f32]) {
        let count: usize = expected.shape.iter().product();
        if values.len() == count {
            self.tensor(name, expected, &in_pytorch_order(values, &expected.shape));
        } else {
            self.tensor(name, expected, values);
        }
    }

    /// Compares every tensor of `expected` with what `ours` gives for its name, in our order; `None` is a failure.
    pub fn all(&mut self, expected: &Digests, mut ours: impl FnMut(&str) -> Option<Vec<f32>>) {
        for (name, digest) in expected {
            match ours(name) {
                Some(values) => self.ours(name, digest, &values),
                None => self.failures.push(format!("{name}: missing")),
            }
        }
    }

    /// Compares a single number.
    pub fn number(&mut self, name: &str, expected: &Number, value: f64) {
        self.judge(name, expected.distance(value), expected.f32_distance);
    }

    fn judge(&mut self, name: &str, distance: f64, f32_distance: f64) {
        self.compared += 1;
        let allowed = self.tolerance.max(TIMES_F32 * f32_distance);
        // A distance that is not a number is a failure, so the comparison asks for what is right.
        let is_right = distance <= allowed;
        if !is_right {
            self.failures.push(format!(
                "{name}: {distance:.2e} from f64, allowed {allowed:.2e} (PyTorch's own f32: {f32_distance:.2e})"
            ));
        }
        if distance / allowed > self.worst.0 || distance.is_nan() {
            self.worst = (distance / allowed, name.to_string());
        }
    }

    /// What is off so far.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Fails the test with everything that is off; prints the nearest miss otherwise.
    pub fn finish(self) {
        assert!(self.compared > 0, "{}: nothing was compared", self.title);
        let (title, compared) = (&self.title, self.compared);
        assert!(
            self.failures.is_empty(),
            "{title}: {} of {compared} off\n  {}",
            self.failures.len(),
            self.failures.join("\n  ")
        );
        println!(
            "{title}: {compared} compared, worst at {:.1} % of what is allowed: {}",
            100.0 * self.worst.0,
            self.worst.1
        );
    }
}
