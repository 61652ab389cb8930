//! Dog breeds: many classes from a CSV, an unknown number of pictures of each, judged by log loss.
//!
//! `cargo run --release --example dog_breeds -- PATH` trains on Kaggle's folder (`labels.csv`, `train/ID.jpg`,
//! `test/ID.jpg`) and writes `submission.csv`. Without PATH a stand-in is drawn.

#[path = "stand_in/mod.rs"]
#[allow(dead_code, reason = "every example uses a part of it")]
pub mod stand_in;

use std::fmt::Write as _;
use std::process::ExitCode;

use fastlearn::data::Csv;
use fastlearn::schedule::Cycles;
use fastlearn::{Arch, ImageData, Predictions, Transforms};
use stand_in::{Result, Setting, dog_breeds::draw};

fn main() -> ExitCode {
    stand_in::ended(Setting::from_arguments("dog_breeds", draw).and_then(|setting| run(&setting)))
}

/// The whole lesson; returns the accuracy on the validation pictures.
pub fn run(setting: &Setting) -> Result<f64> {
    let csv = Csv::new(setting.folder.join("labels.csv")).folder("train").suffix(".jpg");
    let transforms = Transforms::side_on(setting.size(224)).max_zoom(1.1);
    let data = ImageData::from_csv(csv, transforms)?
        .with_test(setting.folder.join("test"))?
        .batch_size(setting.batch_size(58));
    println!("{} pictures of {} breeds", data.train().len(), data.classes().len());

    // The body stays as it is: the breeds are among the classes that it was pre-trained on.
    let mut learner = setting.learner(Arch::ResNeXt101_64x4d, data)?;
    learner.set_stage("precomputed");
    learner.precompute()?.fit(1e-2, 5)?;
    learner.set_stage("augmented");
    learner.fit(1e-2, Cycles::new(5).length(1))?;
    learner.set_size(setting.size(299))?;
    learner.set_stage("larger");
    learner.fit(1e-2, Cycles::new(3).length(1))?;
    learner.fit(1e-2, Cycles::new(3).length(1).multiplier(2))?;

    let (plain, tta) = (learner.predict()?, learner.tta(4)?);
    println!("plain pictures: {}", score(&plain)?);
    println!("test-time augmentation: {}", score(&tta)?);
    if let Some(test) = learner.data().test() {
        let predictions = learner.tta_split(test, 4)?;
        setting.write("submission.csv", &submission(&predictions, learner.data().classes())?)?;
    }
    Ok(tta.scored()?.accuracy())
}

fn score(predictions: &Predictions) -> Result<String> {
    let scored = predictions.scored()?;
    Ok(format!("accuracy {:.4}, log loss {:.4}", scored.accuracy(), scored.log_loss()))
}

/// Kaggle's form: a column for each breed.
fn submission(predictions: &Predictions, classes: &[String]) -> Result<String> {
    let mut text = format!("id,{}\n", classes.join(","));
    for (row, id) in predictions.ids.iter().enumerate() {
        write!(text, "{}", stand_in::stem(id))?;
        predictions.row(row).iter().try_for_each(|value| write!(text, ",{value}"))?;
        text.push('\n');
    }
    Ok(text)
}
