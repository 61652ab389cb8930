//! Pictures side by side with what was predicted for them.

use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType};
use plotters_backend::DrawingBackend;

use super::drawing::private::Shapes;
use super::drawing::{
    Align, Canvas, Colour, PIXELS, Rect, Text, ellipsis, ellipsis_in_middle, encode_png, palette,
    rasterise, text_width, write_atomically,
};
use super::error::InterpretError;

/// Side of the square a picture is fitted into, in logical pixels.
const SIDE: f64 = 176.0;
const GAP: f64 = 18.0;
const MARGIN: f64 = 24.0;
const HEADING: f64 = 50.0;
const LINE: f64 = 17.0;
const CAPTION_SIZE: f64 = 12.0;
const MOST_COLUMNS: usize = 6;

/// One picture of a [`PictureGrid`] and the lines below it.
///
/// ```
/// use fastlearn::interpret::{PictureGrid, Tile};
///
/// let grey = vec![128; 32 * 24 * 3];
/// let tile = Tile::new(grey, 32, 24)?.prediction("cat", 0.93).truth("dog").file("dogs/0042.jpg");
/// let png = PictureGrid::new("Most incorrect", vec![tile]).to_png()?;
/// assert_eq!(&png[1..4], b"PNG");
/// # Ok::<(), fastlearn::interpret::InterpretError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tile {
    picture: RgbImage,
    predicted: Option<(String, f32)>,
    truth: Option<String>,
    file: Option<String>,
    caption: Option<String>,
}

impl Tile {
    /// A picture of `width` by `height` RGB8 pixels, row-major.
    ///
    /// # Errors
    /// [`InterpretError::Input`] when the pixels do not fit the size, or there are none.
    pub fn new(pixels: Vec<u8>, width: u32, height: u32) -> Result<Self, InterpretError> {
        let bytes = pixels.len();
        let fits =
            width > 0 && height > 0 && u64::from(width) * u64::from(height) * 3 == bytes as u64;
        let picture = if fits { RgbImage::from_raw(width, height, pixels) } else { None };
        let wrong = || {
            InterpretError::input(
                "picture grid",
                format!("{bytes} bytes are not {width} by {height} RGB pixels"),
            )
        };
        let picture = picture.ok_or_else(wrong)?;
        Ok(Self { picture, predicted: None, truth: None, file: None, caption: None })
    }

    /// The predicted class and its probability, the first line.
    pub fn prediction(mut self, class: impl Into<String>, probability: f32) -> Self {
        self.predicted = Some((class.into(), probability));
        self
    }

    /// The true class, the second line; the prediction turns green or red by it.
    pub fn truth(mut self, class: impl Into<String>) -> Self {
        self.truth = Some(class.into());
        self
    }

    /// The file's name, the last line.
    pub fn file(mut self, name: impl Into<String>) -> Self {
        self.file = Some(name.into());
        self
    }

    /// A line of another kind, below prediction and truth.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    fn colour(&self) -> Colour {
        match (&self.predicted, &self.truth) {
            (Some((predicted, _)), Some(truth)) if predicted == truth => palette::GREEN,
            (Some(_), Some(_)) => palette::RED,
            _ => palette::INK,
        }
    }

    fn lines(&self) -> Vec<(String, Text)> {
        let text = Text::new(CAPTION_SIZE).align(Align::Centre);
        let muted = Text::new(CAPTION_SIZE - 1.0).colour(palette::MUTED).align(Align::Centre);
        let mut lines = Vec::new();
        if let Some((class, probability)) = &self.predicted {
            let percent = format!("  {:.1} %", probability * 100.0);
            let room = SIDE - text_width(&percent, CAPTION_SIZE, true);
            let class = ellipsis(class, CAPTION_SIZE, true, room);
            lines.push((class + &percent, text.bold().colour(self.colour())));
        }
        if let Some(truth) = &self.truth {
            lines.push((ellipsis(&format!("true: {truth}"), CAPTION_SIZE, false, SIDE), text));
        }
        if let Some(caption) = &self.caption {
            lines.push((ellipsis(caption, CAPTION_SIZE, false, SIDE), text));
        }
        if let Some(file) = &self.file {
            lines.push((ellipsis_in_middle(file, CAPTION_SIZE - 1.0, false, SIDE), muted));
        }
        lines
    }
}

/// Pictures in rows under a heading.
#[derive(Clone, Debug)]
pub struct PictureGrid {
    title: String,
    tiles: Vec<Tile>,
    columns: usize,
}

impl PictureGrid {
    /// A grid about as wide as high, at most six pictures wide.
    pub fn new(title: impl Into<String>, tiles: Vec<Tile>) -> Self {
        let columns = ((tiles.len() as f64).sqrt().ceil() as usize)
            .clamp(4.min(tiles.len()).max(1), MOST_COLUMNS);
        Self { title: title.into(), tiles, columns }
    }

    /// Sets the number of pictures in a row.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns.max(1);
        self
    }

    /// The grid as a PNG file, two pixels to a nominal one.
    ///
    /// # Errors
    /// [`InterpretError::Input`] for a grid without pictures.
    pub fn to_png(&self) -> Result<Vec<u8>, InterpretError> {
        if self.tiles.is_empty() {
            return Err(InterpretError::input("picture grid", "it has no pictures"));
        }
        let (pixels, width, height) = rasterise(&Frame(self))?;
        let failed =
            || InterpretError::Draw { reason: format!("no picture of {width} by {height} pixels") };
        let mut sheet = RgbImage::from_raw(width, height, pixels).ok_or_else(failed)?;
        for (index, tile) in self.tiles.iter().enumerate() {
            let picture = fitted(&tile.picture);
            let (left, top) = self.corner(index);
            let offset = |side: u32| (SIDE * f64::from(PIXELS) - f64::from(side)) / 2.0;
            let x = left * f64::from(PIXELS) + offset(picture.width());
            let y = top * f64::from(PIXELS) + offset(picture.height());
            imageops::replace(&mut sheet, &picture, x.round() as i64, y.round() as i64);
        }
        encode_png(&sheet, width, height)
    }

    /// Writes the grid to a `.png` file; an existing file is replaced whole or not at all.
    ///
    /// # Errors
    /// [`InterpretError`] naming the path when it does not end in `.png` or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), InterpretError> {
        if path.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("png")) {
            return Err(InterpretError::GridFormat { path: path.to_owned() });
        }
        write_atomically(path, &self.to_png()?)
    }

    fn line_count(&self) -> usize {
        self.tiles.iter().map(|tile| tile.lines().len()).max().unwrap_or(0)
    }

    fn tile_height(&self) -> f64 {
        SIDE + 6.0 + LINE * self.line_count() as f64
    }

    /// Upper left corner of a picture's square.
    fn corner(&self, index: usize) -> (f64, f64) {
        let (row, column) = (index / self.columns, index % self.columns);
        (MARGIN + (SIDE + GAP) * column as f64, HEADING + (self.tile_height() + GAP) * row as f64)
    }
}

/// All of a grid but the pictures themselves.
struct Frame<'a>(&'a PictureGrid);

impl Shapes for Frame<'_> {
    fn size(&self) -> (f64, f64) {
        let (columns, rows) = (self.0.columns, self.0.tiles.len().div_ceil(self.0.columns));
        let width = 2.0 * MARGIN + (SIDE + GAP) * columns as f64 - GAP;
        (width, HEADING + (self.0.tile_height() + GAP) * rows as f64 - GAP + MARGIN)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<B>) -> Result<(), InterpretError> {
        let room = self.size().0 - 2.0 * MARGIN;
        let title = ellipsis(&self.0.title, 17.0, true, room);
        canvas.text(&title, (MARGIN, 25.0), Text::new(17.0).bold())?;
        for (index, tile) in self.0.tiles.iter().enumerate() {
            let (left, top) = self.0.corner(index);
            let square = Rect { left, top, right: left + SIDE, bottom: top + SIDE };
            canvas.fill(square, palette::EMPTY)?;
            for (line, (text, style)) in tile.lines().iter().enumerate() {
                let y = square.bottom + 6.0 + LINE * (line as f64 + 0.5);
                canvas.text(text, (left + SIDE / 2.0, y), *style)?;
            }
        }
        Ok(())
    }
}

/// The picture as large as its square allows.
fn fitted(picture: &RgbImage) -> RgbImage {
    let side = SIDE * f64::from(PIXELS);
    let scale = side / f64::from(picture.width().max(picture.height()));
    let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    imageops::resize(
        picture,
        scaled(picture.width()),
        scaled(picture.height()),
        FilterType::CatmullRom,
    )
}
