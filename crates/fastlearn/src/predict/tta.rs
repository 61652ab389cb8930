//! Test-time augmentation: several views of each picture, one opinion.

use super::Predictions;

/// The predictions of each view: a plain one, repeated once for every four augmented ones (as fastai
/// 0.7 weighs them), then the augmented ones.
#[derive(Debug, Clone, PartialEq)]
pub struct TestTimeAugmentation {
    /// One a view, all of the same pictures in the same order; never empty.
    pub views: Vec<Predictions>,
}

impl TestTimeAugmentation {
    pub(crate) fn new(plain: Predictions, augmented: Vec<Predictions>) -> TestTimeAugmentation {
        let copies = augmented.len().div_ceil(4).max(1);
        let views = std::iter::repeat_n(plain, copies).chain(augmented).collect();
        TestTimeAugmentation { views }
    }

    /// The mean of the views' probabilities.
    pub fn mean(&self) -> Predictions {
        let mut mean = self.views[0].clone();
        let share = 1.0 / self.views.len() as f64;
        for (index, value) in mean.probabilities.iter_mut().enumerate() {
            let sum: f64 = self.views.iter().map(|view| f64::from(view.probabilities[index])).sum();
            *value = (sum * share) as f32;
        }
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(probabilities: [f32; 4]) -> Predictions {
        Predictions { probabilities: probabilities.to_vec(), classes: 2, ..Predictions::default() }
    }

    #[test]
    fn the_plain_view_counts_once_for_every_four() {
        let plain = view([1.0, 0.0, 0.5, 0.5]);
        for (passes, views) in [(0, 1), (1, 2), (4, 5), (5, 7), (8, 10)] {
            let augmented = vec![view([0.0, 1.0, 0.5, 0.5]); passes];
            let stack = TestTimeAugmentation::new(plain.clone(), augmented);
            assert_eq!(stack.views.len(), views);
            let plain_share = passes.div_ceil(4).max(1) as f32 / views as f32;
            assert!((stack.mean().probabilities[0] - plain_share).abs() < 1e-6);
        }
    }
}
