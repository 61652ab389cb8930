//! The confusion matrix as a picture, from two classes to hundreds.

use plotters_backend::DrawingBackend;

use super::super::drawing::private::Shapes;
use super::super::drawing::{
    Align, Canvas, Colour, PIXELS, Rect, Text, ellipsis, palette, text_width,
};
use super::super::error::InterpretError;
use crate::metrics::ConfusionMatrix;

/// The matrix gets about this width; cells shrink with the number of classes down to the smallest.
const MATRIX_WIDTH: f64 = 620.0;
const LARGEST_CELL: f64 = 110.0;
const SMALLEST_CELL: f64 = 11.0;
/// From this size a cell has room for its count, and for the share of its row below it.
const CELL_WITH_COUNT: f64 = 17.0;
const CELL_WITH_SHARE: f64 = 56.0;
/// Names are cut at this width.
const LONGEST_NAME: f64 = 150.0;
const TOP: f64 = 74.0;
const MARGIN: f64 = 24.0;
/// Room for an axis title beside the names.
const AXIS_TITLE: f64 = 30.0;
const GAP: f64 = 6.0;

/// Counts of true (rows) against predicted classes (columns), coloured by their share of the row: hits blue, mistakes
/// orange. Mistakes are deepened, so that a single one in a large class still shows.
#[derive(Clone, Debug)]
pub struct ConfusionPlot<'a> {
    matrix: &'a ConfusionMatrix,
    names: &'a [String],
}

impl<'a> ConfusionPlot<'a> {
    /// The matrix with one name a class.
    pub fn new(matrix: &'a ConfusionMatrix, names: &'a [String]) -> Self {
        Self { matrix, names }
    }

    fn cell(&self) -> f64 {
        let fitting = MATRIX_WIDTH / self.matrix.classes().max(1) as f64;
        // Whole canvas pixels, so that all cells are equal.
        (fitting.clamp(SMALLEST_CELL, LARGEST_CELL) * f64::from(PIXELS)).floor() / f64::from(PIXELS)
    }

    fn name_size(&self) -> f64 {
        (self.cell() * 0.82).clamp(8.5, 13.0)
    }

    fn shown_names(&self) -> Vec<String> {
        self.names
            .iter()
            .map(|name| ellipsis(name, self.name_size(), false, LONGEST_NAME))
            .collect()
    }

    fn name_width(&self) -> f64 {
        self.shown_names()
            .iter()
            .map(|name| text_width(name, self.name_size(), false))
            .fold(0.0, f64::max)
    }

    /// Column names lie flat where each fits above its neighbour's start.
    fn flat_columns(&self) -> bool {
        self.name_width() <= self.cell() - GAP
    }

    fn frame(&self) -> Rect {
        let side = self.cell() * self.matrix.classes() as f64;
        let left = MARGIN + AXIS_TITLE + self.name_width() + GAP;
        Rect { left, top: TOP, right: left + side, bottom: TOP + side }
    }

    fn cell_rect(&self, truth: usize, predicted: usize) -> Rect {
        let (frame, cell) = (self.frame(), self.cell());
        let (left, top) = (frame.left + cell * predicted as f64, frame.top + cell * truth as f64);
        // A hair between cells, where they are large enough to spare it.
        let inset = if cell >= CELL_WITH_COUNT { 0.5 } else { 0.0 };
        Rect {
            left: left + inset,
            top: top + inset,
            right: left + cell - inset,
            bottom: top + cell - inset,
        }
    }

    fn share(&self, truth: usize, predicted: usize) -> f64 {
        match self.matrix.support(truth) {
            0 => 0.0,
            support => self.matrix.count(truth, predicted) as f64 / support as f64,
        }
    }

    fn colour(&self, truth: usize, predicted: usize) -> Colour {
        let share = self.share(truth, predicted);
        if share == 0.0 {
            palette::EMPTY
        } else if truth == predicted {
            palette::PAPER.towards(palette::BLUE, 0.12 + 0.88 * share)
        } else {
            palette::PAPER.towards(palette::ORANGE, 0.08 + 0.92 * share.sqrt())
        }
    }

    fn draw_heading<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
    ) -> Result<(), InterpretError> {
        let accuracy = self.matrix.accuracy().unwrap_or(0.0) * 100.0;
        let note = format!("{} pictures, {accuracy:.2} % on the diagonal", self.matrix.total());
        canvas.text("Confusion matrix", (MARGIN, 24.0), Text::new(17.0).bold())?;
        canvas.text(&note, (MARGIN, 48.0), Text::new(12.0).colour(palette::MUTED))
    }

    fn draw_cells<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        canvas.fill(self.frame(), palette::EMPTY)?;
        for truth in 0..self.matrix.classes() {
            for predicted in 0..self.matrix.classes() {
                if self.matrix.count(truth, predicted) > 0 {
                    canvas.fill(self.cell_rect(truth, predicted), self.colour(truth, predicted))?;
                    self.draw_count(canvas, truth, predicted)?;
                }
            }
        }
        self.draw_guides(canvas)?;
        canvas.outline(self.frame(), palette::FRAME, 1.0)
    }

    /// Thin lines for the eye to follow where cells carry no numbers.
    fn draw_guides<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        const EVERY: usize = 10;
        if self.cell() >= CELL_WITH_COUNT {
            return Ok(());
        }
        let frame = self.frame();
        for class in (EVERY..self.matrix.classes()).step_by(EVERY) {
            let along = self.cell() * class as f64;
            let (x, y) = (frame.left + along, frame.top + along);
            canvas.rule((x, frame.top), (x, frame.bottom), palette::FRAME.opacity(0.7), 0.5)?;
            canvas.rule((frame.left, y), (frame.right, y), palette::FRAME.opacity(0.7), 0.5)?;
        }
        Ok(())
    }

    fn draw_count<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<B>,
        truth: usize,
        predicted: usize,
    ) -> Result<(), InterpretError> {
        let (cell, rect) = (self.cell(), self.cell_rect(truth, predicted));
        if cell < CELL_WITH_COUNT {
            return Ok(());
        }
        let ink = if self.colour(truth, predicted).lightness() < 0.6 {
            palette::PAPER
        } else {
            palette::INK
        };
        let count = self.matrix.count(truth, predicted).to_string();
        let roomy = (cell * 0.42).min(22.0);
        let size = roomy.min(roomy * (cell - 4.0) / text_width(&count, roomy, false));
        let (x, y) = ((rect.left + rect.right) / 2.0, (rect.top + rect.bottom) / 2.0);
        let text = Text::new(size).align(Align::Centre).colour(ink);
        if cell < CELL_WITH_SHARE {
            return canvas.text(&count, (x, y), text);
        }
        canvas.text(&count, (x, y - 8.0), text.bold())?;
        let share = format!("{:.1} %", self.share(truth, predicted) * 100.0);
        canvas.text(&share, (x, y + 13.0), Text::new(12.0).align(Align::Centre).colour(ink))
    }

    fn draw_names<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        let (frame, cell) = (self.frame(), self.cell());
        let text = Text::new(self.name_size());
        for (class, name) in self.shown_names().iter().enumerate() {
            let middle = cell * (class as f64 + 0.5);
            canvas.text(name, (frame.left - GAP, frame.top + middle), text.align(Align::End))?;
            let below = (frame.left + middle, frame.bottom + GAP);
            if self.flat_columns() {
                canvas.text(name, (below.0, below.1 + 7.0), text.align(Align::Centre))?;
            } else {
                canvas.text(name, below, text.align(Align::End).upright())?;
            }
        }
        let title = Text::new(12.0).colour(palette::MUTED).align(Align::Centre);
        canvas.text(
            "true class",
            (MARGIN + 8.0, (frame.top + frame.bottom) / 2.0),
            title.upright(),
        )?;
        let bottom = frame.bottom + self.column_height() + 18.0;
        canvas.text("predicted class", ((frame.left + frame.right) / 2.0, bottom), title)
    }

    fn column_height(&self) -> f64 {
        GAP + if self.flat_columns() { 14.0 } else { self.name_width() }
    }
}

impl Shapes for ConfusionPlot<'_> {
    fn size(&self) -> (f64, f64) {
        let frame = self.frame();
        (frame.right.max(360.0) + MARGIN, frame.bottom + self.column_height() + AXIS_TITLE + 8.0)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        let (classes, names) = (self.matrix.classes(), self.names.len());
        if classes != names || classes == 0 {
            let reason = format!("it has {classes} classes and {names} names");
            return Err(InterpretError::input("confusion matrix", reason));
        }
        self.draw_heading(canvas)?;
        self.draw_cells(canvas)?;
        self.draw_names(canvas)
    }
}
