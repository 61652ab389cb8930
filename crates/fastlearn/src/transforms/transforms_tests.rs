//! Settings: as data and back, by name, and out of range.

use super::*;

#[derive(Debug)]
struct Own;

impl Transform for Own {}

#[test]
fn descriptions_restore_ready_made_lists() {
    let transforms = Transforms::top_down(96)
        .max_zoom(1.05)
        .pad(8)
        .pad_mode(PadMode::Edge)
        .crop(Crop::Center)
        .normalise(Normalisation { mean: [0.5; 3], std: [0.25; 3] });
    let stored = serde_json::to_string(&transforms.describe()).unwrap();
    let restored: TransformsDescription = serde_json::from_str(&stored).unwrap();
    assert_eq!(restored, transforms.describe());
    assert_eq!(restored.restore().describe(), transforms.describe());
    assert!(restored.own.is_empty());
    assert_eq!(restored.augmentations.len(), 3);
}

#[test]
fn own_transforms_are_named_in_the_description() {
    let described = Transforms::side_on(96).and(Own).describe();
    assert_eq!(described.own, ["Own"]);
    assert_eq!(described.restore().describe().augmentations, described.augmentations);
}

#[test]
fn names_of_the_command_line() {
    for (name, count) in [("none", 0), ("basic", 2), ("side-on", 3), ("top-down", 3)] {
        assert_eq!(Transforms::named(name, 64).unwrap().describe().augmentations.len(), count);
    }
    let error = Transforms::named("sideways", 64).unwrap_err().to_string();
    assert!(error.contains("sideways") && error.contains("top-down"), "{error}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let plain = || Transforms::none(64);
    let bad_std = Normalisation { std: [0.0, 1.0, 1.0], ..Normalisation::IMAGENET };
    for wrong in [
        plain().resized(0),
        plain().resized(100_000),
        plain().max_zoom(f64::NAN),
        plain().max_zoom(1000.0),
        plain().zoom_range(0.0, 1.0),
        plain().pad(1_000_000),
        plain().normalise(bad_std),
    ] {
        assert!(matches!(wrong.training(), Err(Error::Setting { .. })), "{wrong:?}");
        assert!(wrong.validation().is_err());
    }
}
