//! ONNX files, read by a small reader of protocol buffers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use models::head::HeadOptions;
use models::onnx::{OPSET, OnnxFile};
use models::{Arch, Architecture, Error, StateDict};

use crate::filled;

/// A field of a message: a number, or bytes.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message with their numbers, in order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let mut take = |count: usize| {
            let (taken, rest) = bytes.split_at(count);
            bytes = rest;
            taken
        };
        let field = match tag & 7 {
            5 => Field::Bytes(take(4)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (taken, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(taken)
            }
            0 => Field::Number(varint(&mut bytes)),
            other => panic!("wire type {other}"),
        };
        found.push((tag >> 3, field));
    }
    found
}

fn messages(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let bytes = fields(bytes).into_iter().filter(|(field, _)| *field == number);
    bytes
        .filter_map(|(_, field)| if let Field::Bytes(bytes) = field { Some(bytes) } else { None })
        .collect()
}

fn texts(bytes: &[u8], number: u64) -> Vec<String> {
    messages(bytes, number).iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
}

fn numbers(bytes: &[u8], number: u64) -> Vec<u64> {
    let values = fields(bytes).into_iter().filter(|(field, _)| *field == number);
    values
        .filter_map(|(_, field)| if let Field::Number(value) = field { Some(value) } else { None })
        .collect()
}

fn slim(arch: Arch) -> Architecture {
    Architecture { layers: [1, 2, 1, 1], stem_width: 32, ..arch.into() }
}

fn with_lesson_head(architecture: &Architecture, hidden: &[usize], classes: usize) -> StateDict {
    let mut shapes = architecture.tensor_shapes(None);
    let mut inputs = 2 * architecture.features();
    for (layer, &outputs) in hidden.iter().chain([&classes]).enumerate() {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            shapes.push((format!("head.{layer}.norm.{part}"), vec![inputs]));
        }
        shapes.push((format!("head.{layer}.linear.weight"), vec![outputs, inputs]));
        shapes.push((format!("head.{layer}.linear.bias"), vec![outputs]));
        inputs = outputs;
    }
    filled(&shapes)
}

fn written(file: &OnnxFile<'_>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.onnx");
    file.write(&path).unwrap();
    fs::read(&path).unwrap()
}

/// Every node comes after what it reads, every weight is used once and has the state's values, and the operators are
/// as many as the architecture says.
fn check_graph(model: &[u8], state: &StateDict, norms: usize, operators: &[(&str, usize)]) {
    let graph = messages(model, 7)[0];
    let mut known: BTreeSet<String> =
        messages(graph, 11).iter().map(|input| texts(input, 1).remove(0)).collect();
    assert_eq!(known, BTreeSet::from(["pictures".to_owned()]));
    let weights = messages(graph, 5);
    assert_eq!(weights.len(), state.len());
    for weight in weights {
        let name = texts(weight, 8).remove(0);
        let tensor = state.get(&name).unwrap();
        let shape: Vec<usize> = numbers(weight, 1).iter().map(|&length| length as usize).collect();
        assert_eq!((shape, numbers(weight, 2)), (tensor.shape.clone(), vec![1]), "{name}");
        let values: Vec<f32> = messages(weight, 9)[0]
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        assert_eq!(values, tensor.values, "{name}");
        assert!(known.insert(name.clone()), "{name} is there twice");
    }
    let (mut counts, mut used) = (BTreeMap::<String, usize>::new(), BTreeSet::new());
    for node in messages(graph, 1) {
        for input in texts(node, 1) {
            assert!(known.contains(&input), "{input} is read before it is made");
            used.insert(input);
        }
        let output = texts(node, 2).remove(0);
        assert!(known.insert(output.clone()), "{output} is made twice");
        *counts.entry(texts(node, 4).remove(0)).or_default() += 1;
    }
    let unused: Vec<&String> = known.difference(&used).collect();
    assert_eq!(unused, ["logits"]);
    assert_eq!(texts(messages(graph, 12)[0], 1), ["logits"]);
    assert_eq!(counts["BatchNormalization"], norms);
    for (operator, count) in operators {
        assert_eq!(counts[*operator], *count, "{operator}");
    }
}

#[test]
fn a_plain_network_is_a_whole_graph() {
    for (arch, convolutions) in [(Arch::ResNet18, 14), (Arch::ResNeXt50_32x4d, 20)] {
        let architecture = slim(arch);
        let state = filled(&architecture.tensor_shapes(Some(7)));
        let file = OnnxFile::plain(&architecture, &state).metadata("classes", "[]");
        let model = written(&file);
        let operators = [("Conv", convolutions), ("Add", 5), ("Gemm", 1), ("GlobalAveragePool", 1)];
        check_graph(&model, &state, convolutions, &operators);
        assert_eq!(numbers(messages(&model, 8)[0], 2), [OPSET as u64]);
        let entry = messages(&model, 14)[0];
        assert_eq!((texts(entry, 1), texts(entry, 2)), (vec!["classes".into()], vec!["[]".into()]));
    }
}

#[test]
fn a_learner_has_both_pools_and_every_layer_of_its_head() {
    let architecture = slim(Arch::ResNet18);
    for hidden in [vec![], vec![16], vec![24, 16]] {
        let state = with_lesson_head(&architecture, &hidden, 5);
        let options = HeadOptions { hidden, ..HeadOptions::default() };
        let layers = options.hidden.len() + 1;
        let model = written(&OnnxFile::classifier(&architecture, &options, &state));
        // One behind the stem, two a block, one between layers of the head.
        let relus = 1 + 2 * 5 + layers - 1;
        let operators = [("Gemm", layers), ("Concat", 1), ("GlobalMaxPool", 1), ("Relu", relus)];
        check_graph(&model, &state, 14 + layers, &operators);
        let graph = messages(&model, 7)[0];
        let concat =
            messages(graph, 1).into_iter().find(|node| texts(node, 4) == ["Concat"]).unwrap();
        assert_eq!(texts(concat, 1), ["head.maximum", "head.average"]);
    }
}

#[test]
fn weights_of_another_network_are_refused_by_name() {
    let architecture = slim(Arch::ResNet18);
    let state = filled(&architecture.tensor_shapes(Some(7)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.onnx");
    let options = HeadOptions::default();
    let error = OnnxFile::classifier(&architecture, &options, &state).write(&path).unwrap_err();
    let is_named = |name: &str| name == "head.1.linear.bias";
    assert!(matches!(&error, Error::IncompleteWeights { name } if is_named(name)), "{error}");
    let other = slim(Arch::ResNet50);
    let error = OnnxFile::plain(&other, &state).write(&path).unwrap_err();
    assert!(matches!(&error, Error::WeightsDoNotFit { .. }), "{error}");
    assert!(error.to_string().contains("layer1.0.conv3.weight"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
