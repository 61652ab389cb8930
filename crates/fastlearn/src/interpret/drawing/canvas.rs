//! Shapes in logical pixels on any drawing backend.

use std::convert::Infallible;

use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontFamily, FontStyle, FontTransform,
};

use super::super::error::InterpretError;
use super::font::{self, FAMILY};
use super::{Colour, PIXELS, UNITS, palette};

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
        Self { size, colour: palette::INK, bold: false, align: Align::Start, upright: false }
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

    /// Fills a rectangle, its edges moved to whole pixels.
    pub fn fill(&mut self, rect: Rect, colour: Colour) -> Result<(), InterpretError> {
        let (from, to) = (pixel(rect.left, rect.top), pixel(rect.right, rect.bottom));
        self.backend.draw_rect(from, to, &colour.backend(), true).map_err(failed)
    }

    /// A sharp line along a row or column of pixels, `width` logical pixels wide.
    pub fn rule(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        colour: Colour,
        width: f64,
    ) -> Result<(), InterpretError> {
        let thick = (width * f64::from(PIXELS)).round().max(1.0) as i32;
        let (before, after) = (thick / 2, thick - thick / 2);
        let moved = |(x, y): BackendCoord, by: i32| (x + by * UNITS as i32, y + by * UNITS as i32);
        let (from, to) = (moved(pixel(from.0, from.1), -before), moved(pixel(to.0, to.1), after));
        self.backend.draw_rect(from, to, &colour.backend(), true).map_err(failed)
    }

    /// Draws the edges of a rectangle, `width` logical pixels wide.
    pub fn outline(
        &mut self,
        rect: Rect,
        colour: Colour,
        width: f64,
    ) -> Result<(), InterpretError> {
        let Rect { left, top, right, bottom } = rect;
        self.rule((left, top), (right, top), colour, width)?;
        self.rule((left, bottom), (right, bottom), colour, width)?;
        self.rule((left, top), (left, bottom), colour, width)?;
        self.rule((right, top), (right, bottom), colour, width)
    }

    /// Joins points by straight lines, `width` logical pixels wide.
    pub fn path(
        &mut self,
        points: &[(f64, f64)],
        colour: Colour,
        width: f64,
    ) -> Result<(), InterpretError> {
        let stroke = Stroke { colour, width: units(width).max(1) as u32 };
        let mut points: Vec<_> = points.iter().map(|&(x, y)| (units(x), units(y))).collect();
        points.dedup();
        self.backend.draw_path(points, &stroke).map_err(failed)
    }

    /// Dashes straight down from a point to a height.
    pub fn dashes(
        &mut self,
        (x, top): (f64, f64),
        bottom: f64,
        colour: Colour,
        width: f64,
    ) -> Result<(), InterpretError> {
        const DASH: f64 = 4.0;
        const GAP: f64 = 3.0;
        let mut y = top;
        while y < bottom {
            self.rule((x, y), (x, (y + DASH - width).min(bottom)), colour, width)?;
            y += DASH + GAP;
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
        let at = (units(centre.0), units(centre.1));
        let radius = units(radius).max(1) as u32;
        self.backend.draw_circle(at, radius, &colour.backend(), true).map_err(failed)
    }

    /// Writes a line of text at a position: the start, centre or end of the text, in the middle of its height.
    pub fn text(&mut self, text: &str, at: (f64, f64), style: Text) -> Result<(), InterpretError> {
        // Control characters have no place in an SVG, nor a glyph.
        let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
        if text.is_empty() {
            return Ok(());
        }
        self.backend.draw_text(&text, &style, pixel(at.0, at.1)).map_err(failed)
    }
}

/// A length in backend units.
fn units(length: f64) -> i32 {
    (length * f64::from(PIXELS * UNITS)).round() as i32
}

/// A position at the nearest corner of a pixel, in backend units.
fn pixel(x: f64, y: f64) -> BackendCoord {
    let nearest = |length: f64| (length * f64::from(PIXELS)).round() as i32 * UNITS as i32;
    (nearest(x), nearest(y))
}

fn failed<E: std::error::Error + Send + Sync>(error: DrawingErrorKind<E>) -> InterpretError {
    InterpretError::Draw { reason: error.to_string() }
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
        self.size * f64::from(PIXELS * UNITS) * BACKEND_TEXT_SIZE
    }

    fn transform(&self) -> FontTransform {
        if self.upright { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn style(&self) -> FontStyle {
        if self.bold { FontStyle::Bold } else { FontStyle::Normal }
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

    /// Width and font size in picture pixels.
    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        let size = self.size * f64::from(PIXELS);
        let width = font::text_width(text, size, self.bold);
        Ok(((0, 0), (width.ceil() as i32, size.ceil() as i32)))
    }

    /// Hands on the letters' pixels, from the start of the baseline in picture pixels.
    fn draw<E, DrawFunc: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, baseline): BackendCoord,
        mut draw: DrawFunc,
    ) -> Result<Result<(), E>, Infallible> {
        let colour = self.color();
        for glyph in font::outlines(text, self.size * f64::from(PIXELS), self.bold) {
            let bounds = glyph.px_bounds();
            let (x0, y0) = (left + bounds.min.x as i32, baseline + bounds.min.y as i32);
            let mut result = Ok(());
            glyph.draw(|x, y, coverage| {
                if result.is_ok() && coverage > 0.0 {
                    result = draw(x0 + x as i32, y0 + y as i32, colour.mix(f64::from(coverage)));
                }
            });
            if result.is_err() {
                return Ok(result);
            }
        }
        Ok(Ok(()))
    }
}
