//! The residual network and its two heads as ONNX operators.

use super::graph::{Attribute, Graph, Length};
use crate::head::HeadOptions;
use crate::registry::ConvSize;
use crate::{Architecture, Result, StateDict};

/// Names that users of the file see.
const INPUT: &str = "pictures";
const OUTPUT: &str = "logits";
const BATCH: &str = "batch";

/// What every batch norm adds to its variance.
const EPSILON: f32 = 1e-5;

/// What stands on the body.
#[derive(Debug, Clone, Copy)]
pub(super) enum HeadKind<'a> {
    /// Average pool and `fc`.
    Plain,
    /// The lesson's head.
    Lesson(&'a HeadOptions),
}

/// The whole network as it predicts: running statistics, no dropout.
pub(super) fn graph<'a>(
    architecture: &Architecture,
    head: HeadKind<'_>,
    classes: usize,
    state: &'a StateDict,
) -> Result<Graph<'a>> {
    let mut graph = Graph::new(&architecture.name, state);
    let sides = [Length::Free("height"), Length::Free("width")];
    let [height, width] = sides;
    graph.input(INPUT, &[Length::Free(BATCH), Length::Fixed(3), height, width]);
    let features = body(&mut graph, architecture)?;
    match head {
        HeadKind::Plain => plain_head(&mut graph, &features)?,
        HeadKind::Lesson(options) => lesson_head(&mut graph, &features, options)?,
    }
    graph.output(OUTPUT, &[Length::Free(BATCH), Length::Fixed(classes)]);
    Ok(graph)
}

fn body(graph: &mut Graph<'_>, architecture: &Architecture) -> Result<String> {
    let stem = conv_norm(graph, "conv1", "bn1", architecture.stem(), INPUT)?;
    let stem = graph.node("relu", "Relu", &[&stem], &[]);
    let pool = [("kernel_shape", ints(3, 2)), ("strides", ints(2, 2)), ("pads", ints(1, 4))];
    let mut x = graph.node("maxpool", "MaxPool", &[&stem], &pool);
    for block in architecture.blocks() {
        let name = &block.name;
        let residual = match block.shortcut {
            Some(size) => {
                let (conv, norm) = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
                conv_norm(graph, &conv, &norm, size, &x)?
            }
            None => x.clone(),
        };
        let last = block.convolutions.len();
        for (size, i) in block.convolutions.into_iter().zip(1..) {
            let (conv, norm) = (format!("{name}.conv{i}"), format!("{name}.bn{i}"));
            x = conv_norm(graph, &conv, &norm, size, &x)?;
            if i < last {
                x = graph.node(&format!("{name}.relu{i}"), "Relu", &[&x], &[]);
            }
        }
        x = graph.node(&format!("{name}.add"), "Add", &[&x, &residual], &[]);
        x = graph.node(&format!("{name}.relu"), "Relu", &[&x], &[]);
    }
    Ok(x)
}

fn conv_norm(
    graph: &mut Graph<'_>,
    conv: &str,
    norm: &str,
    size: ConvSize,
    input: &str,
) -> Result<String> {
    let weight = graph.weight(&format!("{conv}.weight"))?;
    let attributes = [
        ("kernel_shape", ints(size.kernel, 2)),
        ("strides", ints(size.stride, 2)),
        ("pads", ints(size.kernel / 2, 4)),
        ("group", Attribute::Int(size.groups as i64)),
    ];
    let output = graph.node(conv, "Conv", &[input, &weight], &attributes);
    batch_norm(graph, norm, &output)
}

fn batch_norm(graph: &mut Graph<'_>, name: &str, input: &str) -> Result<String> {
    let mut inputs = vec![input.to_owned()];
    for part in ["weight", "bias", "running_mean", "running_var"] {
        inputs.push(graph.weight(&format!("{name}.{part}"))?);
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let epsilon = [("epsilon", Attribute::Float(EPSILON))];
    Ok(graph.node(name, "BatchNormalization", &inputs, &epsilon))
}

fn plain_head(graph: &mut Graph<'_>, features: &str) -> Result<()> {
    let pooled = graph.node("avgpool", "GlobalAveragePool", &[features], &[]);
    let flat = flatten(graph, &pooled);
    linear(graph, "fc", &flat, OUTPUT)
}

fn lesson_head(graph: &mut Graph<'_>, features: &str, options: &HeadOptions) -> Result<()> {
    let maximum = graph.node("head.maximum", "GlobalMaxPool", &[features], &[]);
    let average = graph.node("head.average", "GlobalAveragePool", &[features], &[]);
    let channels = [("axis", Attribute::Int(1))];
    let pooled = graph.node("head.pool", "Concat", &[&maximum, &average], &channels);
    let mut x = flatten(graph, &pooled);
    let last = options.hidden.len();
    for index in 0..=last {
        x = batch_norm(graph, &format!("head.{index}.norm"), &x)?;
        let name = format!("head.{index}.linear");
        if index == last {
            return linear(graph, &name, &x, OUTPUT);
        }
        linear(graph, &name, &x, &name)?;
        x = graph.node(&format!("head.{index}.relu"), "Relu", &[&name], &[]);
    }
    Ok(())
}

fn flatten(graph: &mut Graph<'_>, input: &str) -> String {
    graph.node("flatten", "Flatten", &[input], &[("axis", Attribute::Int(1))])
}

/// `input * weight^T + bias`, called `output`.
fn linear(graph: &mut Graph<'_>, name: &str, input: &str, output: &str) -> Result<()> {
    let (weight, bias) =
        (graph.weight(&format!("{name}.weight"))?, graph.weight(&format!("{name}.bias"))?);
    let transposed = [("transB", Attribute::Int(1))];
    graph.node(output, "Gemm", &[input, &weight, &bias], &transposed);
    Ok(())
}

fn ints(value: usize, times: usize) -> Attribute {
    Attribute::Ints(vec![value as i64; times])
}
