//! `fastlearn train --folds N`: the same recipe once for each part of the pictures held out, so that every
//! picture is judged once; then mean and spread.

use serde_json::{Value, json};

use fastlearn::data::Validation;

use super::arguments::TrainArguments;
use super::recipe::GivenArguments;
use crate::cli::error::Result;
use crate::cli::interrupt::interruption;
use crate::cli::output::Console;
use crate::cli::run_folder::RunFolder;

/// What is measured of a fold, by its name in the document.
const MEASURES: [&str; 3] = ["accuracy", "f2", "log_loss"];

/// Trains every fold into a folder of its own, `fold-0` on.
pub fn run(arguments: &TrainArguments, given: &GivenArguments, folds: usize) -> Result<()> {
    let (console, interruption) = (Console::new(arguments.json), interruption());
    // A fold that cannot be divided is better known before the first is trained.
    let data: Result<Vec<_>> = (0..folds)
        .map(|fold| arguments.data.open_on(Validation::Fold { fold, folds }, fold == 0))
        .collect();
    let mut documents = Vec::new();
    let mut whole = None;
    for (fold, data) in data?.into_iter().enumerate() {
        let root = data.root().to_owned();
        let whole = match &whole {
            Some(whole) => whole,
            None => whole.insert(RunFolder::create(arguments.out.as_deref(), &root)?),
        };
        console.line(format!("\nfold {fold} of {folds}"));
        let folder = RunFolder::create(Some(&whole.file(&format!("fold-{fold}"))), &root)?;
        let given = of_fold(given, fold, folds);
        documents.push(super::train_in(arguments, given, data, &folder, &interruption)?);
    }
    let summary = summary(&documents);
    for (name, Spread { mean, deviation }) in &summary {
        console.line(format!("{name} over {folds} folds: {mean:.4} +- {deviation:.4}"));
    }
    let measures = summary.iter().map(|(name, Spread { mean, deviation })| {
        (name.to_string(), json!({ "mean": mean, "standard_deviation": deviation }))
    });
    let run_folder = whole.map(|whole| whole.path().to_owned());
    console.document(&json!({
        "measures": measures.collect::<serde_json::Map<_, _>>(),
        "folds": documents,
        "run_folder": run_folder,
    }))
}

/// The arguments with which this fold alone is trained again.
fn of_fold(given: &GivenArguments, fold: usize, folds: usize) -> GivenArguments {
    let mut given = given.clone();
    given.remove("folds");
    given.insert("valid".to_owned(), vec![format!("{fold}/{folds}")]);
    given
}

/// A mean and how far single values lie from it.
#[derive(Debug, PartialEq)]
struct Spread {
    mean: f64,
    /// Of the sample: over one less than the number of values.
    deviation: f64,
}

/// What the folds have in common to be measured by.
fn summary(documents: &[Value]) -> Vec<(&'static str, Spread)> {
    let of = |name: &'static str| {
        let values: Option<Vec<f64>> =
            documents.iter().map(|document| document[name].as_f64()).collect();
        Some((name, spread(&values?)?))
    };
    MEASURES.into_iter().filter_map(of).collect()
}

fn spread(values: &[f64]) -> Option<Spread> {
    let count = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some(Spread { mean, deviation: (squares / (count - 1.0)).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_summed_up_by_what_they_all_have() {
        let fold = |accuracy: f64| json!({ "accuracy": accuracy, "log_loss": 1.0, "f2": null });
        let summed = summary(&[fold(0.8), fold(0.9), fold(1.0)]);
        assert_eq!(summed.len(), 2);
        let (name, Spread { mean, deviation }) = &summed[0];
        assert_eq!(*name, "accuracy");
        assert!((mean - 0.9).abs() < 1e-12 && (deviation - 0.1).abs() < 1e-12);
        assert_eq!(summed[1], ("log_loss", Spread { mean: 1.0, deviation: 0.0 }));
    }

    #[test]
    fn a_fold_is_repeated_by_itself() {
        let given =
            [("folds", "5"), ("lr", "0.1")].map(|(id, v)| (id.to_owned(), vec![v.to_owned()]));
        let given = of_fold(&given.into(), 2, 5);
        let want =
            [("lr", "0.1"), ("valid", "2/5")].map(|(id, v)| (id.to_owned(), vec![v.to_owned()]));
        assert_eq!(given, want.into());
    }
}
