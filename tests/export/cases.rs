//! What `cargo xtask export-check` compares PyTorch and onnxruntime with: networks with the formula's weights, a batch
//! and the logits that we compute for it. An example, because another program runs it and goes on with its files.
//!
//! `export_cases FOLDER` leaves `NAME.safetensors` (the model), `NAME.logits.safetensors` (`pictures`, NCHW, and
//! `logits`) for every case, and `cases.json`.

#[path = "../golden/formula.rs"]
#[allow(dead_code)]
mod formula;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use autograd::{ParameterStore, Var};
use fastlearn::data::Csv;
use fastlearn::train::read_model;
use fastlearn::{ImageData, Learner, Transforms};
use image::RgbImage;
use models::exchange::{Part, export, import};
use models::{Arch, Layer, Pass, PlainNetwork, StateDict, WeightTensor};
use tensor_core::{CpuOptions, Device, Tensor};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Basic blocks, bottlenecks, and bottlenecks in groups.
const ARCHITECTURES: [Arch; 3] = [Arch::ResNet18, Arch::ResNet50, Arch::ResNeXt50_32x4d];
const CLASSES: [&str; 3] = ["clear", "haze", "water"];
const PICTURES: usize = 3;
const SIZE: usize = 64;

fn main() -> Outcome<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("name a folder")?;
    let device = Device::cpu_with(CpuOptions { threads: None, instruction_set: None })?;
    let mut cases = Vec::new();
    for arch in ARCHITECTURES {
        for (kind, labels) in [("plain", "none"), ("learner", "one"), ("learner", "several")] {
            // One network with several labels is enough: only the metadata differ.
            if labels == "several" && arch != Arch::ResNet18 {
                continue;
            }
            let name = format!("{arch}-{kind}-{labels}");
            let model = folder.join(format!("{name}.safetensors"));
            let logits = match kind {
                "plain" => plain(arch, &model, &device)?,
                _ => learner(arch, labels, &folder, &model, &device)?,
            };
            write_expected(&folder.join(format!("{name}.logits.safetensors")), logits)?;
            let (arch, classes) = (arch.name(), CLASSES);
            cases.push(serde_json::json!({
                "name": name, "arch": arch, "kind": kind, "labels": labels, "classes": classes,
                "size": SIZE,
            }));
        }
    }
    fs::write(folder.join("cases.json"), serde_json::Value::from(cases).to_string())?;
    Ok(())
}

/// A network under torchvision's names with `fc`.
fn plain(arch: Arch, model: &Path, device: &Device) -> Outcome<Vec<f32>> {
    let (network, mut store) = PlainNetwork::new(arch.architecture(), CLASSES.len(), 0, device)?;
    by_formula(&export(&store)?)?.write(model)?;
    import(&mut store, &StateDict::read(model)?, Part::Whole, "the formula")?;
    logits(&network, &store, device)
}

/// A learner's model with classes and transforms in its metadata.
fn learner(
    arch: Arch,
    labels: &str,
    folder: &Path,
    model: &Path,
    device: &Device,
) -> Outcome<Vec<f32>> {
    let data = draw_data(&folder.join(format!("data-{labels}")), labels)?;
    Learner::builder(arch, data).device(device).random_weights().build()?.save(model)?;
    by_formula(&StateDict::read(model)?)?.write(model)?;
    let (_, classifier, store) = read_model(model, device)?;
    logits(&classifier, &store, device)
}

/// Six grey pictures with labels in a table.
fn draw_data(folder: &Path, labels: &str) -> Outcome<ImageData> {
    fs::create_dir_all(folder.join("pictures"))?;
    let mut table = "id,tags\n".to_owned();
    for picture in 0..6 {
        let (first, second) = (CLASSES[picture % 3], CLASSES[(picture + 1) % 3]);
        let tags = if labels == "several" { format!("{first} {second}") } else { first.to_owned() };
        table.push_str(&format!("{picture},{tags}\n"));
        RgbImage::new(SIZE as u32, SIZE as u32)
            .save(folder.join(format!("pictures/{picture}.png")))?;
    }
    let file = folder.join("labels.csv");
    fs::write(&file, table)?;
    let csv = Csv::new(file).folder("pictures").suffix(".png");
    Ok(ImageData::from_csv(csv, Transforms::basic(SIZE))?)
}

/// The same names and shapes with the formula's values.
fn by_formula(state: &StateDict) -> Outcome<StateDict> {
    let mut replaced = StateDict::new();
    for (name, tensor) in state.iter() {
        let values = formula::parameter(name, &tensor.shape);
        replaced.insert(name, WeightTensor::new(tensor.shape.clone(), values)?)?;
    }
    replaced.metadata_mut().extend(state.metadata().clone());
    Ok(replaced)
}

/// Our logits of the formula's batch.
fn logits(network: &impl Layer, store: &ParameterStore, device: &Device) -> Outcome<Vec<f32>> {
    let pictures = pictures();
    let plane = SIZE * SIZE;
    let channels_last: Vec<f32> = (0..PICTURES * plane * 3)
        .map(|place| {
            let (picture, pixel, channel) = (place / (3 * plane), place / 3 % plane, place % 3);
            pictures[(picture * 3 + channel) * plane + pixel]
        })
        .collect();
    let shape = [PICTURES, SIZE, SIZE, 3];
    let input = Tensor::from_f32_as(device, shape, device.activation(), &channels_last)?;
    let output = network.forward(&mut Pass::predict(store), Var::constant(input))?;
    Ok(output.value().to_f32()?)
}

/// The batch in PyTorch's order.
fn pictures() -> Vec<f32> {
    formula::unit("export", PICTURES * 3 * SIZE * SIZE)
}

fn write_expected(path: &Path, logits: Vec<f32>) -> Outcome<()> {
    let mut expected = StateDict::new();
    let shape = vec![PICTURES, 3, SIZE, SIZE];
    expected.insert("pictures", WeightTensor::new(shape, pictures())?)?;
    expected.insert("logits", WeightTensor::new(vec![PICTURES, CLASSES.len()], logits)?)?;
    Ok(expected.write(path)?)
}
