//! Storages: what their elements are, where they lie in the file, and the views of them that tensors are.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::rc::Rc;

use super::fault::{Fault, Outcome};
use crate::weights::WeightTensor;
use crate::weights::element::{ByteOrder, ElementType};

/// A class of storage: PyTorch's name without `Storage` or `Tensor`, its bytes an element, and what it becomes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StorageType {
    pub name: &'static str,
    pub bytes: u64,
    element: Option<ElementType>,
}

const fn storage_type(name: &'static str, bytes: u64, element: Option<ElementType>) -> StorageType {
    StorageType { name, bytes, element }
}

/// Every class that `torch` has had under a name of its own.
static STORAGE_TYPES: [StorageType; 12] = [
    storage_type("Float", 4, Some(ElementType::F32)),
    storage_type("Double", 8, Some(ElementType::F64)),
    storage_type("Half", 2, Some(ElementType::F16)),
    storage_type("BFloat16", 2, Some(ElementType::BF16)),
    storage_type("Long", 8, Some(ElementType::I64)),
    storage_type("Int", 4, Some(ElementType::I32)),
    storage_type("Short", 2, None),
    storage_type("Char", 1, None),
    storage_type("Byte", 1, None),
    storage_type("Bool", 1, None),
    storage_type("ComplexFloat", 8, None),
    storage_type("ComplexDouble", 16, None),
];

impl StorageType {
    /// The class of that name.
    pub fn named(name: &str) -> Option<&'static StorageType> {
        STORAGE_TYPES.iter().find(|known| known.name == name)
    }

    /// Bytes of so many elements, if the number is one that a file can have.
    pub fn bytes_of(&self, elements: u64) -> Option<u64> {
        elements.checked_mul(self.bytes)
    }
}

/// Elements `start..start + length` of the storage `key`.
#[derive(Debug, Clone)]
pub(super) struct StorageSlice {
    pub key: Rc<str>,
    pub start: u64,
    pub length: u64,
}

/// A tensor: an offset into a slice of a storage, lengths and steps of its dimensions, in elements.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub storage: StorageSlice,
    pub offset: u64,
    pub shape: Vec<u64>,
    pub strides: Vec<u64>,
}

/// Where a storage's elements lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub kind: &'static StorageType,
    /// Byte of the file at which they begin.
    pub start: u64,
    pub elements: u64,
}

/// All storages of a file, each known to lie within it.
#[derive(Debug)]
pub(super) struct Storages {
    places: HashMap<Rc<str>, Place>,
    order: ByteOrder,
    /// Elements that may still be read.
    budget: u64,
}

impl Storages {
    /// No storages yet, of a file of so many bytes.
    pub fn new(file_length: u64, order: ByteOrder) -> Storages {
        // As many elements as the file has bytes leave room for tensors that share storages (f32 may be read four
        // times over), and keep what is read within four times the file.
        Storages { places: HashMap::new(), order, budget: file_length }
    }

    /// Where that storage lies.
    pub fn place(&self, key: &str) -> Option<Place> {
        self.places.get(key).copied()
    }

    /// Adds a storage that lies within the file.
    pub fn insert(&mut self, key: Rc<str>, place: Place) {
        self.places.insert(key, place);
    }

    /// Reads a tensor in row-major order.
    pub fn read(&mut self, file: &File, name: &str, view: &View) -> Outcome<WeightTensor> {
        let place = self.place(&view.storage.key).ok_or_else(|| {
            Fault::Damaged(format!(
                "tensor `{name}` needs storage {}, which is missing",
                view.storage.key
            ))
        })?;
        let layout = Layout::of(name, view, place)?;
        self.budget = self.budget.checked_sub(layout.cost()).ok_or_else(|| {
            Fault::Refused(format!(
                "up to tensor `{name}` its tensors have more elements than the file has bytes: \
                 too many views of the same storages"
            ))
        })?;
        let element = place
            .kind
            .element
            .ok_or(Fault::ElementType { tensor: name.to_owned(), dtype: place.kind.name })?;
        let mut reader = file;
        reader.seek(SeekFrom::Start(place.start + layout.first * place.kind.bytes))?;
        // Both are within the budget, so within what memory can address.
        let span = element.read(&mut reader, layout.span as usize, self.order)?;
        let shape: Vec<usize> = view.shape.iter().map(|&length| length as usize).collect();
        let values = if layout.is_contiguous { span } else { gathered(&span, view) };
        Ok(WeightTensor { shape, values })
    }
}

/// Which elements of its storage a view touches.
struct Layout {
    /// Elements of the tensor.
    elements: u64,
    /// First element, counted from the storage's beginning.
    first: u64,
    /// Elements from the first to the last that is touched.
    span: u64,
    is_contiguous: bool,
}

impl Layout {
    fn of(name: &str, view: &View, place: Place) -> Outcome<Layout> {
        let fault = |what: &str| {
            Fault::Damaged(format!(
                "tensor `{name}` of shape {:?}, strides {:?} and offset {} {what} storage {} with {} \
                 elements",
                view.shape, view.strides, view.offset, view.storage.key, place.elements
            ))
        };
        let outside = || fault("reaches beyond");
        let elements = view
            .shape
            .iter()
            .try_fold(1_u64, |product, &length| product.checked_mul(length))
            .filter(|&elements| usize::try_from(elements).is_ok())
            .ok_or_else(|| fault("has more elements than can be addressed, of"))?;
        let first = view.storage.start.checked_add(view.offset).ok_or_else(outside)?;
        let reach = |(&length, &stride): (&u64, &u64)| length.saturating_sub(1).checked_mul(stride);
        let span = if elements == 0 {
            0
        } else {
            let last = view
                .shape
                .iter()
                .zip(&view.strides)
                .map(reach)
                .try_fold(0_u64, |sum, step| sum.checked_add(step?));
            last.and_then(|last| last.checked_add(1)).ok_or_else(outside)?
        };
        let slice_end = view.storage.start.checked_add(view.storage.length);
        let end = first.checked_add(span);
        let fits = matches!((end, slice_end), (Some(end), Some(slice_end))
            if end <= slice_end && slice_end <= place.elements);
        if !fits {
            return Err(outside());
        }
        let is_contiguous = span == elements && is_row_major(view);
        Ok(Layout { elements, first, span, is_contiguous })
    }

    /// Elements that reading takes.
    fn cost(&self) -> u64 {
        self.elements.max(self.span)
    }
}

/// Whether the elements lie one after the other in row-major order.
fn is_row_major(view: &View) -> bool {
    let mut expected = 1_u64;
    view.shape.iter().zip(&view.strides).rev().all(|(&length, &stride)| {
        let fits = length == 1 || stride == expected;
        expected = expected.saturating_mul(length);
        fits
    })
}

/// The elements of `view` in row-major order, from the span of its storage that begins at its first.
fn gathered(span: &[f32], view: &View) -> Vec<f32> {
    let elements: u64 = view.shape.iter().product();
    let mut values = Vec::with_capacity(elements as usize);
    let mut index = vec![0_u64; view.shape.len()];
    let mut place = 0;
    for _ in 0..elements {
        values.push(span[place as usize]);
        for dimension in (0..index.len()).rev() {
            index[dimension] += 1;
            place += view.strides[dimension];
            if index[dimension] < view.shape[dimension] {
                break;
            }
            place -= view.strides[dimension] * view.shape[dimension];
            index[dimension] = 0;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(offset: u64, shape: &[u64], strides: &[u64]) -> View {
        let storage = StorageSlice { key: "0".into(), start: 0, length: 24 };
        View { storage, offset, shape: shape.to_vec(), strides: strides.to_vec() }
    }

    fn layout(view: &View) -> Outcome<Layout> {
        let kind = StorageType::named("Float").unwrap();
        Layout::of("t", view, Place { kind, start: 0, elements: 24 })
    }

    #[test]
    fn strides_are_followed() {
        let span: Vec<f32> = (0..24).map(|value| value as f32).collect();
        // [2, 3, 4] seen as [4, 2, 3].
        let permuted = view(0, &[4, 2, 3], &[1, 12, 4]);
        let values = gathered(&span, &permuted);
        for i in 0..4 {
            for j in 0..2 {
                for k in 0..3 {
                    assert_eq!(values[i * 6 + j * 3 + k], (i + j * 12 + k * 4) as f32);
                }
            }
        }
        assert!(!layout(&permuted).unwrap().is_contiguous);
        assert!(layout(&view(0, &[2, 3, 4], &[12, 4, 1])).unwrap().is_contiguous);
        // The step of a dimension of length 1 does not matter.
        assert!(layout(&view(3, &[1, 3, 4], &[999, 4, 1])).is_ok_and(|l| l.is_contiguous));
        assert_eq!(gathered(&[7.0], &view(0, &[2, 2], &[0, 0])), [7.0; 4]);
    }

    #[test]
    fn what_reaches_outside_is_refused() {
        assert!(layout(&view(0, &[24], &[1])).is_ok());
        assert!(layout(&view(24, &[0, 5], &[1, 1])).is_ok());
        for (offset, shape, strides) in [
            (1, &[24][..], &[1][..]),
            (0, &[2], &[24]),
            (0, &[25], &[1]),
            (25, &[0], &[1]),
            (u64::MAX, &[1], &[1]),
            (0, &[3, 3], &[u64::MAX, 1]),
            (0, &[u64::MAX, u64::MAX], &[0, 0]),
        ] {
            let fault = layout(&view(offset, shape, strides));
            assert!(matches!(fault, Err(Fault::Damaged(_))), "{offset} {shape:?} {strides:?}");
        }
    }
}
