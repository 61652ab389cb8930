//! The network as a table: what fastai's `learn.summary()` shows, and what trains.

use std::fmt;

use autograd::{ParameterStore, Var};
use models::{Classifier, Layer, Pass};
use tensor_core::{Shape, Tensor};

use crate::Result;

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRow {
    /// Its name, such as `layer1.0.conv1`.
    pub layer: String,
    /// Shape of its output for one picture.
    pub output: Shape,
    /// Its parameters, batch norm included.
    pub parameters: usize,
    /// Its layer group, if it has parameters.
    pub group: Option<usize>,
    /// Whether it trains.
    pub trainable: bool,
    /// Whose statistics its batch norm uses in training, if it has one: `batch` or `running`.
    pub statistics: Option<&'static str>,
}

/// All layers in forward order. Displays as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// One a layer.
    pub rows: Vec<SummaryRow>,
}

impl Summary {
    /// Parameters of all layers, and of those that train.
    pub fn parameters(&self) -> (usize, usize) {
        let count = |rows: &mut dyn Iterator<Item = &SummaryRow>| rows.map(|r| r.parameters).sum();
        (count(&mut self.rows.iter()), count(&mut self.rows.iter().filter(|row| row.trainable)))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TITLES: [&str; 6] =
            ["layer", "output", "parameters", "group", "trains", "statistics"];
        let [layer, output, parameters, group, trains, statistics] = TITLES;
        writeln!(
            f,
            "{layer:<24} {output:<26} {parameters:>10} {group:>5} {trains:>6} {statistics:>10}"
        )?;
        for row in &self.rows {
            let group = row.group.map_or_else(String::new, |group| group.to_string());
            writeln!(
                f,
                "{:<24} {:<26} {:>10} {group:>5} {:>6} {:>10}",
                row.layer,
                row.output.to_string(),
                row.parameters,
                if row.trainable { "yes" } else { "" },
                row.statistics.unwrap_or_default(),
            )?;
        }
        let (all, trainable) = self.parameters();
        write!(f, "{all} parameters, {trainable} of them train")
    }
}

/// Runs one picture of `size` pixels through the network and notes every layer.
pub(crate) fn summarise(
    classifier: &Classifier,
    store: &ParameterStore,
    size: usize,
    freeze_norms: bool,
) -> Result<Summary> {
    let device = store.device();
    let picture = Tensor::full(device, [1, size, size, 3], device.activation(), 0.0)?;
    let mut pass = Pass::predict(store).tracing();
    classifier.forward(&mut pass, Var::constant(picture))?;
    let row = |trace: &models::TraceRow| {
        let own = |name: &str| owner(name) == trace.layer;
        let mut row = SummaryRow {
            layer: trace.layer.clone(),
            output: trace.output,
            parameters: 0,
            group: None,
            trainable: false,
            statistics: None,
        };
        for parameter in store.parameters().iter().filter(|parameter| own(&parameter.name)) {
            row.parameters += parameter.range.len();
            row.group = Some(parameter.group);
            row.trainable = store.trainable()[parameter.group];
        }
        if store.statistics().iter().any(|entry| own(&format!("{}.weight", entry.name))) {
            let batch = row.trainable && !freeze_norms;
            row.statistics = Some(if batch { "batch" } else { "running" });
        }
        row
    };
    Ok(Summary { rows: pass.trace().iter().map(row).collect() })
}

/// The traced layer that a parameter is counted with: a batch norm belongs to its convolution (in
/// torchvision's names `bn1` follows `conv1`, `downsample.1` follows `downsample.0`) or to the linear
/// layer behind it.
fn owner(parameter: &str) -> String {
    let layer = parameter.rsplit_once('.').map_or(parameter, |(layer, _)| layer);
    if let Some(stem) = layer.strip_suffix("downsample.1") {
        return format!("{stem}downsample.0");
    }
    if let Some(stem) = layer.strip_suffix(".norm") {
        return format!("{stem}.linear");
    }
    match layer.rsplit_once("bn") {
        Some((stem, number)) => format!("{stem}conv{number}"),
        None => layer.to_string(),
    }
}
