//! What the reader gets to see: the table while it trains, the plots and pictures afterwards.

use std::path::{Path, PathBuf};

use fastlearn::data::Split;
use fastlearn::interpret::{
    ConfusionPlot, Drawing, FinderLossPlot, FinderRatePlot, HistoryEpoch, HistoryPlot, PictureGrid,
    Tile, most_incorrect, most_uncertain,
};
use fastlearn::metrics::SmoothedLoss;
use fastlearn::schedule::FinderCurve;
use fastlearn::train::History;
use fastlearn::{Learner, Predictions};

use super::Result;

/// Pictures in the grid of mistakes.
const SHOWN: usize = 12;

/// Width of what is said, in characters.
const WIDTH: usize = 90;

/// Prints a paragraph after an empty line, broken into lines; all but the first are indented.
pub fn say(text: &str) {
    println!();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            println!("{line}");
            line = "  ".to_string();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    println!("{line}");
}

/// Writes finder, history, confusion matrix and the grid of mistakes; returns the files.
pub fn write(
    folder: &Path,
    learner: &Learner,
    curve: &FinderCurve,
    predictions: &Predictions,
) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let data = learner.data();
    let confusion = predictions.scored()?.confusion();
    let names =
        ["finder-rate.png", "finder-loss.png", "history.png", "confusion.png", "mistakes.png"];
    let files = names.map(|name| folder.join(name));
    FinderRatePlot(curve).save(&files[0])?;
    FinderLossPlot(curve).save(&files[1])?;
    history_plot(learner.history()).save(&files[2])?;
    ConfusionPlot::new(&confusion, data.classes()).save(&files[3])?;
    mistakes(data.valid(), data.classes(), predictions)?.save(&files[4])?;
    Ok(files.into())
}

fn history_plot(history: &History) -> HistoryPlot {
    let mut smoothed = SmoothedLoss::default();
    let losses: Vec<f32> =
        history.batches.iter().map(|batch| smoothed.push(f64::from(batch.loss)) as f32).collect();
    // Every stage has the same number of batches an epoch.
    let batches = losses.len() / history.epochs.len().max(1);
    let mut stage = "";
    let epochs = history.epochs.iter().zip(losses.chunks(batches.max(1))).map(|(row, losses)| {
        let begins = row.stage != stage;
        stage = &row.stage;
        HistoryEpoch {
            batch_losses: losses.to_vec(),
            valid_loss: row.valid_loss.map(f64::from),
            metrics: row.metrics.iter().map(|metric| metric.1).collect(),
            stage: begins.then(|| row.stage.clone()),
        }
    });
    let epochs = epochs.collect();
    HistoryPlot { title: "Quickstart".into(), metrics: vec!["accuracy".into()], epochs }
}

/// The surest mistakes; where there are fewer than fit, the least sure pictures after them.
fn mistakes(split: &Split, classes: &[String], predictions: &Predictions) -> Result<PictureGrid> {
    let scored = predictions.scored()?;
    let mut rows = most_incorrect(&scored, None, SHOWN);
    let wrong = rows.len();
    let truth = |row: usize| scored.labels()[row] as usize;
    let unsure = most_uncertain(&scored, None, SHOWN);
    rows.extend(unsure.into_iter().filter(|row| scored.predicted(*row) == truth(*row)));
    rows.truncate(SHOWN);
    let mut tiles = Vec::new();
    for &row in &rows {
        let (picture, predicted) = (split.open(row)?, predictions.predicted(row));
        let tile = Tile::new(picture.pixels, picture.width as u32, picture.height as u32)?;
        let tile = tile.prediction(&classes[predicted], predictions.row(row)[predicted]);
        tiles.push(tile.truth(&classes[truth(row)]).file(split.name(row)));
    }
    let title = match (wrong, rows.len() - wrong) {
        (_, 0) => format!("The {wrong} surest mistakes"),
        (0, _) => "No mistake: the least sure pictures".to_string(),
        (_, _) => format!("All {wrong} mistakes, then the least sure pictures"),
    };
    Ok(PictureGrid::new(title, tiles))
}
