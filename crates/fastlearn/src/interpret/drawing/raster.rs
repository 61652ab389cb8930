//! A picture in memory as a drawing backend, with smooth lines, discs and letters.

use std::convert::Infallible;

use plotters_backend::text_anchor::HPos;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform,
};

use super::UNITS;
use super::font::CAPITAL_HEIGHT;

type Outcome = Result<(), DrawingErrorKind<Infallible>>;

/// RGB8 pixels, row-major from the top left. Coordinates are backend units, [`UNITS`] to a pixel; a pixel takes as much
/// of a shape's colour as its centre is inside, within half a pixel of the shape's edge.
pub(super) struct Raster<'a> {
    pixels: &'a mut [u8],
    width: i32,
    height: i32,
}

impl<'a> Raster<'a> {
    /// Draws on `pixels`, `width` times `height` times three bytes.
    pub fn new(pixels: &'a mut [u8], width: u32, height: u32) -> Self {
        debug_assert_eq!(pixels.len(), width as usize * height as usize * 3);
        Self { pixels, width: width as i32, height: height as i32 }
    }

    fn blend(&mut self, x: i32, y: i32, colour: BackendColor, coverage: f64) {
        if x < 0 || y < 0 || x >= self.width || y >= self.height {
            return;
        }
        let start = (y as usize * self.width as usize + x as usize) * 3;
        let opacity = (colour.alpha * coverage).clamp(0.0, 1.0);
        let (red, green, blue) = colour.rgb;
        for (old, new) in self.pixels[start..start + 3].iter_mut().zip([red, green, blue]) {
            *old = (f64::from(*old) + (f64::from(new) - f64::from(*old)) * opacity).round() as u8;
        }
    }

    /// The pixels within `margin` of some points, as far as they exist.
    fn around(&self, points: &[Point], margin: f64) -> Bounds {
        let low = |values: f64, size: i32| ((values - margin).floor() as i32).clamp(0, size);
        let high = |values: f64, size: i32| ((values + margin).ceil() as i32).clamp(0, size);
        let fold = |pick: fn(&Point) -> f64, start: f64, choose: fn(f64, f64) -> f64| {
            points.iter().map(pick).fold(start, choose)
        };
        Bounds {
            left: low(fold(|point| point.0, f64::INFINITY, f64::min), self.width),
            top: low(fold(|point| point.1, f64::INFINITY, f64::min), self.height),
            right: high(fold(|point| point.0, f64::NEG_INFINITY, f64::max), self.width),
            bottom: high(fold(|point| point.1, f64::NEG_INFINITY, f64::max), self.height),
        }
    }
}

/// A position in pixels.
type Point = (f64, f64);

fn point((x, y): BackendCoord) -> Point {
    (f64::from(x) / f64::from(UNITS), f64::from(y) / f64::from(UNITS))
}

/// Pixels from `left` and `top` up to, but without, `right` and `bottom`.
#[derive(Clone, Copy)]
struct Bounds {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

impl Bounds {
    fn columns(&self) -> usize {
        (self.right - self.left).max(0) as usize
    }

    fn rows(&self) -> usize {
        (self.bottom - self.top).max(0) as usize
    }

    /// Every pixel with its centre.
    fn pixels(self) -> impl Iterator<Item = (i32, i32, Point)> {
        (self.top..self.bottom).flat_map(move |y| {
            let centre = f64::from(y) + 0.5;
            (self.left..self.right).map(move |x| (x, y, (f64::from(x) + 0.5, centre)))
        })
    }
}

fn distance_to_segment((x, y): Point, from: Point, to: Point) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (px, py) = (x - from.0, y - from.1);
    let length2 = dx * dx + dy * dy;
    let along = if length2 > 0.0 { ((px * dx + py * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (px - along * dx).hypot(py - along * dy)
}

/// How much of a pixel is covered whose centre is `distance` outside (negative: inside) a shape's edge.
fn coverage(distance: f64) -> f64 {
    (0.5 - distance).clamp(0.0, 1.0)
}

impl DrawingBackend for Raster<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.width as u32 * UNITS, self.height as u32 * UNITS)
    }

    fn ensure_prepared(&mut self) -> Outcome {
        Ok(())
    }

    fn present(&mut self) -> Outcome {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, colour: BackendColor) -> Outcome {
        let (x, y) = point(at);
        self.blend(x.floor() as i32, y.floor() as i32, colour, 1.0);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Outcome {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Outcome {
        if !fill {
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
            return self.draw_path(corners, style);
        }
        let (low, high) = (point((left, top)), point((right, bottom)));
        for (x, y, (cx, cy)) in self.around(&[low, high], 0.0).pixels() {
            let part = |centre: f64, low: f64, high: f64| {
                ((centre + 0.5).min(high) - (centre - 0.5).max(low)).clamp(0.0, 1.0)
            };
            let covered = part(cx, low.0, high.0) * part(cy, low.1, high.1);
            self.blend(x, y, style.color(), covered);
        }
        Ok(())
    }

    /// Each pixel takes the nearest segment only, so that joints of a translucent path are not painted twice.
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Outcome {
        let points: Vec<_> = path.into_iter().map(point).collect();
        let half = f64::from(style.stroke_width()) / f64::from(UNITS) / 2.0;
        let bounds = self.around(&points, half + 1.0);
        let mut covered = vec![0.0_f32; bounds.columns() * bounds.rows()];
        let index = |x: i32, y: i32| {
            (y - bounds.top) as usize * bounds.columns() + (x - bounds.left) as usize
        };
        for segment in points.windows(2) {
            for (x, y, centre) in self.around(segment, half + 1.0).pixels() {
                let covers = coverage(distance_to_segment(centre, segment[0], segment[1]) - half);
                let most = &mut covered[index(x, y)];
                *most = most.max(covers as f32);
            }
        }
        for (x, y, _) in bounds.pixels() {
            let covered = covered[index(x, y)];
            if covered > 0.0 {
                self.blend(x, y, style.color(), f64::from(covered));
            }
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        centre: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Outcome {
        let (middle, radius) = (point(centre), f64::from(radius) / f64::from(UNITS));
        let half = f64::from(style.stroke_width()) / f64::from(UNITS) / 2.0;
        for (x, y, (cx, cy)) in self.around(&[middle], radius + half + 1.0).pixels() {
            let from_edge = (cx - middle.0).hypot(cy - middle.1) - radius;
            let distance = if fill { from_edge } else { from_edge.abs() - half };
            self.blend(x, y, style.color(), coverage(distance));
        }
        Ok(())
    }

    /// Centres capital letters on the position's height, whatever the text, so that neighbouring texts stay level.
    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        at: BackendCoord,
    ) -> Outcome {
        let ((left, top), (right, bottom)) =
            style.layout_box(text).map_err(|error| DrawingErrorKind::FontError(Box::new(error)))?;
        let start = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -(right - left) / 2,
            HPos::Right => left - right,
        };
        let baseline = (f64::from(bottom - top) * CAPITAL_HEIGHT / 2.0).round() as i32;
        let (x, y) = point(at);
        let (x, y) = (x.round() as i32, y.round() as i32);
        let transform = style.transform();
        let drawn = style.draw(text, (start, baseline), |dx, dy, colour| {
            let (dx, dy) = match transform {
                FontTransform::None => (dx, dy),
                ref turned => turned.transform(dx, dy),
            };
            self.blend(x + dx, y + dy, colour, 1.0);
            Ok(())
        });
        drawn.map_err(|error| DrawingErrorKind::FontError(Box::new(error)))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Width in pixels, opacity.
    struct Stroke(u32, f64);

    impl BackendStyle for Stroke {
        fn color(&self) -> BackendColor {
            BackendColor { alpha: self.1, rgb: (0, 0, 0) }
        }

        fn stroke_width(&self) -> u32 {
            self.0 * UNITS
        }
    }

    fn at(x: i32, y: i32) -> BackendCoord {
        (x * UNITS as i32, y * UNITS as i32)
    }

    fn darkness(pixels: &[u8]) -> f64 {
        pixels.iter().map(|&value| (255.0 - f64::from(value)) / 255.0).sum::<f64>() / 3.0
    }

    fn drawn(draw: impl FnOnce(&mut Raster) -> Outcome) -> Vec<u8> {
        let mut pixels = vec![255; 40 * 30 * 3];
        draw(&mut Raster::new(&mut pixels, 40, 30)).expect("in memory");
        pixels
    }

    #[test]
    fn shapes_have_their_area() {
        let rect = drawn(|raster| raster.draw_rect(at(5, 5), at(15, 9), &Stroke(1, 1.0), true));
        assert_eq!(darkness(&rect), 40.0);
        let disc = drawn(|raster| raster.draw_circle(at(20, 15), 8 * UNITS, &Stroke(1, 1.0), true));
        assert!((darkness(&disc) / (std::f64::consts::PI * 64.0) - 1.0).abs() < 0.01);
        let slanted = drawn(|raster| raster.draw_path([at(5, 5), at(35, 25)], &Stroke(3, 1.0)));
        let expected = 3.0 * 30.0_f64.hypot(20.0) + std::f64::consts::PI * 1.5 * 1.5;
        assert!((darkness(&slanted) / expected - 1.0).abs() < 0.03);
    }

    #[test]
    fn horizontal_lines_of_even_width_are_sharp() {
        let pixels = drawn(|raster| raster.draw_path([at(5, 10), at(25, 10)], &Stroke(2, 1.0)));
        let value = |y: usize| pixels[(y * 40 + 15) * 3];
        assert_eq!([value(8), value(9), value(10), value(11)], [255, 0, 0, 255]);
    }

    #[test]
    fn translucent_paths_cover_their_joints_once() {
        let corners = [at(5, 5), at(20, 5), at(20, 25), at(5, 5)];
        let pixels = drawn(|raster| raster.draw_path(corners, &Stroke(4, 0.5)));
        assert_eq!(pixels.iter().min(), Some(&128));
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let pixels = drawn(|raster| {
            raster.draw_rect(at(-9, -9), at(99, 2), &Stroke(1, 1.0), true)?;
            raster.draw_circle(at(80, 80), 10 * UNITS, &Stroke(1, 1.0), true)
        });
        assert_eq!(darkness(&pixels), 80.0);
    }
}
