//! Comparing the tensors a network expects with those a file has, all differences at once.

use std::collections::BTreeSet;

use super::StateDict;
use crate::error::{Error, Result};
use crate::match_report::{MatchReport, ShapeMismatch};

impl MatchReport {
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
}
