//! From shapes to files: a canvas in logical pixels, rendered as PNG or SVG and written in one go.
//!
//! What the shapes mean is the business of `plots` and `grid`.

mod canvas;
mod font;
mod output;
mod raster;
mod style;

pub(super) use canvas::{Align, Canvas, Rect, Text};
pub(super) use font::{ellipsis, ellipsis_in_middle, text_width};
pub(super) use output::{encode_png, write_atomically};
pub(super) use style::{Colour, palette};

use std::path::Path;

use plotters_backend::DrawingBackend;
use plotters_svg::SVGBackend;
use raster::Raster;

use super::error::InterpretError;

/// Picture pixels to a logical pixel: pictures are twice as fine as their nominal size, for dense screens.
pub(super) const PIXELS: u32 = 2;
/// Units of a drawing backend's whole-numbered coordinates to a picture pixel, so that curves come out smooth.
const UNITS: u32 = 4;

/// Something that can be drawn on a canvas of a size of its own choice.
///
/// ```no_run
/// use fastlearn::interpret::{Drawing, SchedulePlot};
/// use fastlearn::schedule::Cycles;
///
/// let plot = SchedulePlot::new(Cycles::new(3).multiplier(2), 360, 0.01);
/// plot.save("schedule.svg".as_ref())?;
/// let bytes = plot.to_png()?; // for a report
/// # Ok::<(), fastlearn::interpret::InterpretError>(())
/// ```
pub trait Drawing: private::Shapes {
    /// The drawing as a PNG file, twice the nominal size in each direction.
    ///
    /// # Errors
    /// [`InterpretError::Input`] when the numbers to draw do not fit together.
    fn to_png(&self) -> Result<Vec<u8>, InterpretError> {
        let (pixels, width, height) = rasterise(self)?;
        encode_png(&pixels, width, height)
    }

    /// The drawing as an SVG file of its nominal size. Texts name the embedded font first and fall back to the viewer's.
    ///
    /// # Errors
    /// [`InterpretError::Input`] when the numbers to draw do not fit together.
    fn to_svg(&self) -> Result<String, InterpretError> {
        let (width, height) = pixels(self.size());
        let mut svg = String::new();
        let size = (width * UNITS, height * UNITS);
        let mut canvas = Canvas::new(SVGBackend::with_string(&mut svg, size));
        let (right, bottom) = (f64::from(width / PIXELS), f64::from(height / PIXELS));
        let whole = Rect { left: 0.0, top: 0.0, right, bottom };
        canvas.fill(whole, palette::PAPER)?;
        self.draw(&mut canvas)?;
        canvas.finish()?;
        drop(canvas);
        Ok(at_nominal_size(&svg, width, height))
    }

    /// Writes the drawing to `path` as its ending, `.png` or `.svg`, says; an existing file is replaced whole or not at all.
    ///
    /// # Errors
    /// [`InterpretError`] naming the path when the ending is another or the file cannot be written.
    fn save(&self, path: &Path) -> Result<(), InterpretError> {
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
        match ending.as_deref().and_then(|ending| ending.to_str()) {
            Some("png") => write_atomically(path, &self.to_png()?),
            Some("svg") => write_atomically(path, self.to_svg()?.as_bytes()),
            _ => Err(InterpretError::Format { path: path.to_owned() }),
        }
    }
}

impl<T: private::Shapes> Drawing for T {}

/// Keeps the canvas out of the public interface.
pub(super) mod private {
    use super::{Canvas, DrawingBackend, InterpretError};

    pub trait Shapes {
        /// Width and height in logical pixels.
        fn size(&self) -> (f64, f64);

        /// Puts the shapes on the canvas.
        fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError>;
    }
}

/// The shapes as RGB8 pixels, with width and height.
pub(super) fn rasterise<S: private::Shapes + ?Sized>(
    shapes: &S,
) -> Result<(Vec<u8>, u32, u32), InterpretError> {
    let (width, height) = pixels(shapes.size());
    let mut buffer = vec![255; width as usize * height as usize * 3];
    let mut canvas = Canvas::new(Raster::new(&mut buffer, width, height));
    shapes.draw(&mut canvas)?;
    canvas.finish()?;
    Ok((buffer, width, height))
}

/// Picture pixels of a size in logical pixels.
fn pixels((width, height): (f64, f64)) -> (u32, u32) {
    let fine = |length: f64| (length.ceil() as u32).max(1) * PIXELS;
    (fine(width), fine(height))
}

/// An SVG is drawn in backend units; its width and height are then stated in logical pixels.
fn at_nominal_size(svg: &str, width: u32, height: u32) -> String {
    let stated = |width: u32, height: u32| format!("width=\"{width}\" height=\"{height}\"");
    let nominal = stated(width / PIXELS, height / PIXELS);
    svg.replacen(&stated(width * UNITS, height * UNITS), &nominal, 1)
}
