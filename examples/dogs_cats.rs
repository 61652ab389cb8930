//! Dogs and cats, the lesson's first data set: two classes, from folders or from the names of flat files.
//!
//! `cargo run --release --example dogs_cats -- PATH` trains on Kaggle's folder, flat (`train/cat.0.jpg`, `test1/1.jpg`)
//! or sorted (`train/cats`, `valid/cats`, `test1`), and writes `submission.csv`. Without PATH a stand-in is drawn.

#[path = "stand_in/mod.rs"]
#[allow(dead_code, reason = "every example uses a part of it")]
pub mod stand_in;

use std::fmt::Write as _;
use std::process::ExitCode;

use fastlearn::schedule::Cycles;
use fastlearn::{Arch, ImageData, Learner, Predictions, Transforms};
use stand_in::{Result, Setting, dogs_cats::draw};

fn main() -> ExitCode {
    stand_in::ended(Setting::from_arguments("dogs_cats", draw).and_then(|setting| run(&setting)))
}

/// The whole lesson; returns the accuracy on the validation pictures.
pub fn run(setting: &Setting) -> Result<f64> {
    let mut learner = setting.learner(Arch::ResNet34, data(setting)?)?;
    let curve = learner.lr_find()?;
    let advised = curve.suggest().map_or(f32::NAN, |suggestion| suggestion.rate);
    println!("the rate finder advises {advised:.1e}; the lesson takes 1e-2");

    learner.set_stage("precomputed");
    learner.precompute()?.fit(1e-2, 2)?;
    learner.set_stage("augmented");
    learner.fit(1e-2, Cycles::new(3).length(1))?;
    learner.unfreeze()?;
    learner.set_stage("unfrozen");
    learner.fit([1e-4, 1e-3, 1e-2], Cycles::new(3).length(1).multiplier(2))?;

    let predictions = learner.tta(4)?;
    let (accuracy, matrix) = (predictions.scored()?.accuracy(), predictions.scored()?.confusion());
    println!("accuracy {accuracy:.4}; cats taken for dogs {}", matrix.count(0, 1));
    println!("dogs taken for cats {}", matrix.count(1, 0));
    if let Some(test) = learner.data().test() {
        setting.write("submission.csv", &submission(&learner, &learner.tta_split(test, 4)?)?)?;
    }
    Ok(accuracy)
}

fn data(setting: &Setting) -> Result<ImageData> {
    let transforms = Transforms::side_on(setting.size(224)).max_zoom(1.1);
    let folder = &setting.folder;
    let data = match folder.join("valid").is_dir() {
        true => ImageData::from_folders(folder, transforms)?,
        false => ImageData::from_names(folder.join("train"), r"^(cat|dog)\.", transforms)?,
    };
    let data = data.batch_size(setting.batch_size(64));
    let test = folder.join("test1");
    Ok(if test.is_dir() { data.with_test(test)? } else { data })
}

/// Kaggle's form: the picture's number and how probably it is a dog.
fn submission(learner: &Learner, predictions: &Predictions) -> Result<String> {
    let classes = learner.data().classes();
    let dog = classes.iter().position(|name| name.starts_with("dog")).ok_or("there are no dogs")?;
    let mut text = String::from("id,label\n");
    for (row, id) in predictions.ids.iter().enumerate() {
        writeln!(text, "{},{}", stand_in::stem(id), predictions.row(row)[dog])?;
    }
    Ok(text)
}
