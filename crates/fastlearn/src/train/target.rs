//! From labels to what a loss compares logits with.
//!
//! The numbers are made on the host, so that a target can be mixed or softened before it goes to the
//! device, and so that a recorded step can be given new ones in place.

use tensor_core::ops::loss::{Loss, Target};
use tensor_core::{DType, Device, Tensor};

use crate::data::{LabelKind, Labels};
use crate::input::{Input, SoftTarget};
use crate::{Error, Result};

/// The loss for labels of a kind: cross entropy over softmax, or binary cross entropy over sigmoids
/// (the mean over all classes of all pictures).
pub(crate) fn loss_of(kind: LabelKind) -> Loss {
    match kind {
        LabelKind::One => Loss::CrossEntropy,
        LabelKind::Several => Loss::BinaryCrossEntropy,
    }
}

/// What the logits of a batch should have said, on the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TargetValues {
    /// `[n]` class indexes.
    Classes(Vec<i32>),
    /// `[n, classes]` probabilities, row-major.
    Probabilities { values: Vec<f32>, classes: usize },
}

impl TargetValues {
    /// Indexes where each picture has one class; zeros and ones where it may have several.
    pub fn new(labels: &Labels, classes: usize) -> Result<TargetValues> {
        match labels {
            Labels::One(labels) => {
                labels.iter().try_for_each(|&label| check(label, classes))?;
                Ok(TargetValues::Classes(labels.iter().map(|&label| label as i32).collect()))
            }
            Labels::Several(rows) => {
                let mut values = vec![0.0; rows.len() * classes];
                for (row, labels) in rows.iter().enumerate() {
                    for &label in labels {
                        check(label, classes)?;
                        values[row * classes + label as usize] = 1.0;
                    }
                }
                Ok(TargetValues::Probabilities { values, classes })
            }
            Labels::Unknown => {
                let rule = "pictures to learn from or to judge by need them";
                Err(Error::setting("the labels", "not known", rule))
            }
        }
    }

    /// What an input's logits should have said: its labels, or what they were softened to.
    pub fn of(input: &Input, classes: usize) -> Result<TargetValues> {
        match &input.soft {
            Some(SoftTarget { values, classes }) => {
                Ok(TargetValues::Probabilities { values: values.clone(), classes: *classes })
            }
            None => TargetValues::new(&input.labels, classes),
        }
    }

    /// The target on the device.
    pub fn to_device(&self, device: &Device) -> Result<Target> {
        Ok(match self {
            TargetValues::Classes(classes) => {
                Target::Classes(Tensor::from_slice(device, [classes.len()], classes)?)
            }
            TargetValues::Probabilities { values, classes } => {
                let shape = [values.len() / classes, *classes];
                Target::Probabilities(Tensor::from_f32(device, shape, values)?)
            }
        })
    }

    /// A target of the same form and size, to be [written](Self::write) later.
    pub fn blank(&self, device: &Device) -> Result<Target> {
        Ok(match self {
            TargetValues::Classes(classes) => {
                Target::Classes(Tensor::zeros(device, [classes.len()], DType::I32)?)
            }
            TargetValues::Probabilities { values, classes } => {
                let shape = [values.len() / classes, *classes];
                Target::Probabilities(Tensor::zeros(device, shape, device.float())?)
            }
        })
    }

    /// Writes these numbers into a target of the same form and size.
    pub fn write(&self, target: &mut Target) -> Result<()> {
        match (self, target) {
            (TargetValues::Classes(classes), Target::Classes(tensor)) => {
                Ok(tensor.write(0, classes)?)
            }
            (TargetValues::Probabilities { values, .. }, Target::Probabilities(tensor)) => {
                Ok(tensor.write(0, values)?)
            }
            _ => {
                Err(Error::setting("the target", "of another form", "it must not change in a fit"))
            }
        }
    }
}

fn check(label: u32, classes: usize) -> Result<()> {
    match (label as usize) < classes {
        true => Ok(()),
        false => Err(Error::setting("a label", label, "it must be below the number of classes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_indexes_or_rows_of_zeros_and_ones() {
        let one = TargetValues::new(&Labels::One(vec![2, 0]), 3).unwrap();
        assert_eq!(one, TargetValues::Classes(vec![2, 0]));
        let tags = Labels::several(vec![vec![0, 2], vec![]]);
        let several = TargetValues::new(&tags, 3).unwrap();
        let values = vec![1.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        assert_eq!(several, TargetValues::Probabilities { values, classes: 3 });
        assert!(TargetValues::new(&tags, 2).is_err());
        assert!(TargetValues::new(&Labels::One(vec![3]), 3).is_err());
        assert!(TargetValues::new(&Labels::Unknown, 3).is_err());
    }

    #[test]
    fn a_blank_target_takes_numbers_of_its_own_form_only() {
        let device = Device::cpu().unwrap();
        let tags = TargetValues::new(&Labels::several(vec![vec![1], vec![0, 1]]), 2).unwrap();
        let mut target = tags.blank(&device).unwrap();
        tags.write(&mut target).unwrap();
        let Target::Probabilities(tensor) = &target else { panic!("{target:?}") };
        assert_eq!(tensor.to_f32().unwrap(), [0.0, 1.0, 1.0, 1.0]);
        let one = TargetValues::new(&Labels::One(vec![1, 0]), 2).unwrap();
        assert!(one.write(&mut target).is_err());
    }
}
