//! Planet: several tags for each satellite picture of the Amazon, judged by F2, trained at three sizes.
//!
//! `cargo run --release --example planet -- PATH` trains on Kaggle's folder (`train_v2.csv`, `train-jpg`,
//! `test-jpg-v2`) and writes `submission.csv`. Without PATH a stand-in is drawn.

#[path = "stand_in/mod.rs"]
#[allow(dead_code, reason = "every example uses a part of it")]
pub mod stand_in;

use std::fmt::Write as _;
use std::process::ExitCode;

use fastlearn::data::Csv;
use fastlearn::schedule::Cycles;
use fastlearn::{Arch, ImageData, Predictions, Transforms};
use stand_in::{Result, Setting, planet::draw};

fn main() -> ExitCode {
    stand_in::ended(Setting::from_arguments("planet", draw).and_then(|setting| run(&setting)))
}

/// The whole lesson; returns F2 on the validation pictures at the best threshold.
pub fn run(setting: &Setting) -> Result<f64> {
    let csv = Csv::new(setting.folder.join("train_v2.csv")).folder("train-jpg").multi_label();
    let transforms = Transforms::top_down(setting.size(64)).max_zoom(1.05);
    let data = ImageData::from_csv(csv, transforms)?
        .with_test(setting.folder.join("test-jpg-v2"))?
        .batch_size(setting.batch_size(64));
    println!("tags: {}", data.classes().join(" "));

    // From above nothing looks as in ImageNet, so the early layers have much to learn too.
    let (rate, cycles) = (0.2, Cycles::new(3).length(1).multiplier(2));
    let mut learner = setting.learner(Arch::ResNet34, data)?;
    for size in [64, 128, 256].map(|pixels| setting.size(pixels)) {
        learner.set_size(size)?;
        learner.freeze()?;
        learner.set_stage(format!("{size} frozen"));
        learner.fit(rate, cycles)?;
        learner.unfreeze()?;
        learner.set_stage(format!("{size} unfrozen"));
        learner.fit([rate / 9.0, rate / 3.0, rate], cycles)?;
    }

    let predictions = learner.tta(4)?;
    let best = predictions.several()?.best_threshold(2.0);
    println!("F2 {:.4} at a threshold of {:.2}", best.score, best.threshold);
    if let Some(test) = learner.data().test() {
        let (tests, classes) = (learner.tta_split(test, 4)?, learner.data().classes());
        setting.write("submission.csv", &submission(&tests, classes, best.threshold)?)?;
    }
    Ok(best.score)
}

/// Kaggle's form: the tags above the threshold, with spaces between them.
fn submission(predictions: &Predictions, classes: &[String], threshold: f32) -> Result<String> {
    let mut text = String::from("image_name,tags\n");
    for (row, id) in predictions.ids.iter().enumerate() {
        let tags = predictions.above(row, threshold).into_iter().map(|tag| classes[tag].as_str());
        writeln!(text, "{},{}", stand_in::stem(id), tags.collect::<Vec<_>>().join(" "))?;
    }
    Ok(text)
}
