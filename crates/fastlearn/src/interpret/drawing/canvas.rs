//! Shapes in logical pixels on any drawing backend.

use std::convert::Infallible;

use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontFamily, FontStyle, FontTransform,
};

use super::super::error::InterpretError;
use super::font::{self, FAMILY};
use super::{Colour, FINENESS, palette};

/// The SVG backend divides a text's size by this to get the font size.
const BACKEND_TEXT_SIZE: f64 = 1.24;

/// A rectangle in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

/// Which part of a text its position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Start,
    Centre,
    End,
}

/// How a line of text looks. Its position is the middle of its height.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Font size in logical pixels.
    pub size: f64,
    pub colour: Colour,
    pub bold: bool,
    pub align: Align,
    /// Reads from bottom to top.
    pub upright: bool,
}

impl Text {
    pub fn new(size: f64) -> Self {
        Self {
            size,
            colour: palette::INK,
            bold: false,
            align: Align::Start,
            upright: false,
        }
    }

    pub fn colour(mut self, colour: Colour) -> Self {
        self.colour = colour;
        self
    }

    pub fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    pub fn align(mut self, align: Align) -> Self {
        self.align = align;
        self
    }

    pub fn upright(mut self) -> Self {
        self.upright = true;
        self
    }
}

/// Draws shapes given in logical pixels.
pub struct Canvas<B: DrawingBackend> {
    backend: B,
}

impl<B: DrawingBackend> Canvas<B> {
    pub(super) fn new(backend: B) -> Self {
        Self { backend }
    }

    /// Completes the drawing; an SVG gets its closing tags.
    pub(super) fn finish(&mut self) -> Result<(), InterpretError> {
        self.backend.present().map_err(failed)
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, rect: Rect, colour: Colour) -> Result<(), InterpretError> {
        let (from, to) = (fine(rect.left, rect.top), fine(rect.right, rect.bottom));
        self.backend
            .draw_rect(from, to, &colour.backend(), true)
            .map_err(failed)
    }

    /// Draws the edges of a rectangle, `width` logical pixels wide.
    pub fn outline(
        &mut self,
        rect: Rect,
        colour: Colour,
        width: f64,
    ) -> Result<(), InterpretError> {
        let Rect {
            left,
            top,
            right,
            bottom,
        } = rect;
        self.path(
            &[
                (left, top),
                (right, top),
                (right, bottom),
                (left, bottom),
                (left, top),
            ],
            colour,
            width,
        )
    }

    /// Joins points by straight lines, `width` logical pixels wide.
    pub fn path(
        &mut self,
        points: &[(f64, f64)],
        colour: Colour,
        width: f64,
    ) -> Result<(), InterpretError> {
        let stroke = Stroke {
            colour,
            width: (width * f64::from(FINENESS)).round().max(1.0) as u32,
        };
        let mut points: Vec<_> = points.iter().map(|&(x, y)| fine(x, y)).collect();
        points.dedup();
        self.backend.draw_path(points, &stroke).map_err(failed)
    }

    /// A straight line of dashes.
    pub fn dashes(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        colour: Colour,
        width: f64,
    ) -> Result<(), InterpretError> {
        const DASH: f64 = 4.0;
        const GAP: f64 = 3.0;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let at = |along: f64| (from.0 + dx * along / length, from.1 + dy * along / length);
        let mut along = 0.0;
        while along < length {
            self.path(&[at(along), at((along + DASH).min(length))], colour, width)?;
            along += DASH + GAP;
        }
        Ok(())
    }

    /// Fills a circle.
    pub fn disc(
        &mut self,
        centre: (f64, f64),
        radius: f64,
        colour: Colour,
    ) -> Result<(), InterpretError> {
        let radius = (radius * f64::from(FINENESS)).round() as u32;
        self.backend
            .draw_circle(fine(centre.0, centre.1), radius, &colour.backend(), true)
            .map_err(failed)
    }

    /// Writes a line of text at a position: the start, centre or end of the text, in the middle of its height.
    pub fn text(&mut self, text: &str, at: (f64, f64), style: Text) -> Result<(), InterpretError> {
        // Control characters have no place in an SVG, nor a glyph.
        let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
        self.backend
            .draw_text(&text, &style, fine(at.0, at.1))
            .map_err(failed)
    }
}

fn fine(x: f64, y: f64) -> BackendCoord {
    let scaled = |length: f64| (length * f64::from(FINENESS)).round() as i32;
    (scaled(x), scaled(y))
}

fn failed<E: std::error::Error + Send + Sync>(error: DrawingErrorKind<E>) -> InterpretError {
    InterpretError::Draw {
        reason: error.to_string(),
    }
}

struct Stroke {
    colour: Colour,
    width: u32,
}

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        self.colour.backend()
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

impl BackendTextStyle for Text {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        self.colour.backend()
    }

    fn size(&self) -> f64 {
        self.size * f64::from(FINENESS) * BACKEND_TEXT_SIZE
    }

    fn transform(&self) -> FontTransform {
        if self.upright {
            FontTransform::Rotate270
        } else {
            FontTransform::None
        }
    }

    fn style(&self) -> FontStyle {
        if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        }
    }

    fn anchor(&self) -> Pos {
        let horizontal = match self.align {
            Align::Start => HPos::Left,
            Align::Centre => HPos::Center,
            Align::End => HPos::Right,
        };
        Pos::new(horizontal, VPos::Center)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FAMILY)
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        let size = self.size() / BACKEND_TEXT_SIZE;
        Ok((
            (0, 0),
            (
                font::text_width(text, size, self.bold).ceil() as i32,
                size.ceil() as i32,
            ),
        ))
    }

    fn draw<E, DrawFunc: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, baseline): BackendCoord,
        mut draw: DrawFunc,
    ) -> Result<Result<(), E>, Infallible> {
        let colour = self.color();
        for glyph in font::outlines(text, self.size() / BACKEND_TEXT_SIZE, self.bold) {
            let bounds = glyph.px_bounds();
            let (x0, y0) = (left + bounds.min.x as i32, baseline + bounds.min.y as i32);
            let mut result = Ok(());
            glyph.draw(|x, y, coverage| {
                if result.is_ok() && coverage > 0.0 {
                    result = draw(
                        x0 + x as i32,
                        y0 + y as i32,
                        colour.mix(f64::from(coverage)),
                    );
                }
            });
            if result.is_err() {
                return Ok(result);
            }
        }
        Ok(Ok(()))
    }
}
