//! The names that a pickle may mention, and what calling them makes. Nothing is ever looked up or executed: a name
//! that is not in this list ends the reading.

use super::value::{Global, Object, Objects, Value};
use crate::weights::pth::fault::Outcome;
use crate::weights::pth::storage::{StorageType, View};

/// More dimensions than PyTorch's own tensors have.
const MOST_DIMENSIONS: usize = 64;

impl Global {
    /// The name, if it is in the list.
    pub fn named(module: &str, name: &str) -> Option<Global> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => {
                Some(Global::RebuildTensor)
            }
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch.nn.parameter" | "torch.nn", "Parameter") => Some(Global::Parameter),
            ("torch", "Size") => Some(Global::Size),
            ("torch", "device") => Some(Global::Device),
            ("torch" | "torch.cuda", _) => {
                let storage = name.strip_suffix("Storage").and_then(StorageType::named);
                let tensor = name.strip_suffix("Tensor").and_then(StorageType::named);
                storage.map(Global::Storage).or(tensor.map(|_| Global::TensorClass))
            }
            _ => None,
        }
    }

    /// What `global(*arguments)` makes, or why it cannot be made.
    pub fn call(
        self,
        objects: &mut Objects,
        arguments: &[Value],
    ) -> Outcome<Result<Value, String>> {
        let object = match (self, arguments) {
            (Global::OrderedDict, []) => Object::Dict(Vec::new()),
            (Global::OrderedDict, [items]) => match pairs(objects, *items) {
                Some(entries) => Object::Dict(entries),
                None => return Ok(Err("an OrderedDict's items are no list of pairs".to_owned())),
            },
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                match view(objects, [*storage, *offset, *shape, *strides]) {
                    Ok(view) => Object::Tensor(view),
                    Err(problem) => return Ok(Err(problem)),
                }
            }
            (Global::RebuildParameter | Global::Parameter, [data, ..]) => {
                Object::Parameter(Some(*data))
            }
            (Global::Parameter, []) => Object::Parameter(None),
            (Global::Size, [lengths]) => return Ok(Ok(*lengths)),
            (Global::Device, _) => return Ok(Ok(Value::Opaque)),
            _ => {
                return Ok(Err(format!("{self:?} is called with {} arguments", arguments.len())));
            }
        };
        objects.add(object).map(Ok)
    }
}

/// The items of an ordered dictionary as Python 2 wrote them: a list of pairs.
fn pairs(objects: &Objects, items: Value) -> Option<Vec<(Value, Value)>> {
    let pair = |item: &Value| match objects.sequence(*item) {
        Some(&[key, value]) => Some((key, value)),
        _ => None,
    };
    objects.sequence(items)?.iter().map(pair).collect()
}

/// The view that `_rebuild_tensor(storage, offset, shape, strides)` describes.
fn view(objects: &Objects, [storage, offset, shape, strides]: [Value; 4]) -> Result<View, String> {
    let Some(Object::Storage(storage)) = objects.get(storage) else {
        return Err("a tensor is built on something that is no storage".to_owned());
    };
    let counts = |value: Value, what: &str| -> Result<Vec<u64>, String> {
        let parts =
            objects.sequence(value).ok_or_else(|| format!("a tensor's {what} is no tuple"))?;
        let counts: Option<Vec<u64>> = parts.iter().map(|part| part.count()).collect();
        counts.ok_or_else(|| format!("a tensor's {what} has a negative number or none"))
    };
    let offset = offset.count().ok_or("a tensor's offset is negative or no number")?;
    let (shape, strides) = (counts(shape, "shape")?, counts(strides, "strides")?);
    if shape.len() != strides.len() || shape.len() > MOST_DIMENSIONS {
        return Err(format!(
            "a tensor has {} dimensions and {} strides (at most {MOST_DIMENSIONS})",
            shape.len(),
            strides.len()
        ));
    }
    Ok(View { storage: storage.clone(), offset, shape, strides })
}
