//! How good tags are over the threshold above which a class counts as predicted.

use plotters_backend::DrawingBackend;

use super::super::drawing::private::Shapes;
use super::super::drawing::{Canvas, Rect, palette};
use super::super::error::InterpretError;
use super::axis::Axis;
use super::chart::{Chart, Look, Mark, Series};
use crate::metrics::{LESSON_THRESHOLD, ThresholdCurve, ThresholdScore};

const SIZE: (f64, f64) = (860.0, 520.0);
const AREA: Rect = Rect { left: 0.0, top: 0.0, right: SIZE.0, bottom: SIZE.1 };

/// F-beta over the threshold, with the best one and the lesson's marked.
#[derive(Clone, Copy, Debug)]
pub struct ThresholdPlot<'a>(pub &'a ThresholdCurve);

impl Shapes for ThresholdPlot<'_> {
    fn size(&self) -> (f64, f64) {
        SIZE
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        let ThresholdCurve { beta, points } = self.0;
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Err(InterpretError::input("threshold curve", "it has no points"));
        };
        let best = self.0.best();
        let chart = Chart {
            title: format!("F{beta} over the threshold"),
            note: format!("best {:.4} at {:.2}", best.score, best.threshold),
            x_label: "threshold: a class is predicted where its probability is above it".into(),
            y_label: format!("F{beta}, mean over pictures"),
            x: Axis::linear(f64::from(first.threshold), f64::from(last.threshold)),
            y: Axis::around(points.iter().map(|point| point.score), None),
            series: vec![Series {
                label: String::new(),
                points: points.iter().map(place).collect(),
                colour: palette::BLUE,
                look: Look::Line { width: 2.0 },
            }],
            marks: self.marks(best),
            dividers: Vec::new(),
        };
        chart.draw(canvas, AREA)
    }
}

impl ThresholdPlot<'_> {
    fn marks(&self, best: ThresholdScore) -> Vec<Mark> {
        let mut marks = vec![Mark {
            at: place(&best),
            label: format!("best {:.2}", best.threshold),
            colour: palette::GREEN,
            below: false,
        }];
        let lesson = self.0.points.iter().find(|point| point.threshold == LESSON_THRESHOLD);
        marks.extend(lesson.filter(|point| point.threshold != best.threshold).map(|point| Mark {
            at: place(point),
            label: format!("{LESSON_THRESHOLD}"),
            colour: palette::MUTED,
            below: true,
        }));
        marks
    }
}

fn place(point: &ThresholdScore) -> (f64, f64) {
    (f64::from(point.threshold), point.score)
}
