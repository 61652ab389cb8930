//! Loss and metrics over a training run.

use plotters_backend::DrawingBackend;

use super::super::drawing::private::Shapes;
use super::super::drawing::{Canvas, Rect, palette};
use super::super::error::InterpretError;
use super::axis::Axis;
use super::chart::{Chart, Divider, Look, Series};

const WIDTH: f64 = 860.0;
const LOSS_HEIGHT: f64 = 440.0;
const METRIC_HEIGHT: f64 = 320.0;
/// More points than this cannot be told apart.
const MOST_POINTS: usize = 2400;
/// The loss axis leaves out this part of the highest training losses: the first batches would flatten the rest.
const LEFT_OUT: f64 = 0.02;

/// What one epoch leaves for the plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryEpoch {
    /// Smoothed training loss after each batch.
    pub batch_losses: Vec<f32>,
    /// Validation loss after the epoch.
    pub valid_loss: Option<f64>,
    /// Metrics after the epoch, in the order of [`HistoryPlot::metrics`].
    pub metrics: Vec<f64>,
    /// Name of the stage that begins with this epoch: a line and a label mark it.
    pub stage: Option<String>,
}

/// Training loss over batches with validation loss after each epoch and, below, metrics over epochs.
/// Every epoch is equally wide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryPlot {
    /// Heading, such as the run's name.
    pub title: String,
    /// Names of the metrics.
    pub metrics: Vec<String>,
    /// Epochs in order.
    pub epochs: Vec<HistoryEpoch>,
}

impl HistoryPlot {
    fn training_points(&self) -> Vec<(f64, f64)> {
        let batches: usize = self.epochs.iter().map(|epoch| epoch.batch_losses.len()).sum();
        let every = batches.div_ceil(MOST_POINTS).max(1);
        let points = self.epochs.iter().enumerate().flat_map(|(index, epoch)| {
            let count = epoch.batch_losses.len() as f64;
            let at = move |batch: usize| index as f64 + (batch + 1) as f64 / count;
            epoch
                .batch_losses
                .iter()
                .enumerate()
                .map(move |(batch, &loss)| (at(batch), f64::from(loss)))
        });
        points.step_by(every).collect()
    }

    /// A value after each epoch.
    fn epoch_points(&self, value: impl Fn(&HistoryEpoch) -> Option<f64>) -> Vec<(f64, f64)> {
        let at = |(index, epoch)| ((index + 1) as f64, value(epoch).unwrap_or(f64::NAN));
        self.epochs.iter().enumerate().map(at).collect()
    }

    fn loss_chart(&self) -> Chart {
        let training = self.training_points();
        let validation = self.epoch_points(|epoch| epoch.valid_loss);
        let mut sorted: Vec<f64> =
            training.iter().map(|point| point.1).filter(|loss| loss.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        sorted.truncate(sorted.len() - (sorted.len() as f64 * LEFT_OUT) as usize);
        let shown = sorted.into_iter().chain(validation.iter().map(|point| point.1));
        let y = Axis::around(shown.chain([0.0]), Some(0.0));
        let series = [
            Series {
                label: "training, smoothed".into(),
                points: training,
                colour: palette::BLUE,
                look: Look::Line { width: 1.75 },
            },
            Series {
                label: "validation".into(),
                points: validation,
                colour: palette::ORANGE,
                look: Look::LineAndDots,
            },
        ];
        self.chart(self.title.clone(), "loss", y, series.into())
    }

    fn metric_chart(&self) -> Chart {
        let colours = palette::SERIES.iter().cycle().skip(2);
        let series =
            self.metrics.iter().zip(colours).enumerate().map(|(index, (name, &colour))| Series {
                label: name.clone(),
                points: self.epoch_points(|epoch| epoch.metrics.get(index).copied()),
                colour,
                look: Look::LineAndDots,
            });
        let series: Vec<_> = series.collect();
        let values = series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
        let y = Axis::around(values.collect::<Vec<_>>().into_iter(), Some(0.0));
        self.chart("Validation".into(), "metric", y, series)
    }

    fn chart(&self, title: String, y_label: &str, y: Axis, mut series: Vec<Series>) -> Chart {
        series.retain(|series| series.points.iter().any(|point| point.1.is_finite()));
        let dividers = self.epochs.iter().enumerate().filter_map(|(index, epoch)| {
            epoch.stage.as_ref().map(|stage| Divider { x: index as f64, label: stage.clone() })
        });
        Chart {
            title,
            note: String::new(),
            x_label: "epoch".into(),
            y_label: y_label.into(),
            x: Axis::linear(0.0, self.epochs.len() as f64),
            y,
            series,
            marks: Vec::new(),
            dividers: dividers.collect(),
        }
    }
}

impl Shapes for HistoryPlot {
    fn size(&self) -> (f64, f64) {
        (WIDTH, if self.metrics.is_empty() { LOSS_HEIGHT } else { LOSS_HEIGHT + METRIC_HEIGHT })
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        if self.epochs.is_empty() {
            return Err(InterpretError::input("history", "it has no epochs"));
        }
        let loss_area = Rect { left: 0.0, top: 0.0, right: WIDTH, bottom: LOSS_HEIGHT };
        self.loss_chart().draw(canvas, loss_area)?;
        if !self.metrics.is_empty() {
            let area = Rect {
                left: 0.0,
                top: LOSS_HEIGHT,
                right: WIDTH,
                bottom: LOSS_HEIGHT + METRIC_HEIGHT,
            };
            self.metric_chart().draw(canvas, area)?;
        }
        Ok(())
    }
}
