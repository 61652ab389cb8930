//! The rate finder's two plots: rate over steps, and loss over rate.

use plotters_backend::DrawingBackend;

use super::super::drawing::private::Shapes;
use super::super::drawing::{Canvas, Rect, palette};
use super::super::error::InterpretError;
use super::axis::{Axis, number};
use super::chart::{Chart, Look, Mark, Series};
use crate::schedule::{FinderCurve, StopReason, Suggestion};

const SIZE: (f64, f64) = (860.0, 520.0);
const AREA: Rect = Rect { left: 0.0, top: 0.0, right: SIZE.0, bottom: SIZE.1 };
/// Room above the loss before the fall, in parts of the fall: shows the rise and keeps the valley large.
const HEADROOM: f64 = 0.4;

/// The rate of each step of a rate-finder run.
#[derive(Clone, Copy, Debug)]
pub struct FinderRatePlot<'a>(pub &'a FinderCurve);

/// Loss over the rate's logarithm: each batch faint, the smoothed course strong, with the suggested rate,
/// the lowest point and the steepest point marked. The axis names the layer group whose rate it is.
#[derive(Clone, Copy, Debug)]
pub struct FinderLossPlot<'a>(pub &'a FinderCurve);

impl Shapes for FinderRatePlot<'_> {
    fn size(&self) -> (f64, f64) {
        SIZE
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        let curve = self.0;
        let (low, high) = rate_range(curve)?;
        let points = curve
            .rates
            .iter()
            .enumerate()
            .map(|(step, &rate)| (step as f64, f64::from(rate)))
            .collect();
        let chart = Chart {
            title: "Rate finder: learning rate".into(),
            note: ending(curve),
            x_label: "step (batch)".into(),
            y_label: axis_label(curve),
            x: Axis::linear(0.0, (curve.rates.len() as f64 - 1.0).max(1.0)),
            y: Axis::logarithmic(low, high),
            series: vec![line(String::new(), points)],
            marks: Vec::new(),
            dividers: Vec::new(),
        };
        chart.draw(canvas, AREA)
    }
}

impl Shapes for FinderLossPlot<'_> {
    fn size(&self) -> (f64, f64) {
        SIZE
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        let curve = self.0;
        let (low, high) = rate_range(curve)?;
        let suggestion = curve.suggest();
        let over_rate = |losses: &[f32]| -> Vec<_> {
            curve
                .rates
                .iter()
                .zip(losses)
                .map(|(&rate, &loss)| (f64::from(rate), f64::from(loss)))
                .collect()
        };
        let raw = Series {
            label: "each batch".into(),
            points: over_rate(&curve.losses),
            colour: palette::BLUE.opacity(0.28),
            look: Look::Line { width: 1.0 },
        };
        let chart = Chart {
            title: "Rate finder: training loss over learning rate".into(),
            note: suggestion.as_ref().map_or(ending(curve), |suggestion| note(curve, suggestion)),
            x_label: axis_label(curve),
            y_label: "training loss".into(),
            x: Axis::logarithmic(low, high),
            y: loss_axis(curve, suggestion.as_ref()),
            series: vec![raw, line("smoothed".into(), over_rate(&curve.smoothed))],
            marks: suggestion.map_or(Vec::new(), |suggestion| marks(curve, &suggestion)),
            dividers: Vec::new(),
        };
        chart.draw(canvas, AREA)
    }
}

fn rate_range(curve: &FinderCurve) -> Result<(f64, f64), InterpretError> {
    let usable = |rate: &&f32| rate.is_finite() && **rate > 0.0;
    let rates = curve.rates.iter().filter(usable).map(|&rate| f64::from(rate));
    let low = rates.clone().fold(f64::INFINITY, f64::min);
    if low.is_infinite() {
        return Err(InterpretError::input("rate-finder curve", "it has no points"));
    }
    Ok((low, rates.fold(low, f64::max)))
}

fn line(label: String, points: Vec<(f64, f64)>) -> Series {
    Series { label, points, colour: palette::BLUE, look: Look::Line { width: 2.0 } }
}

fn axis_label(curve: &FinderCurve) -> String {
    format!("learning rate of {}", curve.group)
}

fn ending(curve: &FinderCurve) -> String {
    let steps = curve.rates.len();
    match curve.stopped {
        None => format!("{steps} steps, all of them"),
        Some(StopReason::Diverged) => {
            format!("stopped after {steps} steps: the loss rose to four times its best")
        }
        Some(StopReason::NotFinite) => {
            format!("stopped after {steps} steps: the loss was not finite")
        }
    }
}

fn note(curve: &FinderCurve, suggestion: &Suggestion) -> String {
    match suggestion.reservation {
        Some(reservation) => reservation.to_string(),
        None => ending(curve),
    }
}

/// The fall with all its batches and the beginning of the rise; an exploding end leaves the frame.
fn loss_axis(curve: &FinderCurve, suggestion: Option<&Suggestion>) -> Axis {
    let pairs = || {
        curve
            .smoothed
            .iter()
            .zip(&curve.losses)
            .map(|(&one, &other)| (f64::from(one), f64::from(other)))
    };
    let bottom = pairs().fold(f64::INFINITY, |low, (smoothed, loss)| low.min(smoothed).min(loss));
    let fall = suggestion.map_or(curve.smoothed.len(), |suggestion| suggestion.lowest + 1);
    let top = pairs().take(fall).fold(bottom, |top, (smoothed, loss)| top.max(smoothed).max(loss));
    let peak = pairs().fold(top, |peak, (smoothed, _)| peak.max(smoothed));
    let ceiling = peak.min(top + HEADROOM * (top - bottom));
    Axis::around([bottom, ceiling].into_iter(), None)
}

fn marks(curve: &FinderCurve, suggestion: &Suggestion) -> Vec<Mark> {
    let at = |index: usize| (f64::from(curve.rates[index]), f64::from(curve.smoothed[index]));
    let rate = f64::from(suggestion.rate);
    let mut marks = vec![Mark {
        at: (rate, loss_at(curve, suggestion.rate)),
        label: format!("suggested {}", number(rate)),
        colour: palette::GREEN,
        below: false,
    }];
    marks.extend(suggestion.steepest.map(|index| Mark {
        at: at(index),
        label: format!("steepest {}", number(at(index).0)),
        colour: palette::ORANGE,
        below: false,
    }));
    marks.push(Mark {
        at: at(suggestion.lowest),
        label: format!("lowest {}", number(at(suggestion.lowest).0)),
        colour: palette::MUTED,
        below: true,
    });
    // A suggestion may lie below the first rate tried.
    marks.retain(|mark| mark.at.1.is_finite());
    marks
}

/// The smoothed loss at a rate between two steps; not a number outside the run.
fn loss_at(curve: &FinderCurve, rate: f32) -> f64 {
    let after = curve.rates.iter().position(|&tried| tried >= rate);
    match after {
        Some(0) if curve.rates[0] == rate => f64::from(curve.smoothed[0]),
        Some(index) if index > 0 => {
            let (low, high) = (curve.rates[index - 1], curve.rates[index]);
            let part = f64::from((rate / low).ln() / (high / low).ln());
            let (from, to) =
                (f64::from(curve.smoothed[index - 1]), f64::from(curve.smoothed[index]));
            from + (to - from) * part
        }
        _ => f64::NAN,
    }
}
