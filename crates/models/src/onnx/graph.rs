//! A graph of ONNX operators under construction. Field numbers are those of `onnx.proto`.

use super::protobuf::Message;
use crate::{Error, Result, StateDict};

/// `TensorProto.FLOAT`.
const FLOAT: i64 = 1;
/// `AttributeProto`'s types.
const ATTRIBUTE_FLOAT: i64 = 1;
const ATTRIBUTE_INT: i64 = 2;
const ATTRIBUTE_INTS: i64 = 7;

/// Nodes in the order in which they run, and the weights that they name.
pub(super) struct Graph<'a> {
    message: Message,
    state: &'a StateDict,
}

/// The value of a node's attribute.
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
}

/// A length of an input or output.
pub(super) enum Length {
    Fixed(usize),
    /// One of its name, the same wherever the name stands.
    Free(&'static str),
}

impl<'a> Graph<'a> {
    /// An empty graph over these weights.
    pub fn new(name: &str, state: &'a StateDict) -> Graph<'a> {
        // GraphProto.name = 2
        Graph { message: Message::new().text(2, name), state }
    }

    /// Adds a node and returns the name of its one output, which is the node's own.
    pub fn node(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        // NodeProto: input = 1, output = 2, name = 3, op_type = 4, attribute = 5
        let node = Message::new().texts(1, inputs).text(2, name).text(3, name).text(4, operator);
        let node = attributes
            .iter()
            .fold(node, |node, (name, attribute)| node.message(5, attribute.message(name)));
        // GraphProto.node = 1
        self.add(1, node);
        name.to_owned()
    }

    /// Adds a weight under its own name.
    pub fn weight(&mut self, name: &str) -> Result<String> {
        let tensor = self
            .state
            .get(name)
            .ok_or_else(|| Error::IncompleteWeights { name: name.to_owned() })?;
        // TensorProto: dims = 1, data_type = 2, name = 8, raw_data = 9
        let dims = tensor
            .shape
            .iter()
            .fold(Message::new(), |message, &length| message.number(1, length as i64));
        // GraphProto.initializer = 5
        self.add(5, dims.number(2, FLOAT).text(8, name).floats(9, &tensor.values));
        Ok(name.to_owned())
    }

    /// Declares an input.
    pub fn input(&mut self, name: &str, lengths: &[Length]) {
        // GraphProto.input = 11
        self.add(11, value_info(name, lengths));
    }

    /// Declares an output.
    pub fn output(&mut self, name: &str, lengths: &[Length]) {
        // GraphProto.output = 12
        self.add(12, value_info(name, lengths));
    }

    /// The graph's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.message.as_bytes()
    }

    fn add(&mut self, field: u64, part: Message) {
        self.message = std::mem::take(&mut self.message).message(field, part);
    }
}

impl Attribute {
    /// AttributeProto: name = 1, f = 2, i = 3, ints = 8, type = 20.
    fn message(&self, name: &str) -> Message {
        let message = Message::new().text(1, name);
        match self {
            Attribute::Float(value) => message.float(2, *value).number(20, ATTRIBUTE_FLOAT),
            Attribute::Int(value) => message.number(3, *value).number(20, ATTRIBUTE_INT),
            Attribute::Ints(values) => values
                .iter()
                .fold(message, |message, &value| message.number(8, value))
                .number(20, ATTRIBUTE_INTS),
        }
    }
}

/// ValueInfoProto: name = 1, type = 2; a tensor's type: elem_type = 1, shape = 2.
fn value_info(name: &str, lengths: &[Length]) -> Message {
    let shape = lengths.iter().fold(Message::new(), |shape, length| {
        // TensorShapeProto.dim = 1: dim_value = 1, dim_param = 2
        let dimension = match length {
            Length::Fixed(length) => Message::new().number(1, *length as i64),
            Length::Free(name) => Message::new().text(2, name),
        };
        shape.message(1, dimension)
    });
    let tensor = Message::new().number(1, FLOAT).message(2, shape);
    // TypeProto.tensor_type = 1
    Message::new().text(1, name).message(2, Message::new().message(1, tensor))
}
