//! Windows cover what they should, mirrors are exact, and nothing is sampled twice.

use super::*;
use crate::picture::Picture;
use crate::transforms::{DrawKey, Prepared, Presize, Purpose, Sampling};

const KEY: DrawKey = DrawKey { seed: 3, purpose: Purpose::TestTime, pass: 1, epoch: 0 };

fn grey(height: usize, width: usize) -> Picture {
    Picture { height, width, pixels: vec![127; height * width * 3] }
}

fn look(transforms: &Transforms, view: &View, height: usize, width: usize) -> (Prepared, Sampling) {
    let plan = transforms.viewing(view).expect("a plan");
    let prepared = plan.prepare(grey(height, width));
    let sampling = plan.sample(&prepared, &KEY, 0);
    (prepared, sampling)
}

fn window(zoom: f64, down: f64, across: f64) -> View {
    View { frame: Frame::Window { zoom, down, across }, ..View::PLAIN }
}

/// Where the corners of the `size` by `size` result lie in the prepared picture: left, top, right,
/// bottom.
fn seen(sampling: &Sampling, size: f32) -> [f32; 4] {
    let [a, b, c, d, e, f] = sampling.geometry;
    [c, f, a * size + b * size + c, d * size + e * size + f]
}

#[test]
fn windows_reach_both_ends_of_the_long_side() {
    let transforms = Transforms::side_on(32).pad(4);
    for (height, width) in [(64, 200), (200, 64), (50, 50)] {
        let [start, middle, end] =
            [0.0, 0.5, 1.0].map(|f| look(&transforms, &window(1.0, f, f), height, width));
        let (rows, columns) = (start.0.picture.height as f32, start.0.picture.width as f32);
        assert_eq!(rows.min(columns), 32.0);
        assert_eq!(seen(&start.1, 32.0), [0.0, 0.0, 32.0, 32.0]);
        assert_eq!(seen(&end.1, 32.0), [columns - 32.0, rows - 32.0, columns, rows]);
        // The middle is what validation sees without a rim, to the pixel.
        let plain = look(&Transforms::side_on(32), &View::PLAIN, height, width);
        assert_eq!(middle.1.geometry, plain.1.geometry);
    }
}

#[test]
fn corners_of_a_zoomed_picture_are_its_corners() {
    let transforms = Transforms::side_on(40).max_zoom(1.2);
    assert_eq!(transforms.largest_zoom(), Some(1.2));
    for (down, across) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
        let view = window(1.2, down, across);
        let (prepared, sampling) = look(&transforms, &view, 100, 150);
        // Shrunk to what training shrinks to, so that the two share what is kept in memory.
        assert_eq!(
            transforms.viewing(&view).expect("a plan").presize(),
            transforms.training().expect("a plan").presize()
        );
        let [left, top, right, bottom] = seen(&sampling, 40.0);
        let (rows, columns) = (prepared.picture.height as f32, prepared.picture.width as f32);
        assert_eq!((rows, columns), (48.0, 72.0));
        assert_eq!([left, top], [across as f32 * (columns - 40.0), down as f32 * (rows - 40.0)]);
        assert_eq!([right, bottom], [left + 40.0, top + 40.0]);
    }
}

#[test]
fn a_mirrored_view_shows_the_same_the_other_way_round() {
    let transforms = Transforms::top_down(32).max_zoom(1.3);
    for frame in
        [Frame::Plain, Frame::Training, Frame::Window { zoom: 1.1, down: 1.0, across: 0.0 }]
    {
        let view = View { frame, rotation: true, ..View::PLAIN };
        let (_, straight) = look(&transforms, &view, 70, 90);
        let (_, mirrored) = look(&transforms, &View { mirrored: true, ..view }, 70, 90);
        assert_eq!(straight.colour, mirrored.colour);
        // The pixel `x` of the one is the pixel `32 - x` of the other.
        let at =
            |[a, b, c, d, e, f]: [f32; 6], x: f32, y: f32| [a * x + b * y + c, d * x + e * y + f];
        for (x, y) in [(0.5, 0.5), (31.5, 2.5), (7.5, 30.5)] {
            let (one, other) = (at(straight.geometry, x, y), at(mirrored.geometry, 32.0 - x, y));
            assert!(one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-4), "{one:?} {other:?}");
        }
    }
}

#[test]
fn light_and_angle_are_drawn_by_pass() {
    let transforms = Transforms::none(32).pad(2);
    let view = View { lighting: true, rotation: true, ..window(1.0, 0.0, 0.0) };
    let plan = transforms.viewing(&view).expect("a plan");
    let prepared = plan.prepare(grey(64, 96));
    let draw = |pass| plan.sample(&prepared, &DrawKey { pass, ..KEY }, 0);
    let draws: Vec<Sampling> = (0..8).map(draw).collect();
    assert!(draws.iter().skip(1).any(|other| other.geometry != draws[0].geometry));
    assert!(draws.iter().skip(1).all(|other| other.colour != draws[0].colour));
    assert_eq!(draws[1], draw(1));
}

#[test]
fn plain_views_are_validation() {
    assert!(View { pass: 7, ..View::PLAIN }.is_plain());
    assert!(!View { mirrored: true, ..View::PLAIN }.is_plain());
    let squashing = Transforms::none(32).crop(Crop::Squash);
    assert_eq!(squashing.viewing(&View::PLAIN).expect("a plan").presize(), Presize::Square(32));
    let error = squashing.viewing(&window(1.0, 0.0, 0.0)).expect_err("squashed");
    assert!(error.to_string().contains("seen whole"), "{error}");
}
