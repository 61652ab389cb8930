//! What a finished run leaves: files, plots, a summary for people and a document for programs.

use std::path::PathBuf;

use fastlearn::interpret::{
    ConfusionPlot, FinderLossPlot, FinderRatePlot, HistoryEpoch, HistoryPlot, PictureGrid,
    SchedulePlot, ThresholdPlot, Tile, most_incorrect,
};
use fastlearn::metrics::{LESSON_THRESHOLD, SmoothedLoss, ThresholdCurve};
use fastlearn::predict::Tta;
use fastlearn::schedule::FinderCurve;
use fastlearn::train::History;
use fastlearn::{Learner, Predictions};
use models::weights::write_atomically;
use serde_json::{Value, json};

use super::beyond::EnsembleResult;
use super::recipe::{RECIPE, Recipe};
use super::stages::{PRECOMPUTED, Progress};
use crate::cli::error::{CommandError, Result};
use crate::cli::judgement::Judgement;
use crate::cli::output::counted;
use crate::cli::predictions_file::write_csv;
use crate::cli::run_folder::{RunFolder, name_of};

/// The model's file in the run folder.
pub const MODEL: &str = "model.safetensors";
/// Predictions of the validation pictures.
const PREDICTIONS: &str = "predictions.csv";
/// Predictions of the test pictures.
const TEST_PREDICTIONS: &str = "test-predictions.csv";
/// Pictures in the grid of mistakes.
const GRID: usize = 12;

/// All that a run has to show.
pub struct Results<'a> {
    pub folder: &'a RunFolder,
    pub learner: &'a Learner,
    pub recipe: Recipe,
    pub progress: &'a Progress,
    pub predictions: Predictions,
    /// Those of the test pictures, if they were named.
    pub test: Option<Predictions>,
    /// What its snapshots say together, if there are any.
    pub ensemble: Option<EnsembleResult>,
    pub tta: Tta,
    /// Seconds that were estimated for the whole run; unknown of one that was resumed.
    pub estimated: Option<f64>,
}

impl Results<'_> {
    /// Writes every file, last of all the recipe, which says then that the run is finished.
    pub fn write(&self) -> Result<()> {
        write_history(self.folder, self.learner)?;
        self.write_predictions()?;
        self.draw_training()?;
        self.draw_predictions()?;
        self.learner.save(self.folder.file(MODEL))?;
        self.folder.write(RECIPE, self.recipe.to_toml()?)?;
        Ok(())
    }

    fn write_predictions(&self) -> Result<()> {
        let (path, classes) = (self.folder.file(PREDICTIONS), self.learner.data().classes());
        if !self.predictions.is_empty() {
            let threshold = self.threshold()?;
            write_atomically(&path, |writer| {
                write_csv(writer, &self.predictions, classes, threshold)
            })?;
        }
        if let Some(test) = &self.test {
            let path = self.folder.file(TEST_PREDICTIONS);
            let threshold = self.threshold()?;
            write_atomically(&path, |writer| write_csv(writer, test, classes, threshold))?;
        }
        Ok(())
    }

    fn draw_training(&self) -> Result<()> {
        for finder in &self.progress.finders {
            write_finder(
                self.folder,
                &format!("finder-{}", file_part(&finder.stage)),
                &finder.curve,
            )?;
        }
        let batches = self.learner.batches_per_epoch()?;
        for (stage, schedule, rate) in &self.progress.schedules {
            // A constant rate is no picture.
            if !stage.starts_with(PRECOMPUTED) {
                let plot = SchedulePlot::new(schedule.clone(), batches, *rate);
                self.folder.draw(&format!("schedule-{}.png", file_part(stage)), &plot)?;
            }
        }
        let epochs = history_epochs(self.learner.history());
        if epochs.is_empty() {
            return Ok(());
        }
        let title = name_of(self.learner.data().root()).to_string_lossy().into_owned();
        let rows = &self.learner.history().epochs;
        let names = rows.last().map(|row| row.metrics.iter().map(|(name, _)| name.clone()));
        let metrics = names.map_or_else(Vec::new, Iterator::collect);
        let plot = HistoryPlot { title, metrics, epochs };
        self.folder.draw("history.png", &plot)?;
        Ok(())
    }

    fn draw_predictions(&self) -> Result<()> {
        let (judgement, data) = (Judgement::new(&self.predictions)?, self.learner.data());
        if let Some(curve) = judgement.threshold_curve() {
            self.folder.draw("thresholds.png", &ThresholdPlot(&curve))?;
            self.folder.write("thresholds.csv", threshold_table(&curve))?;
        }
        let Judgement::One(scored) = judgement else { return Ok(()) };
        let matrix = scored.confusion();
        self.folder.draw("confusion.png", &ConfusionPlot::new(&matrix, data.classes()))?;
        let rows = most_incorrect(&scored, None, GRID);
        if rows.is_empty() {
            return Ok(());
        }
        let tiles: Result<Vec<Tile>> = rows.iter().map(|&row| self.tile(row)).collect();
        let grid = PictureGrid::new("Most incorrect", tiles?);
        Ok(grid.save(&self.folder.file("most-incorrect.png"))?)
    }

    fn tile(&self, row: usize) -> Result<Tile> {
        let (data, predictions) = (self.learner.data(), &self.predictions);
        let picture = data.valid().open(row)?;
        let predicted = predictions.predicted(row);
        let classes = data.classes();
        let tile = Tile::new(picture.pixels, picture.width as u32, picture.height as u32)?;
        Ok(tile
            .prediction(&classes[predicted], predictions.row(row)[predicted])
            .truth(&classes[predictions.labels.of(row)[0] as usize])
            .file(&predictions.ids[row]))
    }

    /// The last lines that a person reads.
    pub fn summary(&self) -> Result<String> {
        let judgement = Judgement::new(&self.predictions)?;
        let views = match self.tta.is_plain() {
            true => "plain pictures".to_owned(),
            false => format!("test-time augmentation over {}", self.tta.label()),
        };
        let model = self.folder.file(MODEL);
        let validated = match judgement {
            Judgement::Nothing => String::new(),
            _ => format!("\nfinal {}, {views}", judgement.line()),
        };
        let together = match &self.ensemble {
            Some(EnsembleResult { files, predictions }) => format!(
                "\nensemble of {} {}\npredict with it: fastlearn predict {} PICTURES",
                counted(files.len(), "snapshot"),
                match Judgement::new(predictions)? {
                    Judgement::Nothing => String::new(),
                    judgement => judgement.line(),
                },
                files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" "),
            ),
            None => String::new(),
        };
        let tested = match &self.test {
            Some(test) => format!(
                "{}\ntest predictions: {}",
                self.test_line(test)?,
                self.folder.file(TEST_PREDICTIONS).display()
            ),
            None => String::new(),
        };
        Ok(format!(
            "{validated}{tested}{together}\nmodel: {}\npredict: fastlearn predict {} PICTURES",
            model.display(),
            model.display(),
        ))
    }

    /// Test pictures with labels, judged at the threshold that validation found.
    fn test_line(&self, test: &Predictions) -> Result<String> {
        let judgement = Judgement::at(test, Some(self.threshold()?))?;
        Ok(match judgement {
            Judgement::Nothing => String::new(),
            _ => format!("\ntest {}", judgement.line()),
        })
    }

    /// The probability above which a picture has a label: the best on the validation pictures, else the
    /// lesson's.
    fn threshold(&self) -> Result<f32> {
        Ok(match Judgement::new(&self.predictions)? {
            Judgement::Tags { at, .. } => at.threshold,
            _ => LESSON_THRESHOLD,
        })
    }

    /// Everything as one document.
    pub fn document(&self, seconds: f64) -> Result<Value> {
        let finders = self.progress.finders.iter().map(|finder| {
            json!({ "stage": finder.stage, "rate": finder.rate, "suggestion": finder.curve.suggest() })
        });
        let mut document = json!({
            "settings": as_json(&self.recipe)?,
            "finders": finders.collect::<Vec<_>>(),
            "epochs": as_json(&self.learner.history().epochs)?,
            "seconds": seconds,
            "estimated_seconds": self.estimated,
            "run_folder": self.folder.path(),
            "model": self.folder.file(MODEL),
        });
        if let Value::Object(fields) = &mut document {
            fields.extend(Judgement::new(&self.predictions)?.fields());
            if !self.predictions.is_empty() {
                fields.insert("predictions".to_owned(), json!(self.folder.file(PREDICTIONS)));
            }
            if let Some(EnsembleResult { files, predictions }) = &self.ensemble {
                let mut judged = Judgement::new(predictions)?.fields();
                judged.insert("models".to_owned(), json!(files));
                fields.insert("ensemble".to_owned(), Value::Object(judged));
            }
            if let Some(test) = &self.test {
                let mut judged = Judgement::at(test, Some(self.threshold()?))?.fields();
                let file = self.folder.file(TEST_PREDICTIONS);
                judged.insert("predictions".to_owned(), json!(file));
                fields.insert("test".to_owned(), Value::Object(judged));
            }
        }
        Ok(document)
    }
}

/// F2 at every threshold as a table.
fn threshold_table(curve: &ThresholdCurve) -> String {
    let mut table = String::from("threshold,f2\n");
    for point in &curve.points {
        table.push_str(&format!("{},{}\n", point.threshold, point.score));
    }
    table
}

/// `history.csv`, a line an epoch, and `history.json`, every batch too.
pub fn write_history(folder: &RunFolder, learner: &Learner) -> Result<()> {
    folder.write("history.csv", learner.history().to_csv())?;
    folder.write("history.json", format!("{:#}\n", as_json(learner.history())?))?;
    Ok(())
}

/// A finder run as two plots and a table; returns the table's path.
pub fn write_finder(folder: &RunFolder, stem: &str, curve: &FinderCurve) -> Result<PathBuf> {
    folder.draw(&format!("{stem}-rate.png"), &FinderRatePlot(curve))?;
    folder.draw(&format!("{stem}-loss.png"), &FinderLossPlot(curve))?;
    let mut table = String::from("rate,loss,smoothed\n");
    for ((rate, loss), smoothed) in curve.rates.iter().zip(&curve.losses).zip(&curve.smoothed) {
        table.push_str(&format!("{rate},{loss},{smoothed}\n"));
    }
    folder.write(&format!("{stem}.csv"), table)
}

/// The history as its plot shows it: the smoothed losses of each epoch's batches, smoothed anew in each fit.
fn history_epochs(history: &History) -> Vec<HistoryEpoch> {
    let mut batches = history.batches.iter();
    let (mut smoothed, mut stage) = (SmoothedLoss::default(), "");
    let mut epochs = Vec::with_capacity(history.epochs.len());
    for row in &history.epochs {
        if row.epoch == 0 {
            smoothed = SmoothedLoss::default();
        }
        let losses = batches.by_ref().take(row.steps);
        let is_new = row.epoch == 0 && row.stage != stage;
        stage = &row.stage;
        epochs.push(HistoryEpoch {
            batch_losses: losses.map(|b| smoothed.push(f64::from(b.loss)) as f32).collect(),
            valid_loss: row.valid_loss.map(f64::from),
            metrics: row.metrics.iter().map(|(_, value)| *value).collect(),
            stage: is_new.then(|| row.stage.clone()),
        });
    }
    epochs
}

fn file_part(stage: &str) -> String {
    stage.replace(' ', "-")
}

fn as_json(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|error| CommandError::Text { what: "the results", reason: error.to_string() })
}
