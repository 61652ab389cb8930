//! Predictions and the temperature at which they mean what they say.

use super::Predictions;
use crate::Result;
use crate::data::{LabelKind, Labels};
use crate::metrics::Temperature;

impl Predictions {
    /// The temperature with the least log loss on these labels, and never with more than there is now.
    /// It is fitted to pictures that nothing was trained on; those that it was fitted to flatter it a
    /// little, as one number does.
    ///
    /// # Errors
    /// If there are no labels.
    pub fn temperature(&self) -> Result<Temperature> {
        let found = match (&self.labels, self.kind) {
            (Labels::Several(rows), _) => {
                let truth = |class| move |row: &Vec<u32>| row.contains(&(class as u32));
                let truths = rows.iter().flat_map(|row| (0..self.classes).map(|c| truth(c)(row)));
                Temperature::of_labels(&self.probabilities, &truths.collect::<Vec<_>>())?
            }
            (labels, _) => {
                let labels = labels.one().unwrap_or(&[]);
                Temperature::of_classes(&self.probabilities, self.classes, labels)?
            }
        };
        // What is measured clamps probabilities, what was minimised does not.
        let is_better = self.clone().at(found).log_loss()? < self.log_loss()?;
        Ok(if is_better { found } else { Temperature::ONE })
    }

    /// The same at this temperature.
    pub fn at(mut self, temperature: Temperature) -> Predictions {
        match self.kind {
            LabelKind::One => temperature.apply_to_classes(&mut self.probabilities, self.classes),
            LabelKind::Several => temperature.apply_to_labels(&mut self.probabilities),
        }
        self
    }

    /// The log loss of either kind of labels.
    pub(crate) fn log_loss(&self) -> Result<f64> {
        Ok(match self.labels {
            Labels::Several(_) => self.several()?.log_loss(),
            _ => self.scored()?.log_loss(),
        })
    }
}
