//! What a pickle builds: small values, and objects that they point to.
//!
//! Objects lie in one list and are named by their place in it, so that a pickle whose objects contain each other
//! costs no recursion, neither to read nor to let go.

use std::rc::Rc;

use crate::weights::pth::fault::{Fault, Outcome};
use crate::weights::pth::storage::{StorageSlice, StorageType, View};

/// Objects that one pickle may make: a state dict has about ten a tensor.
const MOST_OBJECTS: usize = 1 << 20;

/// Where an object lies among [`Objects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Handle(u32);

/// A name that a pickle may mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Global {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`.
    RebuildParameter,
    /// `torch.nn.parameter.Parameter`.
    Parameter,
    /// `torch.Size`.
    Size,
    /// `torch.device`.
    Device,
    /// `torch.FloatStorage` and its kin, on any device.
    Storage(&'static StorageType),
    /// `torch.FloatTensor` and its kin, on any device.
    TensorClass,
}

/// A value on the machine's stack.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Value {
    /// Something that no tensor is made of: `None`, a truth value, a float, a device.
    Opaque,
    Integer(i64),
    Global(Global),
    Object(Handle),
}

/// A value with parts.
#[derive(Debug)]
pub(in super::super) enum Object {
    Text(Rc<str>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// An ordinary or an ordered dictionary; of equal keys the last one counts.
    Dict(Vec<(Value, Value)>),
    /// `torch.nn.Parameter`: empty when it is made, then given its tensor.
    Parameter(Option<Value>),
    Storage(StorageSlice),
    Tensor(View),
}

/// All objects of one pickle.
#[derive(Debug, Default)]
pub(in super::super) struct Objects(Vec<Object>);

impl Objects {
    /// Keeps an object.
    pub fn add(&mut self, object: Object) -> Outcome<Value> {
        if self.0.len() == MOST_OBJECTS {
            return Err(Fault::Refused(format!("it pickles more than {MOST_OBJECTS} objects")));
        }
        self.0.push(object);
        Ok(Value::Object(Handle(self.0.len() as u32 - 1)))
    }

    /// The object that a value is.
    pub fn get(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(Handle(place)) => self.0.get(place as usize),
            _ => None,
        }
    }

    /// The object that a value is, to be changed.
    pub fn get_mut(&mut self, value: Value) -> Option<&mut Object> {
        match value {
            Value::Object(Handle(place)) => self.0.get_mut(place as usize),
            _ => None,
        }
    }

    /// The text that a value is.
    pub fn text(&self, value: Value) -> Option<&Rc<str>> {
        match self.get(value) {
            Some(Object::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The parts of the tuple or list that a value is.
    pub fn sequence(&self, value: Value) -> Option<&[Value]> {
        match self.get(value) {
            Some(Object::Tuple(parts) | Object::List(parts)) => Some(parts),
            _ => None,
        }
    }

    /// The entries of the dictionary that a value is.
    pub fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.get(value) {
            Some(Object::Dict(entries)) => Some(entries),
            _ => None,
        }
    }

    /// The tensor that a value is, alone or as a parameter.
    pub fn tensor(&self, value: Value) -> Option<&View> {
        match self.get(value) {
            Some(Object::Tensor(view)) => Some(view),
            Some(Object::Parameter(Some(inner))) => match self.get(*inner) {
                Some(Object::Tensor(view)) => Some(view),
                _ => None,
            },
            _ => None,
        }
    }

    /// A key that PyTorch writes as a text or as a number.
    pub fn key(&self, value: Value) -> Option<Rc<str>> {
        match value {
            Value::Integer(number) => Some(number.to_string().into()),
            _ => self.text(value).cloned(),
        }
    }
}

impl Value {
    /// A number that is not negative.
    pub fn count(self) -> Option<u64> {
        match self {
            Value::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }
}
