//! Model files: there and back, and what is refused.

use std::fs;

use fastlearn::data::Loading;
use fastlearn::{ImageData, Learner, Predictor, Transforms};
use models::StateDict;
use models::head::HeadOptions;

use crate::world::{World, bits, changed, device, head};

#[test]
fn a_saved_model_predicts_the_same_bits_without_its_data() {
    let world = World::new();
    let mut learner = world.unfrozen();
    learner.fit(0.01, 1).expect("trained");
    let file = world.path("model.safetensors");
    learner.save(&file).expect("saved");

    let predictor = Predictor::open(&file, &device(1)).expect("opened");
    let predictor = predictor.loading(Loading::default().batch_size(8));
    assert_eq!(predictor.description().classes, ["bars", "discs", "squares"]);
    let valid = learner.data().valid();
    let expected = learner.predict().expect("predicted");
    assert_eq!(predictor.predict_split(valid).expect("predicted"), expected);
    assert_eq!(predictor.tta(valid, 3).expect("predicted"), learner.tta(3).expect("predicted"));
    let files = predictor.predict(valid.files().to_vec()).expect("predicted");
    assert_eq!(files.probabilities, expected.probabilities);
    assert!(files.labels.is_empty() && files.ids[0].ends_with("valid/bars/08.png"));
}

#[test]
fn loading_brings_weights_and_statistics_back() {
    let world = World::new();
    let mut learner = world.unfrozen();
    let file = world.path("model.safetensors");
    learner.fit(0.01, 1).expect("trained");
    learner.save(&file).expect("saved");
    let saved = bits(&learner);
    learner.fit(0.01, 1).expect("trained");
    assert!(!changed(&saved, &bits(&learner)).is_empty());
    learner.load(&file).expect("loaded");
    assert_eq!(changed(&saved, &bits(&learner)), [""; 0]);

    let mut other = world.builder().seed(5).build().expect("a learner");
    other.load(&file).expect("loaded");
    assert_eq!(changed(&saved, &bits(&other)), [""; 0]);
    assert_eq!(other.predict().expect("predicted"), learner.predict().expect("predicted"));
    let leftovers = fs::read_dir(world.path("")).expect("listed").count();
    assert_eq!(leftovers, 2, "the data folder and the model, nothing half-written");
}

/// Loading and opening fail, name the file and say why; the learner is as before.
#[track_caller]
fn refused(world: &World, name: &str, reasons: &[&str]) {
    let (file, mut learner) = (world.path(name), world.learner());
    let before = bits(&learner);
    let error = learner.load(&file).expect_err("refused").to_string();
    for part in reasons.iter().chain([&name]) {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!(changed(&before, &bits(&learner)), [""; 0]);
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let world = World::new();
    let (good, learner) = (world.path("good.safetensors"), world.learner());
    learner.save(&good).expect("saved");
    let change = |name: &str, edit: &dyn Fn(&mut StateDict)| {
        let mut state = StateDict::read(&good).expect("read");
        edit(&mut state);
        state.write(world.path(name)).expect("written");
    };
    let set = |state: &mut StateDict, key: &str, value: &str| {
        state.metadata_mut().insert(key.to_owned(), value.to_owned());
    };
    change("newer.safetensors", &|state| set(state, "fastlearn.version", "99"));
    refused(&world, "newer.safetensors", &["version 99", "version 1"]);
    change("bare.safetensors", &|state| state.metadata_mut().clear());
    refused(&world, "bare.safetensors", &["weights alone"]);
    change("odd.safetensors", &|state| set(state, "fastlearn.classes", "[1"));
    refused(&world, "odd.safetensors", &["fastlearn.classes"]);
    change("lacking.safetensors", &|state| drop(state.remove("layer4.0.conv2.weight")));
    refused(&world, "lacking.safetensors", &["layer4.0.conv2.weight"]);
    change("zebras.safetensors", &|state| {
        set(state, "fastlearn.classes", r#"["bars","discs","zebras"]"#);
    });
    refused(&world, "zebras.safetensors", &["zebras"]);

    let bytes = fs::read(&good).expect("read");
    for (name, length) in [("cut.safetensors", bytes.len() / 2), ("stub.safetensors", 5)] {
        fs::write(world.path(name), &bytes[..length]).expect("written");
        refused(&world, name, &[]);
        let error = Predictor::open(world.path(name), &device(1)).err().expect("refused");
        assert!(error.to_string().contains(name), "{error}");
    }
    refused(&world, "missing.safetensors", &[]);

    let wide = HeadOptions { hidden: vec![24], ..head() };
    let wide = world.builder().head(wide).build().expect("a learner");
    wide.save(world.path("wide.safetensors")).expect("saved");
    refused(&world, "wide.safetensors", &["head.0.linear.weight"]);
}

#[test]
fn other_classes_are_not_taken_for_the_same() {
    let world = World::new();
    let mut learner = world.learner();
    fs::rename(world.path("data/train/bars"), world.path("data/train/ovals")).expect("renamed");
    fs::rename(world.path("data/valid/bars"), world.path("data/valid/ovals")).expect("renamed");
    let data = ImageData::from_folders(world.path("data"), Transforms::none(32)).expect("data");
    let error = learner.set_data(data).expect_err("refused").to_string();
    assert!(error.contains("ovals"), "{error}");
    assert_eq!(Learner::data(&learner).classes()[0], "bars");
}
