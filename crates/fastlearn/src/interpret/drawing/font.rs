//! The embedded font: measuring texts and their outlines. No font of the machine is ever used.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, OutlinedGlyph, PxScale, ScaleFont, point};

/// What an SVG asks its viewer for.
pub(super) const FAMILY: &str = "Roboto, Helvetica, Arial, sans-serif";
/// Height of a capital letter over the font size.
pub(super) const CAPITAL_HEIGHT: f64 = 0.711;

static REGULAR: LazyLock<FontRef<'static>> =
    LazyLock::new(|| embedded(include_bytes!("../../../assets/Roboto-Regular.ttf")));
static BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| embedded(include_bytes!("../../../assets/Roboto-Bold.ttf")));

fn embedded(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font is a valid TrueType file")
}

fn face(bold: bool) -> &'static FontRef<'static> {
    if bold { &BOLD } else { &REGULAR }
}

/// Places the glyphs of a line of text: calls `place` with each glyph and its distance from the start in pixels,
/// and returns the whole width.
fn lay_out(text: &str, size: f64, bold: bool, mut place: impl FnMut(GlyphId, f32)) -> f64 {
    let font = face(bold).as_scaled(scale(size, bold));
    let mut x = 0.0;
    let mut before = None;
    for letter in text.chars() {
        let glyph = font.glyph_id(letter);
        x += before.map_or(0.0, |before| font.kern(before, glyph));
        place(glyph, x);
        x += font.h_advance(glyph);
        before = Some(glyph);
    }
    f64::from(x)
}

/// A scale counts from the lowest to the highest point of the font, a font size from line to line.
fn scale(size: f64, bold: bool) -> PxScale {
    let font = face(bold);
    let units = font.units_per_em().unwrap_or(font.height_unscaled());
    PxScale::from(size as f32 * font.height_unscaled() / units)
}

/// Width of a line of text in pixels at a font size in pixels.
pub fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    lay_out(text, size, bold, |_, _| {})
}

/// The outlines of a line of text whose baseline starts at (0, 0).
pub(super) fn outlines(text: &str, size: f64, bold: bool) -> Vec<OutlinedGlyph> {
    let mut glyphs = Vec::new();
    lay_out(text, size, bold, |glyph, x| {
        let placed = glyph.with_scale_and_position(scale(size, bold), point(x, 0.0));
        glyphs.extend(face(bold).outline_glyph(placed));
    });
    glyphs
}

/// `text`, or as much of its beginning as fits into `width` pixels and an ellipsis.
pub fn ellipsis(text: &str, size: f64, bold: bool, width: f64) -> String {
    shortened(text, size, bold, width, |letters, kept| {
        letters[..kept].iter().chain(&['…']).collect()
    })
}

/// `text`, or as much of its beginning and end as fits into `width` pixels: file names differ at both.
pub fn ellipsis_in_middle(text: &str, size: f64, bold: bool, width: f64) -> String {
    shortened(text, size, bold, width, |letters, kept| {
        let end = kept / 2;
        letters[..kept - end].iter().chain(&['…']).chain(&letters[letters.len() - end..]).collect()
    })
}

fn shortened(
    text: &str,
    size: f64,
    bold: bool,
    width: f64,
    keep: impl Fn(&[char], usize) -> String,
) -> String {
    if text_width(text, size, bold) <= width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    (1..letters.len())
        .rev()
        .map(|kept| keep(&letters, kept))
        .find(|short| text_width(short, size, bold) <= width)
        .unwrap_or_else(|| "…".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_the_fonts() {
        // Roboto's "A" advances 1336 of 2048 units, its space 508.
        assert!((text_width("A", 2048.0, false) - 1336.0).abs() < 1.0);
        assert!((text_width("  ", 2048.0, false) - 1016.0).abs() < 1.0);
        assert!(text_width("Rate", 12.0, true) > text_width("Rate", 12.0, false));
        assert_eq!(text_width("", 12.0, false), 0.0);
    }

    #[test]
    fn long_texts_are_shortened_to_fit() {
        let name = "a_rather_long_file_name_of_a_picture_0001.jpeg";
        for width in [20.0, 60.0, 120.0] {
            for short in
                [ellipsis(name, 11.0, false, width), ellipsis_in_middle(name, 11.0, false, width)]
            {
                assert!(short.contains('…') && text_width(&short, 11.0, false) <= width, "{short}");
            }
        }
        assert!(ellipsis_in_middle(name, 11.0, false, 120.0).ends_with("jpeg"));
        assert_eq!(ellipsis(name, 11.0, false, 1000.0), name);
    }
}
