//! Comparing the tensors a network expects with those a file has, all differences at once.

use std::collections::BTreeSet;
use std::fmt;

use super::StateDict;
use crate::error::{Error, Result};

/// Names listed per kind of difference before the rest is only counted.
const LISTED: usize = 8;

/// A tensor that is there under the right name with the wrong shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeMismatch {
    /// The tensor's name.
    pub name: String,
    /// What the network expects.
    pub expected: Vec<usize>,
    /// What the file has.
    pub found: Vec<usize>,
}

/// What fits and what does not. The lists of names keep the order of the network, or that of the state dict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchReport {
    /// Expected and there with the right shape.
    pub matched: Vec<String>,
    /// Expected but not there.
    pub missing: Vec<String>,
    /// There but not expected.
    pub unused: Vec<String>,
    /// Expected and there, but of another shape.
    pub wrong_shape: Vec<ShapeMismatch>,
    /// There, not expected, and no fault: a classifier `fc.*` that a new head replaces, and batch counters.
    pub ignored: Vec<String>,
}

impl MatchReport {
    /// Whether nothing is missing, unused or wrongly shaped.
    pub fn fits(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.wrong_shape.is_empty()
    }

    /// The report itself if everything fits.
    ///
    /// # Errors
    /// [`Error::WeightsDoNotFit`] with `origin` (a file name) and all differences.
    pub fn into_result(self, origin: impl Into<String>) -> Result<Self> {
        if self.fits() {
            return Ok(self);
        }
        Err(Error::WeightsDoNotFit { origin: origin.into(), report: Box::new(self) })
    }
}

/// Compares `expected` names and shapes (torchvision's layout) with the tensors of `state`.
///
/// No faults are: `fc.*` in `state` when it is not expected, and `num_batches_tracked` on either side alone, which
/// old files lack and nothing here uses.
///
/// ```
/// use models::{Arch, StateDict, weights::match_names};
///
/// let expected = Arch::ResNet18.architecture().tensor_shapes(None);
/// let report = match_names(&expected, &StateDict::new());
/// assert_eq!(report.missing.len(), expected.len());
/// ```
pub fn match_names(expected: &[(String, Vec<usize>)], state: &StateDict) -> MatchReport {
    let mut report = MatchReport::default();
    for (name, shape) in expected {
        match state.get(name) {
            Some(tensor) if tensor.shape == *shape => report.matched.push(name.clone()),
            Some(tensor) => report.wrong_shape.push(ShapeMismatch {
                name: name.clone(),
                expected: shape.clone(),
                found: tensor.shape.clone(),
            }),
            None if is_batch_counter(name) => {}
            None => report.missing.push(name.clone()),
        }
    }
    let names: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    for (name, _) in state.iter().filter(|(name, _)| !names.contains(name)) {
        if name.starts_with("fc.") || is_batch_counter(name) {
            report.ignored.push(name.to_owned());
        } else {
            report.unused.push(name.to_owned());
        }
    }
    report
}

fn is_batch_counter(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}

impl fmt::Display for MatchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {} tensors fit", self.matched.len())?;
        list(f, "missing", &self.missing)?;
        list(f, "unused", &self.unused)?;
        let shapes: Vec<String> = self
            .wrong_shape
            .iter()
            .map(|wrong| {
                format!("{} (expected {:?}, found {:?})", wrong.name, wrong.expected, wrong.found)
            })
            .collect();
        list(f, "wrongly shaped", &shapes)?;
        if !self.fits() {
            write!(
                f,
                "\n  is the file for another architecture, or are its names not torchvision's?"
            )?;
        }
        Ok(())
    }
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, items: &[String]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    let shown = &items[..items.len().min(LISTED)];
    write!(f, "\n  {} {title}: {}", items.len(), shown.join(", "))?;
    if shown.len() < items.len() {
        write!(f, " and {} more", items.len() - shown.len())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightTensor;

    fn state(tensors: &[(&str, &[usize])]) -> StateDict {
        let mut state = StateDict::new();
        for (name, shape) in tensors {
            let values = vec![0.0; shape.iter().product()];
            state.insert(*name, WeightTensor::new(shape.to_vec(), values).unwrap()).unwrap();
        }
        state
    }

    fn expected(tensors: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
        tensors.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect()
    }

    #[test]
    fn all_differences_are_in_one_error() {
        let report = match_names(
            &expected(&[("conv1.weight", &[2, 3]), ("bn1.weight", &[2]), ("bn1.bias", &[2])]),
            &state(&[("conv1.weight", &[3, 2]), ("bn1.bias", &[2]), ("head.0.weight", &[1])]),
        );
        assert_eq!(report.matched, ["bn1.bias"]);
        let message = report.into_result("file.safetensors").unwrap_err().to_string();
        for part in [
            "file.safetensors",
            "1 missing: bn1.weight",
            "1 unused: head.0.weight",
            "1 wrongly shaped: conv1.weight (expected [2, 3], found [3, 2])",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_classifier_and_batch_counters_are_no_faults() {
        let body = expected(&[("bn1.weight", &[2]), ("bn1.num_batches_tracked", &[])]);
        let file =
            state(&[("bn1.weight", &[2]), ("bn2.num_batches_tracked", &[]), ("fc.bias", &[9])]);
        let report = match_names(&body, &file).into_result("file").unwrap();
        assert_eq!(report.ignored, ["bn2.num_batches_tracked", "fc.bias"]);
        // An expected classifier is compared like anything else.
        assert!(!match_names(&expected(&[("fc.bias", &[2])]), &file).fits());
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<(String, Vec<usize>)> =
            (0..20).map(|i| (format!("t{i}"), vec![1])).collect();
        let message = match_names(&names, &StateDict::new()).to_string();
        assert!(message.contains("20 missing: t0") && message.contains("and 12 more"), "{message}");
    }
}
