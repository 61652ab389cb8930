//! How the pickles of the second and third container name a storage.

use std::rc::Rc;

use super::fault::{Fault, Outcome};
use super::pickle::{Global, Objects, Value};
use super::storage::StorageType;

/// What a persistent id says: `("storage", class, key, location, elements)`, in this container followed by `None` or
/// `(key of the part, first element, elements)`.
pub(super) struct StorageId {
    pub kind: &'static StorageType,
    pub key: Rc<str>,
    pub elements: u64,
    pub view: Option<(u64, u64)>,
}

impl StorageId {
    pub fn of(objects: &Objects, id: Value) -> Outcome<StorageId> {
        let damaged =
            || Fault::Damaged("its pickle describes a storage in an unknown way".to_owned());
        let parts = objects.sequence(id).ok_or_else(damaged)?;
        let (&[kind, class, key, _location, elements], rest) =
            parts.split_first_chunk::<5>().ok_or_else(damaged)?;
        if objects.text(kind).is_none_or(|kind| &**kind != "storage") {
            return Err(damaged());
        }
        let (Value::Global(Global::Storage(kind)), Some(key), Some(elements)) =
            (class, objects.key(key), elements.count())
        else {
            return Err(damaged());
        };
        let view = match rest.first().and_then(|&view| objects.sequence(view)) {
            None => None,
            Some(&[_key, start, length]) => {
                Some((start.count().ok_or_else(damaged)?, length.count().ok_or_else(damaged)?))
            }
            Some(_) => return Err(damaged()),
        };
        Ok(StorageId { kind, key, elements, view })
    }
}
