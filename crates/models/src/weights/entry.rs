//! A tensor on its way into a file.

use std::borrow::Cow;
use std::io::{self, Write};

use super::WeightTensor;

/// A name, a shape and values.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub name: Cow<'a, str>,
    pub shape: &'a [usize],
    pub values: Values<'a>,
}

/// Values of one element type, which formats name in their own ways.
#[derive(Debug, Clone, Copy)]
pub(super) enum Values<'a> {
    Floats(&'a [f32]),
    /// A single 64-bit number.
    Integer(i64),
}

impl<'a> Entry<'a> {
    /// A tensor under this name.
    pub fn of(name: &'a str, tensor: &'a WeightTensor) -> Entry<'a> {
        Entry { name: name.into(), shape: &tensor.shape, values: Values::Floats(&tensor.values) }
    }
}

impl Values<'_> {
    /// Number of elements.
    pub fn len(self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Integer(_) => 1,
        }
    }

    /// Bytes of one element.
    pub fn element_bytes(self) -> usize {
        match self {
            Self::Floats(_) => size_of::<f32>(),
            Self::Integer(_) => size_of::<i64>(),
        }
    }

    /// Bytes of all elements.
    pub fn bytes(self) -> usize {
        self.len() * self.element_bytes()
    }

    /// Writes all elements, little-endian.
    pub fn write(self, writer: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Floats(values) => {
                values.iter().try_for_each(|value| writer.write_all(&value.to_le_bytes()))
            }
            Self::Integer(number) => writer.write_all(&number.to_le_bytes()),
        }
    }
}
