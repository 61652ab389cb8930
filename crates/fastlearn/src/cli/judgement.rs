//! What predictions are worth, in words and as a document, whether pictures have one label or several.

use fastlearn::Predictions;
use fastlearn::data::{LabelKind, Labels};
use fastlearn::interpret::{class_table, confusion_table, mistake_table, tag_table};
use fastlearn::metrics::{
    ClassScore, ConfusionMatrix, LESSON_THRESHOLD, Scored, ScoredTags, ThresholdCurve,
    ThresholdGrid, ThresholdScore,
};
use serde_json::{Map, Value, json};

use super::error::Result;

/// The weight of recall against precision in the score of tags: the lesson's F2.
pub const BETA: f64 = 2.0;
/// A confusion matrix of more classes is printed with numbers for names.
const MOST_NAMED: usize = 12;
/// Mistakes listed.
const MISTAKES: usize = 10;

/// Predictions beside the truth.
pub enum Judgement<'a> {
    /// There was nothing to judge by.
    Nothing,
    /// One class a picture.
    One(Scored<'a>),
    /// Several classes a picture, at a threshold.
    Tags { scored: ScoredTags<'a>, at: ThresholdScore, is_best: bool },
}

impl<'a> Judgement<'a> {
    /// Judges labelled predictions; tags at the threshold that suits them best.
    pub fn new(predictions: &'a Predictions) -> Result<Judgement<'a>> {
        Judgement::at(predictions, None)
    }

    /// As [`new`](Self::new), tags at a given threshold if there is one.
    pub fn at(predictions: &'a Predictions, threshold: Option<f32>) -> Result<Judgement<'a>> {
        if predictions.is_empty() || predictions.labels == Labels::Unknown {
            return Ok(Judgement::Nothing);
        }
        Ok(match predictions.kind {
            LabelKind::One => Judgement::One(predictions.scored()?),
            LabelKind::Several => {
                let scored = predictions.several()?;
                let at = match threshold {
                    Some(threshold) => {
                        ThresholdScore { threshold, score: scored.f_beta(BETA, threshold) }
                    }
                    None => scored.best_threshold(BETA),
                };
                Judgement::Tags { scored, at, is_best: threshold.is_none() }
            }
        })
    }

    /// The numbers in a line.
    pub fn line(&self) -> String {
        match self {
            Judgement::Nothing => "there are no pictures to judge by".to_owned(),
            Judgement::One(scored) => {
                let interval = scored.accuracy_interval();
                format!(
                    "accuracy: {:.1} % (95 % interval {:.1} to {:.1} %), log loss {:.4}, {} of {} pictures \
                     right",
                    100.0 * scored.accuracy(),
                    100.0 * interval.low,
                    100.0 * interval.high,
                    scored.log_loss(),
                    scored.correct(),
                    scored.len(),
                )
            }
            Judgement::Tags { scored, at, is_best } => format!(
                "F2: {:.4} at threshold {}{} ({:.4} at {LESSON_THRESHOLD}), log loss {:.4}, {:.2} % of \
                 all labels of {} pictures right",
                at.score,
                at.threshold,
                if *is_best { ", the best for these pictures" } else { "" },
                scored.f_beta(BETA, LESSON_THRESHOLD),
                scored.log_loss(),
                100.0 * scored.accuracy(at.threshold),
                scored.len(),
            ),
        }
    }

    /// Tables below the line: what each class is worth, and which are taken for which.
    pub fn tables(&self, classes: &[String]) -> String {
        match self {
            Judgement::Nothing => String::new(),
            Judgement::One(scored) => {
                let matrix = scored.confusion();
                let mut text = matrix_text(&matrix, classes);
                if scored.correct() < scored.len() {
                    text.push_str(&format!("\n{}", mistake_table(&matrix, classes, MISTAKES)));
                }
                text
            }
            Judgement::Tags { scored, at, .. } => tag_table(scored, classes, at.threshold),
        }
    }

    /// The numbers by name.
    pub fn fields(&self) -> Map<String, Value> {
        let fields = match self {
            Judgement::Nothing => json!({ "pictures": 0 }),
            Judgement::One(scored) => {
                let interval = scored.accuracy_interval();
                json!({
                    "accuracy": scored.accuracy(),
                    "accuracy_interval_95": [interval.low, interval.high],
                    "log_loss": scored.log_loss(),
                    "correct": scored.correct(),
                    "pictures": scored.len(),
                })
            }
            Judgement::Tags { scored, at, .. } => json!({
                "f2": at.score,
                "threshold": rounded(at.threshold),
                "f2_at_0.2": scored.f_beta(BETA, LESSON_THRESHOLD),
                "label_accuracy": scored.accuracy(at.threshold),
                "log_loss": scored.log_loss(),
                "pictures": scored.len(),
            }),
        };
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// What only a judgement by itself tells: the confusion matrix, or each tag's scores.
    pub fn class_fields(&self, classes: &[String]) -> Map<String, Value> {
        let mut fields = Map::new();
        match self {
            Judgement::Nothing => {}
            Judgement::One(scored) => {
                let matrix = scored.confusion();
                let row = |truth: usize| -> Vec<u64> {
                    (0..classes.len()).map(|predicted| matrix.count(truth, predicted)).collect()
                };
                let rows: Vec<Vec<u64>> = (0..classes.len()).map(row).collect();
                fields.insert("confusion_matrix".to_owned(), json!(rows));
            }
            Judgement::Tags { scored, at, .. } => {
                let thresholds = vec![at.threshold; classes.len()];
                let f2 = scored.class_f_beta(BETA, &thresholds);
                let scores = scored.class_scores(&thresholds).into_iter().zip(f2);
                let score = |(class, (score, f2)): (&String, (ClassScore, Option<f64>))| {
                    json!({
                        "class": class,
                        "precision": score.precision,
                        "recall": score.recall,
                        "f2": f2,
                        "pictures": score.support,
                    })
                };
                let scores: Vec<Value> = classes.iter().zip(scores).map(score).collect();
                fields.insert("class_scores".to_owned(), json!(scores));
            }
        }
        fields
    }

    /// F2 over thresholds, where pictures have several labels.
    pub fn threshold_curve(&self) -> Option<ThresholdCurve> {
        match self {
            Judgement::Tags { scored, .. } => {
                Some(scored.threshold_curve(BETA, ThresholdGrid::Full))
            }
            _ => None,
        }
    }
}

/// The number that was meant: `0.2` and not the nearest f32 in f64's digits.
pub fn rounded(threshold: f32) -> f64 {
    (f64::from(threshold) * 1e6).round() / 1e6
}

/// Scores of every class and the confusion matrix; many classes go by their numbers in the matrix.
fn matrix_text(matrix: &ConfusionMatrix, classes: &[String]) -> String {
    if classes.len() <= MOST_NAMED {
        return format!("{}\n{}", class_table(matrix, classes), confusion_table(matrix, classes));
    }
    let numbers: Vec<String> = (1..=classes.len()).map(|number| number.to_string()).collect();
    let width = classes.len().to_string().len();
    let numbered: Vec<String> =
        numbers.iter().zip(classes).map(|(n, class)| format!("{n:>width$} {class}")).collect();
    format!("{}\n{}", class_table(matrix, &numbered), confusion_table(matrix, &numbers))
}
