//! A line chart: a frame with two axes, lines and points in it, marks and a legend.

use plotters_backend::DrawingBackend;

use super::super::drawing::{Align, Canvas, Colour, Rect, Text, ellipsis, palette, text_width};
use super::super::error::InterpretError;
use super::axis::Axis;
use super::clip::{in_unit, runs_inside};
use super::label::label_place;

const TITLE_SIZE: f64 = 17.0;
const LABEL_SIZE: f64 = 12.0;
const TICK_SIZE: f64 = 11.5;
const LEGEND_SIZE: f64 = 12.0;
/// Room around the frame for titles, ticks and labels.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 66.0;
const BOTTOM: f64 = 56.0;
/// Room for the names of dividers, above the frame.
const DIVIDER_STRIP: f64 = 20.0;
/// Distance from a text to what it names.
const GAP: f64 = 8.0;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Look {
    Line { width: f64 },
    Dots,
    LineAndDots,
}

/// Points that belong together. Points that are not finite leave a gap.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// Name in the legend; none if empty.
    pub label: String,
    pub points: Vec<(f64, f64)>,
    pub colour: Colour,
    pub look: Look,
}

/// A point with a name, and a dashed line down to the horizontal axis.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub at: (f64, f64),
    pub label: String,
    pub colour: Colour,
    /// The label rather belongs below the point.
    pub below: bool,
}

/// A vertical line with a name above its upper end.
#[derive(Clone, Debug)]
pub(super) struct Divider {
    pub x: f64,
    pub label: String,
}

/// All of a chart but its place.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub title: String,
    /// A second line in a softer tone; none if empty.
    pub note: String,
    pub x_label: String,
    pub y_label: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    pub marks: Vec<Mark>,
    pub dividers: Vec<Divider>,
}

impl Chart {
    /// Draws the chart into `area`.
    pub fn draw<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        area: Rect,
    ) -> Result<(), InterpretError> {
        let frame = Rect {
            left: area.left + LEFT,
            top: area.top + TOP + if self.dividers.is_empty() { 0.0 } else { DIVIDER_STRIP },
            right: area.right - RIGHT,
            bottom: area.bottom - BOTTOM,
        };
        self.draw_titles(canvas, area, frame)?;
        self.draw_grid(canvas, area, frame)?;
        self.draw_dividers(canvas, frame)?;
        for series in &self.series {
            self.draw_series(canvas, frame, series)?;
        }
        canvas.outline(frame, palette::FRAME, 1.0)?;
        let mut taken = Vec::new();
        for mark in &self.marks {
            self.draw_mark(canvas, frame, mark, &mut taken)?;
        }
        Ok(())
    }

    fn draw_titles<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        area: Rect,
        frame: Rect,
    ) -> Result<(), InterpretError> {
        canvas.text(&self.title, (frame.left, area.top + 22.0), Text::new(TITLE_SIZE).bold())?;
        let second = area.top + 46.0;
        canvas.text(
            &self.note,
            (frame.left, second),
            Text::new(LEGEND_SIZE).colour(palette::MUTED),
        )?;
        let mut right = frame.right;
        for series in self.series.iter().rev().filter(|series| !series.label.is_empty()) {
            canvas.text(
                &series.label,
                (right, second),
                Text::new(LEGEND_SIZE).align(Align::End),
            )?;
            right -= text_width(&series.label, LEGEND_SIZE, false) + GAP;
            draw_swatch(canvas, right, second, series)?;
            right -= 34.0;
        }
        Ok(())
    }

    fn draw_grid<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        area: Rect,
        frame: Rect,
    ) -> Result<(), InterpretError> {
        let tick_text = Text::new(TICK_SIZE).colour(palette::MUTED);
        for tick in self.x.ticks(frame.width()) {
            let x = across(frame, self.x.position(tick.value));
            canvas.rule((x, frame.top), (x, frame.bottom), palette::GRID, 1.0)?;
            canvas.text(&tick.label, (x, frame.bottom + 14.0), tick_text.align(Align::Centre))?;
        }
        for tick in self.y.ticks(frame.height() * 1.2) {
            let y = up(frame, self.y.position(tick.value));
            canvas.rule((frame.left, y), (frame.right, y), palette::GRID, 1.0)?;
            canvas.text(&tick.label, (frame.left - GAP, y), tick_text.align(Align::End))?;
        }
        let label = Text::new(LABEL_SIZE).align(Align::Centre);
        canvas.text(
            &self.x_label,
            ((frame.left + frame.right) / 2.0, area.bottom - 18.0),
            label,
        )?;
        canvas.text(
            &self.y_label,
            (area.left + 18.0, (frame.top + frame.bottom) / 2.0),
            label.upright(),
        )
    }

    fn draw_dividers<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        frame: Rect,
    ) -> Result<(), InterpretError> {
        for (index, divider) in self.dividers.iter().enumerate() {
            let x = across(frame, self.x.position(divider.x));
            if x > frame.left + 1.0 {
                canvas.rule((x, frame.top), (x, frame.bottom), palette::FRAME, 1.0)?;
            }
            let next = self
                .dividers
                .get(index + 1)
                .map_or(frame.right, |next| across(frame, self.x.position(next.x)));
            let room = next - x - GAP;
            let label = ellipsis(&divider.label, TICK_SIZE, false, room);
            if label.chars().count() > 1 {
                let text = Text::new(TICK_SIZE).colour(palette::MUTED);
                canvas.text(&label, (x, frame.top - 11.0), text)?;
            }
        }
        Ok(())
    }

    fn draw_series<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        frame: Rect,
        series: &Series,
    ) -> Result<(), InterpretError> {
        let place = |&(x, y): &(f64, f64)| (self.x.position(x), self.y.position(y));
        let placed: Vec<_> = series.points.iter().map(place).collect();
        let to_frame = |&(x, y): &(f64, f64)| (across(frame, x), up(frame, y));
        let width = match series.look {
            Look::Line { width } => Some(width),
            Look::LineAndDots => Some(1.75),
            Look::Dots => None,
        };
        if let Some(width) = width {
            for run in runs_inside(&placed) {
                let path: Vec<_> = run.iter().map(to_frame).collect();
                canvas.path(&path, series.colour, width)?;
            }
        }
        if matches!(series.look, Look::Dots | Look::LineAndDots) {
            let inside = |&&(x, y): &&(f64, f64)| in_unit(x) && in_unit(y);
            for point in placed.iter().filter(inside) {
                draw_dot(canvas, to_frame(point), series.colour)?;
            }
        }
        Ok(())
    }

    /// Draws a mark; its label goes to the first place beside it that is inside the frame and not taken.
    fn draw_mark<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        frame: Rect,
        mark: &Mark,
        taken: &mut Vec<Rect>,
    ) -> Result<(), InterpretError> {
        let (x, y) =
            (across(frame, self.x.position(mark.at.0)), up(frame, self.y.position(mark.at.1)));
        if !(x.is_finite() && y.is_finite()) {
            return Ok(());
        }
        let y = y.clamp(frame.top, frame.bottom);
        canvas.dashes((x, y), frame.bottom, mark.colour, 1.0)?;
        draw_dot(canvas, (x, y), mark.colour)?;
        let width = text_width(&mark.label, LABEL_SIZE, true);
        let place = label_place(frame, (x, y), width, mark.below, taken);
        let backing = Rect { left: place.left - 3.0, right: place.right + 3.0, ..place };
        canvas.fill(backing, palette::PAPER.opacity(0.85))?;
        let middle = (place.top + place.bottom) / 2.0;
        canvas.text(
            &mark.label,
            (place.left, middle),
            Text::new(LABEL_SIZE).bold().colour(mark.colour),
        )?;
        taken.push(backing);
        Ok(())
    }
}

fn draw_dot<B: DrawingBackend>(
    canvas: &mut Canvas<B>,
    at: (f64, f64),
    colour: Colour,
) -> Result<(), InterpretError> {
    canvas.disc(at, 5.0, palette::PAPER)?;
    canvas.disc(at, 3.5, colour)
}

fn draw_swatch<B: DrawingBackend>(
    canvas: &mut Canvas<B>,
    right: f64,
    y: f64,
    series: &Series,
) -> Result<(), InterpretError> {
    if series.look != Look::Dots {
        canvas.path(&[(right - 18.0, y), (right, y)], series.colour, 2.0)?;
    }
    if matches!(series.look, Look::Dots | Look::LineAndDots) {
        draw_dot(canvas, (right - 9.0, y), series.colour)?;
    }
    Ok(())
}

fn across(frame: Rect, position: f64) -> f64 {
    frame.left + frame.width() * position
}

fn up(frame: Rect, position: f64) -> f64 {
    frame.bottom - frame.height() * position
}
