//! What happened during training, batch by batch and epoch by epoch.

use serde::{Deserialize, Deserializer, Serialize};

/// One training step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// Mean loss of the batch.
    pub loss: f32,
    /// Learning rate of the last layer group.
    pub rate: f32,
    /// Momentum, if the schedule moved it.
    pub momentum: Option<f32>,
}

/// One line of the table that a fit prints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Which fit it belongs to, such as `unfrozen`; empty if it was not named.
    pub stage: String,
    /// Cycle of the fit, from 0.
    pub cycle: usize,
    /// Epoch of the fit, from 0.
    pub epoch: usize,
    /// Steps in it; batches that were skipped are none.
    #[serde(default)]
    pub steps: usize,
    /// Debiased running mean of the training loss (fastai 0.7's `trn_loss`), dropout and augmentation on.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_loss: f32,
    /// Mean loss over the whole validation set, if there is one.
    pub valid_loss: Option<f32>,
    /// Whole-set metrics by name, in the order they are printed.
    #[serde(deserialize_with = "numbers_or_nan")]
    pub metrics: Vec<(String, f64)>,
    /// Seconds of training and validation.
    pub seconds: f64,
    /// Whether training targets were softened (label smoothing, mixup): then the training loss is higher
    /// by construction.
    #[serde(default)]
    pub soft_targets: bool,
}

/// JSON has no not-a-number (the training loss of an epoch whose every batch was skipped) and writes null.
fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::NAN))
}

fn numbers_or_nan<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, f64)>, D::Error> {
    let metrics: Vec<(String, Option<f64>)> = Vec::deserialize(deserializer)?;
    Ok(metrics.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect())
}

/// Everything recorded since the learner was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Every step, in order.
    pub batches: Vec<BatchRecord>,
    /// Every epoch, in order.
    pub epochs: Vec<EpochRow>,
}

impl History {
    /// The last epoch's row.
    pub fn last(&self) -> Option<&EpochRow> {
        self.epochs.last()
    }

    /// The metrics of all epochs, in the order in which they first came.
    fn metric_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.epochs.iter().flat_map(|row| &row.metrics) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// The epochs as CSV with a header; what was not measured in an epoch is empty.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("stage,cycle,epoch,train_loss,valid_loss");
        let names = self.metric_names();
        names.iter().for_each(|name| text.push_str(&format!(",{name}")));
        text.push_str(",seconds\n");
        for row in &self.epochs {
            let EpochRow { stage, cycle, epoch, train_loss, valid_loss, .. } = row;
            let valid_loss = valid_loss.map_or_else(String::new, |loss| loss.to_string());
            text.push_str(&format!("{stage},{cycle},{epoch},{train_loss},{valid_loss}"));
            for name in &names {
                let found = row.metrics.iter().find(|(own, _)| own == name);
                text.push(',');
                found.iter().for_each(|(_, value)| text.push_str(&value.to_string()));
            }
            text.push_str(&format!(",{:.2}\n", row.seconds));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_what_some_epochs_lack() {
        let row = |epoch, metrics: &[(&str, f64)]| EpochRow {
            stage: "frozen".into(),
            epoch,
            train_loss: 0.5,
            metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            ..EpochRow::default()
        };
        let epochs =
            vec![row(0, &[("accuracy", 0.5)]), row(1, &[("tta", 0.25), ("accuracy", 0.75)])];
        let text = History { epochs, ..History::default() }.to_csv();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "stage,cycle,epoch,train_loss,valid_loss,accuracy,tta,seconds");
        assert_eq!(lines[1], "frozen,0,0,0.5,,0.5,,0.00");
        assert_eq!(lines[2], "frozen,0,1,0.5,,0.75,0.25,0.00");
    }
}
