//! Optimiser steps over all ranges in one launch: `kernels/optimizer.cu`. Where the ranges lie is
//! told by a [`table`] in device memory.

mod table;

use std::ops::Range;

use super::Cuda;
use super::launch::index;
use super::vectors::{THREADS, blocks};
use crate::backend::OptimizerKernels;
use crate::memory::{Buffer, Slice, SliceMut};
use crate::{DType, Result};
use table::Table;

/// Floats of 16 bytes.
const WIDTH: usize = 4;

impl OptimizerKernels for Cuda {
    fn gradient_scale(
        &self,
        ranges: &[Range<usize>],
        limit: Slice,
        gradients: Slice,
        scale: SliceMut,
    ) -> Result<()> {
        index("optimizer.gradient_scale", "the flat buffer", gradients.len())?;
        let table = Table::new(ranges);
        let rows = self.upload(table.bytes())?;
        let mut partials = self.memory.allocate(table.blocks() * DType::F64.size())?;
        self.launch("optimizer", "optimizer_squares_f32")?
            .read(whole(&rows))
            .read(gradients)
            .write(&partials.slice_mut(DType::F64, 0, table.blocks()))
            .value(table.rows())
            .run([table.blocks(), 1, 1], THREADS)?;
        self.launch("optimizer", "optimizer_scale_f32")?
            .read(partials.slice(DType::F64, 0, table.blocks()))
            .read(limit)
            .write(&scale)
            .value(table.blocks() as u32)
            .run([1, 1, 1], THREADS)
    }

    fn sgd_step(
        &self,
        ranges: &[Range<usize>],
        numbers: Slice,
        scale: Slice,
        gradients: Slice,
        values: SliceMut,
        twin: Option<SliceMut>,
        velocity: SliceMut,
    ) -> Result<()> {
        index("optimizer.sgd_step", "the flat buffer", values.len())?;
        let table = Table::new(ranges);
        let rows = self.upload(table.bytes())?;
        self.launch("optimizer", "optimizer_sgd_f32")?
            .read(whole(&rows))
            .read(numbers)
            .read(scale)
            .read(gradients)
            .write(&values)
            .write_optional(twin.as_ref())
            .write(&velocity)
            .value(table.rows())
            .run([table.blocks(), 1, 1], THREADS)
    }

    fn adam_step(
        &self,
        ranges: &[Range<usize>],
        numbers: Slice,
        scale: Slice,
        gradients: Slice,
        values: SliceMut,
        twin: Option<SliceMut>,
        mean: SliceMut,
        mean_square: SliceMut,
    ) -> Result<()> {
        index("optimizer.adam_step", "the flat buffer", values.len())?;
        let table = Table::new(ranges);
        let rows = self.upload(table.bytes())?;
        self.launch("optimizer", "optimizer_adam_f32")?
            .read(whole(&rows))
            .read(numbers)
            .read(scale)
            .read(gradients)
            .write(&values)
            .write_optional(twin.as_ref())
            .write(&mean)
            .write(&mean_square)
            .value(table.rows())
            .run([table.blocks(), 1, 1], THREADS)
    }

    fn commit(&self, scale: Slice, from: Slice, to: SliceMut) -> Result<()> {
        let len = index("optimizer.commit", "the buffer", from.len())?;
        self.launch("optimizer", "optimizer_commit_f32")?
            .read(scale)
            .read(from)
            .write(&to)
            .value(len)
            .run([blocks(from.len(), WIDTH), 1, 1], THREADS)
    }
}

/// All bytes of a buffer.
fn whole(buffer: &Buffer) -> Slice<'_> {
    buffer.slice(DType::U8, 0, buffer.bytes())
}

impl Cuda {
    /// A copy of host bytes in device memory.
    fn upload(&self, bytes: &[u8]) -> Result<Buffer> {
        let buffer = self.memory.allocate(bytes.len())?;
        // SAFETY: the block was just handed out, is as long as the bytes, and nobody else knows it.
        unsafe { self.memory.memory().copy_from_host(bytes, buffer.address())? };
        Ok(buffer)
    }
}
