//! Sums, means and maxima: `kernels/reduce.cu`. Parts depend on the shape alone.

use super::Cuda;
use super::launch::{DeviceParameter, index};
use super::vectors::THREADS;
use crate::backend::ReduceKernels;
use crate::backend::reduce::{Axis, Reduction};
use crate::memory::{Slice, SliceMut};
use crate::{DType, Result};

/// Threads of a warp, and columns that a block takes.
const WARP: usize = 32;

/// Up to this many columns a warp takes a row.
const SHORT_ROW: usize = 1024;

/// Elements of a row that a block takes at least: 32 a thread.
const ROW_PART: usize = 8192;

/// Rows that a block takes at least: 32 a thread.
const COLUMN_PART: usize = 256;

/// Parts at most, so that joining them stays short.
const PARTS: usize = 1024;

/// The shape and how it is cut, as the kernels take it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Matrix {
    rows: u32,
    columns: u32,
    part: u32,
    parts: u32,
    vectors: u32,
    reduction: i32,
}

// SAFETY: six numbers of four bytes each, in the kernels' order.
unsafe impl DeviceParameter for Matrix {}

/// The reductions as the kernels number them.
fn number(reduction: Reduction) -> i32 {
    match reduction {
        Reduction::Sum => 0,
        Reduction::Mean => 1,
        Reduction::Maximum => 2,
    }
}

/// How much of `len` a block takes: `least` at least, a multiple of it, and not too small a share.
fn part_of(len: usize, least: usize) -> usize {
    len.div_ceil(PARTS).next_multiple_of(least).max(least)
}

impl ReduceKernels for Cuda {
    fn reduce(
        &self,
        reduction: Reduction,
        axis: Axis,
        rows: usize,
        columns: usize,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        index("reduce", "the input", input.len())?;
        match axis {
            Axis::Rows if columns > 1 => {
                self.reduce_columns(reduction, rows, columns, input, output)
            }
            Axis::Columns => self.reduce_rows(reduction, rows, columns, input, output),
            Axis::Rows | Axis::All => self.reduce_rows(reduction, 1, input.len(), input, output),
        }
    }
}

impl Cuda {
    fn reduce_rows(
        &self,
        reduction: Reduction,
        rows: usize,
        columns: usize,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        let part = part_of(columns, ROW_PART);
        let parts = columns.div_ceil(part);
        let aligned = input.address().is_multiple_of(16);
        let matrix = Matrix {
            rows: rows as u32,
            columns: columns as u32,
            part: part as u32,
            parts: parts as u32,
            vectors: u32::from(aligned && (rows == 1 || columns.is_multiple_of(4))),
            reduction: number(reduction),
        };
        if columns <= SHORT_ROW {
            let launch = self.launch("reduce", "reduce_short_rows_f32")?;
            let blocks = rows.div_ceil(THREADS / WARP);
            return launch.read(input).write(&output).value(matrix).run([blocks, 1, 1], THREADS);
        }
        self.in_parts(reduction, rows, parts, columns, output, |output| {
            let launch = self.launch("reduce", "reduce_rows_f32")?;
            launch.read(input).write(output).value(matrix).run([rows * parts, 1, 1], THREADS)
        })
    }

    fn reduce_columns(
        &self,
        reduction: Reduction,
        rows: usize,
        columns: usize,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        let part = part_of(rows, COLUMN_PART);
        let parts = rows.div_ceil(part);
        let matrix = Matrix {
            rows: rows as u32,
            columns: columns as u32,
            part: part as u32,
            parts: parts as u32,
            vectors: 0,
            reduction: number(reduction),
        };
        self.in_parts(reduction, columns, parts, rows, output, |output| {
            let launch = self.launch("reduce", "reduce_columns_f32")?;
            let grid = [columns.div_ceil(WARP), parts, 1];
            launch.read(input).write(output).value(matrix).run(grid, THREADS)
        })
    }

    /// Has `reduce` write the results, or their parts, which are joined then. `count` elements go
    /// into a result.
    fn in_parts(
        &self,
        reduction: Reduction,
        results: usize,
        parts: usize,
        count: usize,
        output: SliceMut,
        reduce: impl FnOnce(&SliceMut) -> Result<()>,
    ) -> Result<()> {
        if parts == 1 {
            return reduce(&output);
        }
        let len = results * parts;
        let mut partials = self.memory.allocate(len * DType::F32.size())?;
        reduce(&partials.slice_mut(DType::F32, 0, len))?;
        self.launch("reduce", "reduce_join_f32")?
            .read(partials.slice(DType::F32, 0, len))
            .write(&output)
            .value(results as u32)
            .value(parts as u32)
            .value(count as u32)
            .value(number(reduction))
            .run([results.div_ceil(THREADS / WARP), 1, 1], THREADS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_neither_small_nor_many() {
        for len in [1, 8192, 8193, 1 << 23, (1 << 23) + 1, i32::MAX as usize] {
            let part = part_of(len, ROW_PART);
            assert!(part.is_multiple_of(ROW_PART), "{len}");
            assert!(len.div_ceil(part) <= PARTS, "{len}");
        }
        assert_eq!(part_of(8192, ROW_PART), 8192);
    }
}
