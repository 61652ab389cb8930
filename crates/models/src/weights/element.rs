//! The element types of tensors in files, and their way to `f32`. Which file holds what is the formats' business.

use std::io::{self, Read};

use half::{bf16, f16};

/// Bytes converted at a time; a multiple of every element size.
const CHUNK: usize = 1 << 20;

/// An element type that becomes `f32`, rounded where `f32` is coarser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementType {
    F32,
    F16,
    BF16,
    F64,
    I64,
    I32,
}

/// In which order the bytes of one element lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ElementType {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// Reads so many elements. Memory is taken at once, so the caller has checked that the file has them.
    pub fn read(
        self,
        reader: &mut impl Read,
        elements: usize,
        order: ByteOrder,
    ) -> io::Result<Vec<f32>> {
        let mut left = elements * self.bytes();
        let mut values = Vec::with_capacity(elements);
        let mut chunk = vec![0; left.min(CHUNK)];
        while left > 0 {
            let bytes = &mut chunk[..left.min(CHUNK)];
            reader.read_exact(bytes)?;
            if order == ByteOrder::Big {
                bytes.chunks_exact_mut(self.bytes()).for_each(<[u8]>::reverse);
            }
            self.convert(bytes, &mut values);
            left -= bytes.len();
        }
        Ok(values)
    }

    fn convert(self, bytes: &[u8], values: &mut Vec<f32>) {
        fn each<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, to: impl Fn([u8; N]) -> f32) {
            let (elements, _) = bytes.as_chunks::<N>();
            values.extend(elements.iter().map(|element| to(*element)));
        }
        match self {
            Self::F32 => each(bytes, values, f32::from_le_bytes),
            Self::F16 => each(bytes, values, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => each(bytes, values, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F64 => each(bytes, values, |b| f64::from_le_bytes(b) as f32),
            Self::I64 => each(bytes, values, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => each(bytes, values, |b| i32::from_le_bytes(b) as f32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_give_the_same_values() {
        let numbers = [1.5_f64, -0.0, 3e10, f64::MIN_POSITIVE];
        let little: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let big: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        let read = |bytes: &[u8], order| {
            ElementType::F64.read(&mut &bytes[..], numbers.len(), order).unwrap()
        };
        let expected = numbers.map(|n| n as f32);
        assert_eq!(read(&little, ByteOrder::Little), expected);
        assert_eq!(read(&big, ByteOrder::Big), expected);
        assert!(ElementType::F64.read(&mut &little[1..], 4, ByteOrder::Little).is_err());
    }
}
