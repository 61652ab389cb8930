//! The rate, and the momentum if it moves, over a whole fit.

use plotters_backend::DrawingBackend;

use super::super::drawing::private::Shapes;
use super::super::drawing::{Canvas, Rect, palette};
use super::super::error::InterpretError;
use super::axis::Axis;
use super::chart::{Chart, Look, Series};
use crate::schedule::Schedule;

const WIDTH: f64 = 860.0;
const RATE_HEIGHT: f64 = 420.0;
const MOMENTUM_HEIGHT: f64 = 280.0;
/// More points than this cannot be told apart.
const MOST_POINTS: usize = 2400;

/// A [`Schedule`] drawn over epochs, for one base rate.
#[derive(Clone, Debug)]
pub struct SchedulePlot {
    schedule: Schedule,
    batches_per_epoch: usize,
    rate: f32,
}

impl SchedulePlot {
    /// The schedule of a fit with `batches_per_epoch` batches an epoch, and the last layer group's base `rate`.
    pub fn new(schedule: impl Into<Schedule>, batches_per_epoch: usize, rate: f32) -> Self {
        Self { schedule: schedule.into(), batches_per_epoch: batches_per_epoch.max(1), rate }
    }

    fn batches(&self) -> usize {
        self.schedule.epochs().saturating_mul(self.batches_per_epoch)
    }

    /// Epoch and value of evenly chosen batches.
    fn sampled(&self, value: impl Fn(usize) -> f64) -> Vec<(f64, f64)> {
        let every = self.batches().div_ceil(MOST_POINTS).max(1);
        let at = |batch: usize| (batch as f64 / self.batches_per_epoch as f64, value(batch));
        (0..self.batches()).step_by(every).map(at).collect()
    }

    fn moves_momentum(&self) -> bool {
        self.schedule.at(0, self.batches_per_epoch).momentum.is_some()
    }

    fn chart(
        &self,
        title: String,
        y_label: &str,
        points: Vec<(f64, f64)>,
        floor: Option<f64>,
    ) -> Chart {
        let bottom = floor.unwrap_or(f64::INFINITY);
        let values = points.iter().map(|point| point.1).chain(floor);
        Chart {
            title,
            note: String::new(),
            x_label: "epoch".into(),
            y_label: y_label.into(),
            x: Axis::linear(0.0, self.schedule.epochs() as f64),
            y: Axis::around(values, bottom.is_finite().then_some(bottom)),
            series: vec![Series {
                label: String::new(),
                points,
                colour: palette::BLUE,
                look: Look::Line { width: 2.0 },
            }],
            marks: Vec::new(),
            dividers: Vec::new(),
        }
    }
}

impl Shapes for SchedulePlot {
    fn size(&self) -> (f64, f64) {
        (WIDTH, if self.moves_momentum() { RATE_HEIGHT + MOMENTUM_HEIGHT } else { RATE_HEIGHT })
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        self.schedule
            .validate()
            .map_err(|error| InterpretError::input("schedule", error.to_string()))?;
        let settings = |batch| self.schedule.at(batch, self.batches_per_epoch);
        let rates = self.sampled(|batch| f64::from(settings(batch).factor * self.rate));
        let mut rate = self.chart("Learning rate".into(), "learning rate", rates, Some(0.0));
        rate.note =
            format!("{}, {} batches an epoch", self.schedule.label(), self.batches_per_epoch);
        rate.draw(canvas, Rect { left: 0.0, top: 0.0, right: WIDTH, bottom: RATE_HEIGHT })?;
        if self.moves_momentum() {
            let momenta =
                self.sampled(|batch| settings(batch).momentum.map_or(f64::NAN, f64::from));
            let area = Rect {
                left: 0.0,
                top: RATE_HEIGHT,
                right: WIDTH,
                bottom: RATE_HEIGHT + MOMENTUM_HEIGHT,
            };
            self.chart("Momentum".into(), "momentum", momenta, None).draw(canvas, area)?;
        }
        Ok(())
    }
}
