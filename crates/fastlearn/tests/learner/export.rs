//! Models as files for other programs: what they say of themselves, and that our own programs read them too.

use std::fs;

use fastlearn::export::{ExportFormat, export};
use fastlearn::{Error, Predictor};
use models::{Arch, PlainNetwork, StateDict, exchange};

use crate::world::{World, device};

#[test]
fn exports_for_torch_hold_the_same_weights() {
    let world = World::new();
    let mut learner = world.learner();
    learner.fit(0.01, 1).expect("trained");
    let model = world.path("model.safetensors");
    learner.save(&model).expect("saved");

    let whole = world.path("torch.safetensors");
    export(&model, ExportFormat::Safetensors, &whole).expect("exported");
    let (original, copy) =
        (Predictor::open(&model, &device(1)), Predictor::open(&whole, &device(1)));
    let (original, copy) = (original.expect("opened"), copy.expect("opened"));
    let valid = learner.data().valid();
    let expected = original.predict_split(valid).expect("predicted");
    assert_eq!(copy.predict_split(valid).expect("predicted"), expected);

    let pth = ExportFormat::Torchvision.beside(&model);
    assert_eq!(pth, world.path("model.pth"));
    export(&model, ExportFormat::Torchvision, &pth).expect("exported");
    let (model, pth) = (StateDict::read(&model), StateDict::read(&pth));
    let (model, pth) = (model.expect("read"), pth.expect("read"));
    for (name, tensor) in model.iter() {
        assert_eq!(pth.get(name), Some(tensor), "{name}");
    }
    // Besides, a counter for every batch norm.
    let norms = model.iter().filter(|(name, _)| name.ends_with(".running_var")).count();
    assert_eq!(pth.len(), model.len() + norms);
}

#[test]
fn an_onnx_file_says_what_prediction_needs() {
    let world = World::new();
    let model = world.path("model.safetensors");
    world.learner().save(&model).expect("saved");
    let out = world.path("model.onnx");
    export(&model, ExportFormat::Onnx, &out).expect("exported");
    let bytes = fs::read(&out).expect("read");
    let says = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for text in ["resnet10_slim", r#"["bars","discs","squares"]"#, "softmax", "[0.485,0.456,0.406]"]
    {
        assert!(says(text), "{text}");
    }
    assert!(!says("sigmoid") && !says("temperature"));
}

#[test]
fn plain_weights_are_recognised_or_refused() {
    let world = World::new();
    let (_, store) =
        PlainNetwork::new(Arch::ResNet18.architecture(), 3, 1, &device(1)).expect("a network");
    let mut state = exchange::export(&store).expect("exported");
    let (plain, out) = (world.path("plain.safetensors"), world.path("plain.onnx"));
    state.write(&plain).expect("written");
    export(&plain, ExportFormat::Onnx, &out).expect("exported");
    fs::remove_file(&out).expect("removed");

    state.remove("fc.bias");
    state.write(&plain).expect("written");
    let error = export(&plain, ExportFormat::Onnx, &out).expect_err("no head");
    assert!(matches!(error, Error::Model { .. }), "{error}");
    assert!(error.to_string().contains("plain.safetensors: it is neither"), "{error}");
    assert!(!out.exists());
    // Its tensors can be had all the same.
    export(&plain, ExportFormat::Torchvision, world.path("plain.pth")).expect("exported");
}

#[test]
fn an_export_never_takes_its_models_name() {
    for (format, name) in [
        (ExportFormat::Torchvision, "runs/model.pth"),
        (ExportFormat::Safetensors, "runs/model.torch.safetensors"),
        (ExportFormat::Onnx, "runs/model.onnx"),
    ] {
        assert_eq!(format.beside("runs/model.safetensors".as_ref()), std::path::Path::new(name));
    }
    let beside = ExportFormat::Torchvision.beside("resnet18.pth".as_ref());
    assert_eq!(beside, std::path::Path::new("resnet18.torch.pth"));
}
