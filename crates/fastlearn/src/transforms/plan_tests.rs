//! The way of a picture: validation exactly, training by the range and frequency of what is drawn.

use super::*;
use crate::Transforms;
use crate::transforms::{Augmentation, PadMode};

fn noise(height: usize, width: usize) -> Picture {
    let random = Philox::new(5);
    let pixels =
        (0..height * width * 3).map(|i| random.block([i as u32, 0, 0, 0])[0] as u8).collect();
    Picture { height, width, pixels }
}

fn key(epoch: u32) -> DrawKey {
    DrawKey { seed: 1, purpose: Purpose::Train, pass: 0, epoch }
}

fn sample(plan: &Plan, picture: Picture) -> (Prepared, Sampling) {
    let prepared = plan.prepare(picture);
    let sampling = plan.sample(&prepared, &key(0), 0);
    (prepared, sampling)
}

#[test]
fn validation_is_an_exact_copy_of_the_middle() {
    let plan = Transforms::side_on(224).max_zoom(1.1).validation().unwrap();
    // Height and width; after shrinking; first row and column of the middle, rounded up.
    for (from, to, start) in [
        ((300, 400), (224, 298), (0, 37)),
        ((375, 500), (224, 298), (0, 37)),
        ((500, 333), (336, 224), (56, 0)),
        ((449, 448), (224, 224), (0, 0)),
        ((1000, 453), (494, 224), (135, 0)),
        ((224, 225), (224, 225), (0, 1)),
    ] {
        let (prepared, sampling) = sample(&plan, noise(from.0, from.1));
        assert_eq!((prepared.picture.height, prepared.picture.width), to);
        let (top, left) = (start.0 as f32, start.1 as f32);
        assert_eq!(sampling.geometry, [1.0, 0.0, left, 0.0, 1.0, top], "{from:?}");
        assert_eq!(sampling.colour, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert!(sampling.picture.is_none());
    }
}

#[test]
fn small_pictures_are_enlarged_by_sampling() {
    let plan = Transforms::none(224).validation().unwrap();
    let (prepared, sampling) = sample(&plan, noise(56, 100));
    assert_eq!(prepared.picture.height, 56);
    // 224 x 400, middle from column 88.
    assert_eq!(sampling.geometry, [0.25, 0.0, 22.0, 0.0, 0.25, 0.0]);
    let (_, dot) = sample(&plan, noise(1, 1));
    assert_eq!(dot.geometry, [1.0 / 224.0, 0.0, 0.0, 0.0, 1.0 / 224.0, 0.0]);
    let (strip, sampling) = sample(&plan, noise(1, 20_000));
    assert_eq!(strip.picture.width, 20_000);
    assert!((sampling.geometry[2] - 9999.5).abs() < 0.01);
}

#[test]
fn squashing_uses_the_whole_picture() {
    let transforms = Transforms::none(100).crop(Crop::Squash);
    for plan in [transforms.training().unwrap(), transforms.validation().unwrap()] {
        let (prepared, sampling) = sample(&plan, noise(150, 300));
        assert_eq!((prepared.picture.height, prepared.picture.width), (100, 100));
        let want = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert!(sampling.geometry.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5));
        let (prepared, sampling) = sample(&plan, noise(50, 300));
        assert_eq!((prepared.picture.height, prepared.picture.width), (50, 100));
        assert!((sampling.geometry[4] - 0.5).abs() < 1e-5);
    }
}

#[test]
fn zoom_is_drawn_three_times_of_four_within_its_range() {
    let plan = Transforms::none(100).max_zoom(1.3).training().unwrap();
    let prepared = plan.prepare(noise(260, 260));
    // 1.3 * 100 is 130 exactly in f64.
    assert_eq!(prepared.picture.height, 130);
    let sides: Vec<f64> = (0..4000)
        .map(|position| 130.0 / f64::from(plan.sample(&prepared, &key(0), position).geometry[0]))
        .collect();
    let plain = sides.iter().filter(|side| (**side - 100.0).abs() < 1e-3).count() as f64 / 4000.0;
    // A thirtieth of the zoomed are rounded down to 100 too.
    assert!((plain - 0.275).abs() < 0.025, "{plain}");
    assert!(
        sides.iter().all(|side| (side - side.round()).abs() < 1e-3 && (99.9..130.1).contains(side))
    );
    assert!(sides.iter().any(|side| *side > 128.5));
}

#[test]
fn the_random_crop_stays_inside_and_moves() {
    let plan = Transforms::none(32).training().unwrap();
    let prepared = plan.prepare(noise(64, 100));
    assert_eq!((prepared.picture.height, prepared.picture.width), (32, 50));
    let mut seen = [0; 18];
    for position in 0..3600 {
        let geometry = plan.sample(&prepared, &key(0), position).geometry;
        assert_eq!(geometry[5], 0.0);
        seen[geometry[2] as usize] += 1;
    }
    assert!(seen.iter().all(|&count| (140..260).contains(&count)), "{seen:?}");
}

#[test]
fn padding_adds_a_rim_before_the_crop() {
    let transforms = Transforms::none(32).pad(4).pad_mode(PadMode::Zero);
    let plan = transforms.training().unwrap();
    let prepared = plan.prepare(noise(32, 32));
    let lefts: Vec<f32> =
        (0..500).map(|i| plan.sample(&prepared, &key(0), i).geometry[2]).collect();
    assert_eq!(lefts.iter().copied().fold(0.0, f32::min), -4.0);
    assert_eq!(lefts.iter().copied().fold(0.0, f32::max), 3.0);
    assert_eq!(plan.sample(&prepared, &key(0), 0).border, Border::Zero);
    let (_, middle) = sample(&transforms.validation().unwrap(), noise(32, 32));
    assert_eq!(middle.geometry, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn google_net_windows_have_the_area_and_aspect_they_should() {
    let plan = Transforms::none(20).crop(Crop::GoogleNet).max_zoom(1.5).training().unwrap();
    let prepared = plan.prepare(noise(200, 300));
    assert_eq!((prepared.picture.height, prepared.picture.width), (40, 60));
    let mut least = f32::INFINITY;
    for position in 0..2000 {
        let [across, _, left, _, down, top] = plan.sample(&prepared, &key(0), position).geometry;
        let (width, height) = (across * 20.0, down * 20.0);
        assert!(left >= 0.0 && top >= 0.0 && left + width <= 60.01 && top + height <= 40.01);
        // Sides are whole pixels, so the bounds give way by half a pixel a side.
        assert!((0.7..1.45).contains(&(width / height)), "{width} x {height}");
        least = least.min(width * height / 2400.0);
    }
    assert!((0.07..0.1).contains(&least), "{least}");
    let (_, middle) =
        sample(&Transforms::none(20).crop(Crop::GoogleNet).validation().unwrap(), noise(20, 40));
    assert_eq!(middle.geometry, [1.0, 0.0, 10.0, 0.0, 1.0, 0.0]);
}

#[test]
fn draws_depend_on_the_key_and_the_position_alone() {
    let plan = Transforms::top_down(32).max_zoom(1.2).training().unwrap();
    let prepared = plan.prepare(noise(50, 70));
    let one = plan.sample(&prepared, &key(0), 7);
    assert_eq!(one, plan.sample(&prepared, &key(0), 7));
    assert_ne!(one, plan.sample(&prepared, &key(0), 8));
    assert_ne!(one, plan.sample(&prepared, &key(1), 7));
    assert_ne!(one, plan.sample(&prepared, &DrawKey { seed: 2, ..key(0) }, 7));
    assert_ne!(one, plan.sample(&prepared, &DrawKey { purpose: Purpose::TestTime, ..key(0) }, 7));
    assert_ne!(one, plan.sample(&prepared, &DrawKey { pass: 1, ..key(0) }, 7));
    // A further transform leaves the draws of those before it alone.
    let longer = Transforms::basic(32).and(Augmentation::lighting(0.0, 0.0)).training().unwrap();
    let shorter = Transforms::basic(32).training().unwrap();
    assert_eq!(
        longer.sample(&prepared, &key(0), 3).geometry,
        shorter.sample(&prepared, &key(0), 3).geometry
    );
}

#[test]
fn light_changes_are_about_the_mean_of_the_prepared_picture() {
    let plan = Transforms::none(16).and(Augmentation::lighting(0.0, 0.5)).training().unwrap();
    let prepared = plan.prepare(noise(40, 60));
    let sum: u64 = prepared.picture.pixels.iter().map(|&value| u64::from(value)).sum();
    let mean = sum as f64 / prepared.picture.pixels.len() as f64 / 255.0;
    for position in 0..20 {
        let colour = plan.sample(&prepared, &key(0), position).colour;
        let fixed = f64::from(colour[0]) * mean + f64::from(colour[3]);
        assert!((fixed - mean).abs() < 1e-6, "{fixed} for {mean}");
    }
}

#[derive(Debug)]
struct Inverted;

impl Transform for Inverted {
    fn prepare(&self, picture: &Picture, _random: &mut RandomStream) -> Option<Picture> {
        let pixels = picture.pixels.iter().map(|value| 255 - value).collect();
        Some(Picture { pixels, ..*picture })
    }
}

#[test]
fn own_transforms_change_pixels_in_order() {
    let plan =
        Transforms::custom(16, vec![Box::new(Inverted), Box::new(Inverted), Box::new(Inverted)]);
    let (prepared, sampling) = sample(&plan.training().unwrap(), noise(20, 20));
    let changed = sampling.picture.unwrap();
    assert!(changed.pixels.iter().zip(&prepared.picture.pixels).all(|(a, b)| *a == 255 - *b));
}
