//! The ready-made augmentations over many draws: how often they act and how far they go.

use tensor_core::random::Philox;

use super::*;

const DRAWS: usize = 20_000;

/// The canvas maps of many draws on a square of 9.
fn maps(augmentation: Augmentation) -> Vec<[f64; 6]> {
    let draw = |i: usize| {
        let mut canvas = Canvas::showing(9, 9, 9, 9);
        augmentation.geometry(&mut canvas, &mut Philox::new(11).stream([i as u32, 0, 0]));
        assert_eq!((canvas.height(), canvas.width()), (9, 9));
        canvas.to_source().0
    };
    (0..DRAWS).map(draw).collect()
}

const UNCHANGED: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

fn share(maps: &[[f64; 6]], test: impl Fn(&[f64; 6]) -> bool) -> f64 {
    maps.iter().filter(|map| test(map)).count() as f64 / maps.len() as f64
}

/// Mean, least and greatest.
fn range(values: impl Iterator<Item = f64> + Clone) -> (f64, f64, f64) {
    let count = values.clone().count() as f64;
    let least = values.clone().fold(f64::INFINITY, f64::min);
    (values.clone().sum::<f64>() / count, least, values.fold(f64::NEG_INFINITY, f64::max))
}

#[test]
fn turns_come_three_times_of_four_and_fill_the_range() {
    let maps = maps(Augmentation::rotate(10.0));
    assert!((share(&maps, |map| *map == UNCHANGED) - 0.25).abs() < 0.015);
    let angles = maps.iter().filter(|map| **map != UNCHANGED).map(|map| map[3].asin().to_degrees());
    let (mean, least, greatest) = range(angles.clone());
    assert!(
        mean.abs() < 0.2 && (-10.0..-9.9).contains(&least) && greatest <= 10.0 && greatest > 9.9
    );
    let beyond = angles.clone().filter(|angle| angle.abs() > 5.0).count() as f64;
    assert!((beyond / angles.count() as f64 - 0.5).abs() < 0.02);
}

#[test]
fn half_are_mirrored() {
    let maps = maps(Augmentation::flip());
    assert!((share(&maps, |map| *map == UNCHANGED) - 0.5).abs() < 0.015);
    assert!((share(&maps, |map| map[0] == -1.0) - 0.5).abs() < 0.015);
}

#[test]
fn the_eight_symmetries_are_alike_likely() {
    let maps = maps(Augmentation::Dihedral);
    for (a, b) in [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)] {
        for mirrored in [false, true] {
            let found = share(&maps, |map| {
                let [p, q, _, r, s, _] = *map;
                (p, q) == (a, b) && ((p * s - q * r) < 0.0) == mirrored
            });
            assert!((found - 0.125).abs() < 0.01, "{a} {b} {mirrored}: {found}");
        }
    }
}

#[test]
fn zoom_and_stretch_stay_in_range() {
    let zoomed = maps(Augmentation::Zoom { low: 0.05, high: 0.2 });
    let (mean, least, greatest) = range(zoomed.iter().map(|map| 1.0 / map[0]));
    assert!((mean - 1.125).abs() < 0.002 && least >= 1.05 - 1e-6 && greatest <= 1.2 + 1e-6);
    assert!(zoomed.iter().all(|map| map[0] == map[4]));
    let stretched = maps(Augmentation::Stretch { most: 0.1 });
    assert!((share(&stretched, |map| map[0] == 1.0) - 0.5).abs() < 0.015);
    let (_, least, greatest) = range(stretched.iter().map(|map| 1.0 / (map[0] * map[4])));
    assert!(least >= 1.0 && greatest <= 1.1 + 1e-6 && greatest > 1.099);
}

#[test]
fn rotate_zoom_is_one_of_four() {
    let maps = maps(Augmentation::RotateZoom { degrees: 9.0, zoom: 0.18, stretch: 0.1 });
    let near = |value: f64| (value - 0.25).abs() < 0.015;
    assert!(near(share(&maps, |map| *map == UNCHANGED)));
    assert!(near(share(&maps, |map| map[1] != 0.0)));
    assert!(near(share(&maps, |map| map[1] == 0.0 && map[0] == map[4] && map[0] != 1.0)));
    assert!(near(share(&maps, |map| map[1] == 0.0 && map[0] != map[4])));
}

#[test]
fn light_changes_stay_in_range_and_are_always_applied() {
    let lighting = Augmentation::lighting(0.05, 0.1);
    let drawn: Vec<(f64, f64)> = (0..DRAWS)
        .map(|i| {
            let mut colour = Colour::unchanged([0.5; 3]);
            lighting.colour(&mut colour, &mut Philox::new(2).stream([i as u32, 0, 0]));
            (colour.matrix()[0], colour.mean() - 0.5)
        })
        .collect();
    let (mean, least, greatest) = range(drawn.iter().map(|draw| draw.1));
    assert!(
        mean.abs() < 0.001
            && (-0.0501..-0.0495).contains(&least)
            && greatest <= 0.0501
            && greatest > 0.0495
    );
    let (_, least, greatest) = range(drawn.iter().map(|draw| draw.0));
    assert!((1.0 / 1.1 - 1e-6..0.911).contains(&least) && (1.099..1.1 + 1e-6).contains(&greatest));
    let less = drawn.iter().filter(|draw| draw.0 < 1.0).count() as f64 / DRAWS as f64;
    assert!((less - 0.5).abs() < 0.015);
    assert!(drawn.iter().all(|draw| draw.0 != 1.0));
}
