//! The canvas's matrices against the same steps done on whole pixels, and against OpenCV's
//! conventions.

use super::*;

/// A picture as a function of integer row and column, and the plain pixel operations on it.
type Pixels = Vec<Vec<i32>>;

fn numbered(height: usize, width: usize) -> Pixels {
    (0..height).map(|y| (0..width).map(|x| (y * 100 + x) as i32).collect()).collect()
}

fn flipped(pixels: &Pixels) -> Pixels {
    pixels.iter().map(|row| row.iter().rev().copied().collect()).collect()
}

/// First column read downward from the right: counter-clockwise.
fn turned(pixels: &Pixels) -> Pixels {
    let width = pixels[0].len();
    (0..width).map(|x| pixels.iter().map(|row| row[width - 1 - x]).collect()).collect()
}

fn cropped(pixels: &Pixels, top: usize, left: usize, height: usize, width: usize) -> Pixels {
    (top..top + height).map(|y| pixels[y][left..left + width].to_vec()).collect()
}

fn padded(pixels: &Pixels, rim: usize) -> Pixels {
    let (height, width) = (pixels.len() as isize, pixels[0].len() as isize);
    let rim = rim as isize;
    (-rim..height + rim)
        .map(|y| {
            (-rim..width + rim)
                .map(|x| match (0..height).contains(&y) && (0..width).contains(&x) {
                    true => pixels[y as usize][x as usize],
                    false => -1,
                })
                .collect()
        })
        .collect()
}

/// Looks every canvas pixel's centre up in the source; -1 outside.
fn shown(canvas: &Canvas, source: &Pixels) -> Pixels {
    let at = |x: f64, y: f64| {
        assert!((x - x.floor() - 0.5).abs() < 1e-9 && (y - y.floor() - 0.5).abs() < 1e-9);
        let inside = x > 0.0 && y > 0.0 && x < source[0].len() as f64 && y < source.len() as f64;
        if inside { source[y as usize][x as usize] } else { -1 }
    };
    (0..canvas.height())
        .map(|y| {
            (0..canvas.width())
                .map(|x| {
                    let (x, y) = canvas.to_source().apply(x as f64 + 0.5, y as f64 + 0.5);
                    at(x, y)
                })
                .collect()
        })
        .collect()
}

#[test]
fn whole_pixel_steps_compose_like_steps_on_pixels() {
    let source = numbered(5, 8);
    let mut canvas = Canvas::showing(5, 8, 5, 8);
    let mut pixels = source.clone();
    assert_eq!(shown(&canvas, &source), pixels);
    for step in ["turn", "pad", "flip", "crop", "turn", "turn", "flip", "pad", "crop", "turn"] {
        match step {
            "turn" => (canvas.quarter_turns(1), pixels = turned(&pixels)).0,
            "flip" => (canvas.flip(), pixels = flipped(&pixels)).0,
            "pad" => (canvas.pad(2), pixels = padded(&pixels, 2)).0,
            _ => {
                let (height, width) = (pixels.len() - 2, pixels[0].len() - 3);
                canvas.window(1.0, 2.0, height, width);
                pixels = cropped(&pixels, 1, 2, height, width);
            }
        }
        assert_eq!((canvas.height(), canvas.width()), (pixels.len(), pixels[0].len()), "{step}");
        assert_eq!(shown(&canvas, &source), pixels, "{step}");
    }
}

#[test]
fn eight_symmetries_are_distinct() {
    let source = numbered(4, 4);
    let mut seen = Vec::new();
    for turns in 0..4 {
        for flip in [false, true] {
            let mut canvas = Canvas::showing(4, 4, 4, 4);
            canvas.quarter_turns(turns);
            if flip {
                canvas.flip();
            }
            seen.push(shown(&canvas, &source));
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 8);
}

/// The steps on real numbers, one by one from the crop back to the source, in OpenCV's convention
/// in which a pixel's centre is at its index.
fn step_by_step(x: f64, y: f64, degrees: f64) -> (f64, f64) {
    // Crop of the window at row 3, column 5.
    let (x, y) = (x + 5.0, y + 3.0);
    // Mirroring of a picture 40 wide.
    let x = 39.0 - x;
    // Turning 30 x 40 about (20, 15): the inverse of [a b; -b a].
    let (b, a) = degrees.to_radians().sin_cos();
    let (dx, dy) = (x - 20.0, y - 15.0);
    let (x, y) = (a * dx - b * dy + 20.0, b * dx + a * dy + 15.0);
    // Resize from 24 x 36.
    ((x + 0.5) * 36.0 / 40.0 - 0.5, (y + 0.5) * 24.0 / 30.0 - 0.5)
}

#[test]
fn resize_turn_flip_and_crop_agree_with_opencv_conventions() {
    for degrees in [-10.0, -0.3, 0.0, 7.0, 90.0] {
        let mut canvas = Canvas::showing(30, 40, 24, 36);
        canvas.rotate(degrees);
        canvas.flip();
        canvas.window(3.0, 5.0, 20, 20);
        for (x, y) in [(0.0, 0.0), (19.0, 0.0), (3.0, 17.0), (19.0, 19.0)] {
            let want = step_by_step(x, y, degrees);
            let got = canvas.to_source().apply(x + 0.5, y + 0.5);
            assert!((got.0 - 0.5 - want.0).abs() < 1e-9 && (got.1 - 0.5 - want.1).abs() < 1e-9);
        }
    }
}

#[test]
fn positive_angles_turn_counter_clockwise() {
    let source = numbered(5, 5);
    let mut canvas = Canvas::showing(5, 5, 5, 5);
    canvas.rotate(90.0);
    assert_eq!(shown(&canvas, &source), turned(&source));
}

#[test]
fn enlarging_keeps_the_middle() {
    let mut canvas = Canvas::showing(10, 20, 10, 20);
    canvas.enlarge(2.0, 4.0);
    assert_eq!(canvas.to_source().apply(10.0, 5.0), (10.0, 5.0));
    assert_eq!(canvas.to_source().apply(0.0, 0.0), (7.5, 2.5));
    canvas.resize(5, 40);
    assert_eq!(canvas.to_source().apply(40.0, 5.0), (12.5, 7.5));
}
