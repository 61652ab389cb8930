//! The state dict in what a pickle built: found, flattened to names, freed of what a wrapper put before them.

use std::collections::BTreeMap;

use super::fault::{Fault, Outcome};
use super::pickle::{Objects, Value};
use super::storage::View;

/// Where checkpoints keep the state dict, in the order of preference.
const NESTED: [&str; 5] = ["state_dict", "model_state_dict", "model", "net", "weights"];
/// How deep it may be nested.
const DEEPEST: usize = 8;
/// What `torch.nn.DataParallel` puts before every name.
const WRAPPER: &str = "module.";

/// The tensors of the state dict by name. What is no tensor (counters, extra state) is left out.
pub(super) fn tensors(objects: &Objects, root: Value) -> Outcome<BTreeMap<String, View>> {
    let mut dict = root;
    for _ in 0..DEEPEST {
        let Some(entries) = objects.dict(dict) else { break };
        let tensors = named_tensors(objects, entries);
        if !tensors.is_empty() || entries.is_empty() {
            return Ok(without_wrapper(tensors));
        }
        match nested(objects, entries) {
            Some(inner) => dict = inner,
            None => break,
        }
    }
    Err(Fault::Refused(format!(
        "its pickle has no dictionary of tensors, at the top or under {}{}",
        NESTED.map(|name| format!("`{name}`")).join(", "),
        names_of(objects, root)
    )))
}

fn named_tensors(objects: &Objects, entries: &[(Value, Value)]) -> BTreeMap<String, View> {
    let entry = |&(key, value): &(Value, Value)| {
        Some((objects.text(key)?.to_string(), objects.tensor(value)?.clone()))
    };
    entries.iter().filter_map(entry).collect()
}

fn nested(objects: &Objects, entries: &[(Value, Value)]) -> Option<Value> {
    let named = |name: &str| {
        let is_named =
            |&&(key, _): &&(Value, Value)| objects.text(key).is_some_and(|key| &**key == name);
        entries.iter().rev().find(is_named).map(|&(_, value)| value)
    };
    NESTED.into_iter().filter_map(named).find(|&value| objects.dict(value).is_some())
}

fn without_wrapper(tensors: BTreeMap<String, View>) -> BTreeMap<String, View> {
    if !tensors.keys().all(|name| name.starts_with(WRAPPER)) {
        return tensors;
    }
    tensors.into_iter().map(|(name, view)| (name[WRAPPER.len()..].to_owned(), view)).collect()
}

/// The first names at the top, for the message.
fn names_of(objects: &Objects, root: Value) -> String {
    let names: Vec<&str> = objects
        .dict(root)
        .into_iter()
        .flatten()
        .filter_map(|&(key, _)| objects.text(key))
        .take(8)
        .map(|name| name.get(..40).unwrap_or(name))
        .collect();
    if names.is_empty() { String::new() } else { format!("; at the top are {}", names.join(", ")) }
}
