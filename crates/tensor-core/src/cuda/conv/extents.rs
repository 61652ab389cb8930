//! A convolution's numbers as kernels take them, refused where 32 bits cannot index what they span.

use crate::backend::conv::ConvShape;
use crate::cuda::launch::index;
use crate::{Error, Result};

/// The most rows or columns of a picture with its padding: twice as many, and a line that does not
/// exist (`OUTSIDE` in the kernels), still are 32-bit numbers.
const LARGEST_EXTENT: usize = 1 << 28;

/// More than any kernel's tile has rows: indices of the last tile go that far beyond the last row.
const LARGEST_TILE: usize = 1 << 12;

/// The first fields of every convolution kernel's parameters.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extents {
    pub n: i32,
    pub h: i32,
    pub w: i32,
    pub c: i32,
    pub k: i32,
    pub r: i32,
    pub s: i32,
    pub p: i32,
    pub q: i32,
    pub stride: [i32; 2],
    pub padding: [i32; 2],
}

impl Extents {
    /// # Errors
    /// [`Error::Unsupported`] if a tensor is too large for 32-bit indices.
    pub fn new(op: &'static str, shape: &ConvShape) -> Result<Extents> {
        index(op, "the input", shape.input_len())?;
        index(op, "the weights", shape.weight_len())?;
        index(op, "the output", shape.output_len())?;
        let pixels = shape.output_rows().max(shape.n * shape.h * shape.w);
        let [padded_h, padded_w] = [shape.h + 2 * shape.padding[0], shape.w + 2 * shape.padding[1]];
        let strides = shape.stride[0].max(shape.stride[1]);
        let largest = padded_h.max(padded_w).max(strides);
        if pixels + LARGEST_TILE > i32::MAX as usize || largest > LARGEST_EXTENT {
            return Err(Error::Unsupported {
                op,
                device: "cuda".to_string(),
                message: format!(
                    "{shape} has {pixels} pixels and reaches {largest} with its padding or stride; \
                     kernels take at most {} and {LARGEST_EXTENT}",
                    i32::MAX as usize - LARGEST_TILE
                ),
            });
        }
        // Every number below divides or is less than one of those that were just found to fit.
        let number = |value: usize| value as i32;
        Ok(Extents {
            n: number(shape.n),
            h: number(shape.h),
            w: number(shape.w),
            c: number(shape.c),
            k: number(shape.k),
            r: number(shape.r),
            s: number(shape.s),
            p: number(shape.p()),
            q: number(shape.q()),
            stride: shape.stride.map(number),
            padding: shape.padding.map(number),
        })
    }
}
