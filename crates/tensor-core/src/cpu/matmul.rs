//! Matrix multiplication on the engine of `cpu/gemm`.
//!
//! `A B` and `A Bᵀ` are row products with the right side packed on the way; `Aᵀ B` is a sum of outer
//! products; `Aᵀ Bᵀ` transposes its left side first.

use rayon::prelude::*;

use super::Cpu;
use super::gemm::{
    Grid, Kernels, OuterProduct, PanelSource, RowProduct, Window, outer_workspace, panels_len,
};
use crate::backend::Plan;
use crate::backend::matmul::{MatmulKernels, MatmulShape};
use crate::backend::norm::NormShape;
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::{DType, Result};

const ROW_PRODUCT: &str = "row_product";
const OUTER_PRODUCT: &str = "outer_product";

/// Rows of a task that transposes or adds a bias.
const TASK_ROWS: usize = 64;

fn is_outer(shape: &MatmulShape) -> bool {
    shape.transpose_left && !shape.transpose_right
}

impl MatmulKernels for Cpu {
    fn matmul_plans(&self, shape: &MatmulShape, dtype: DType) -> Vec<Plan> {
        let kernels = Kernels::of(self.instruction_set);
        let (variant, workspace) = if is_outer(shape) {
            (OUTER_PRODUCT, outer_workspace(kernels, shape.k, shape.m, shape.n, 1))
        } else {
            let transposed = if shape.transpose_left { shape.m * shape.k } else { 0 };
            (ROW_PRODUCT, panels_len(kernels, 1, shape.k, shape.n) + transposed)
        };
        vec![Plan {
            variant,
            dtype,
            workspace,
            prepared: 0,
            reads_twin: false,
            fuses_input: false,
            fuses_statistics: None,
            flops: shape.flops(),
            bytes: shape.bytes(dtype),
        }]
    }

    fn matmul(
        &self,
        _plan: &Plan,
        shape: &MatmulShape,
        left: Slice,
        right: Slice,
        bias: Option<Slice>,
        workspace: SliceMut,
        product: Destination,
    ) -> Result<()> {
        let (left, right) = (left.host::<f32>(), right.host::<f32>());
        let bias = bias.map(|bias| bias.host::<f32>());
        let (workspace, mode) = (workspace.host::<f32>(), product.mode);
        let product = product.slice.host::<f32>();
        self.install(|| {
            if is_outer(shape) {
                self.outer(shape, left, right, workspace, product, mode);
            } else {
                self.rows(shape, left, right, workspace, product, mode);
            }
            if let Some(bias) = bias {
                add_bias(bias, product);
            }
        });
        Ok(())
    }
}

impl Cpu {
    fn outer(
        &self,
        shape: &MatmulShape,
        left: &[f32],
        right: &[f32],
        workspace: &mut [f32],
        product: &mut [f32],
        mode: WriteMode,
    ) {
        let outer = OuterProduct {
            window: &Window::matrix(shape.k, shape.n),
            source: right,
            columns: shape.n,
            left,
            left_stride: shape.m,
            left_offset: 0,
            rows: shape.m,
        };
        outer.run(self.instruction_set, workspace, product, mode);
    }

    fn rows(
        &self,
        shape: &MatmulShape,
        left: &[f32],
        right: &[f32],
        workspace: &mut [f32],
        product: &mut [f32],
        mode: WriteMode,
    ) {
        let kernels = Kernels::of(self.instruction_set);
        let (panels, transposed) = workspace.split_at_mut(panels_len(kernels, 1, shape.k, shape.n));
        let (depth_stride, column_stride) =
            if shape.transpose_right { (1, shape.k) } else { (shape.n, 1) };
        let right = PanelSource {
            elements: right,
            taps: vec![0],
            depth: shape.k,
            columns: shape.n,
            depth_stride,
            column_stride,
            blocks: 1,
            block_stride: 0,
        };
        right.pack(kernels, panels);
        let source = if shape.transpose_left {
            transpose(left, shape.m, transposed);
            &*transposed
        } else {
            left
        };
        let rows = RowProduct {
            window: &Window::matrix(shape.m, shape.k),
            source,
            zeros: &[],
            depth: shape.k,
            panels,
            columns: shape.n,
            target: Grid::dense(shape.m, 1, shape.n),
            mode,
            part_rows: NormShape { rows: shape.m, channels: shape.n }.part_rows(),
        };
        rows.run(kernels, product, None);
    }
}

/// `[k, columns]` to `[columns, k]`.
fn transpose(from: &[f32], columns: usize, to: &mut [f32]) {
    let rows = from.len() / columns.max(1);
    to.par_chunks_mut((rows * TASK_ROWS).max(1)).enumerate().for_each(|(task, to)| {
        for (column, to) in to.chunks_exact_mut(rows).enumerate() {
            let column = task * TASK_ROWS + column;
            for (row, to) in to.iter_mut().enumerate() {
                *to = from[row * columns + column];
            }
        }
    });
}

fn add_bias(bias: &[f32], product: &mut [f32]) {
    product.par_chunks_mut((bias.len() * TASK_ROWS).max(1)).for_each(|rows| {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (element, bias) in row.iter_mut().zip(bias) {
                *element += bias;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::CpuOptions;
    use crate::{DType, InstructionSet};

    fn slice(elements: &[f32]) -> Slice<'_> {
        // SAFETY: borrowed for as long as the slice lives.
        unsafe { Slice::from_raw(elements.as_ptr() as u64, elements.len(), DType::F32, true) }
    }

    fn slice_mut(elements: &mut [f32]) -> SliceMut<'_> {
        // SAFETY: borrowed mutably for as long as the slice lives.
        unsafe {
            SliceMut::from_raw(elements.as_mut_ptr() as u64, elements.len(), DType::F32, true)
        }
    }

    /// Small whole numbers, of which every sum here is exact.
    fn numbers(seed: usize, len: usize) -> Vec<f32> {
        (0..len).map(|index| ((index * 7 + seed) * 2_654_435 % 17) as f32 - 8.0).collect()
    }

    /// Where element `(row, column)` lies.
    fn at(columns: usize, rows: usize, transposed: bool, row: usize, column: usize) -> usize {
        if transposed { column * rows + row } else { row * columns + column }
    }

    fn check(cpu: &Cpu, shape: MatmulShape, with_bias: bool, mode: WriteMode) {
        let MatmulShape { m, n, k, transpose_left, transpose_right } = shape;
        let (left, right, bias) = (numbers(1, m * k), numbers(2, k * n), numbers(3, n));
        let (mut product, mut expected) = match mode {
            WriteMode::Write => (vec![f32::NAN; m * n], vec![0.0; m * n]),
            WriteMode::Accumulate => (numbers(4, m * n), numbers(4, m * n)),
        };
        for (index, expected) in expected.iter_mut().enumerate() {
            let (row, column) = (index / n, index % n);
            for depth in 0..k {
                let left = left[at(k, m, transpose_left, row, depth)];
                *expected += left * right[at(n, k, transpose_right, depth, column)];
            }
            *expected += if with_bias { bias[column] } else { 0.0 };
        }
        let plan = &cpu.matmul_plans(&shape, DType::F32)[0];
        let mut workspace = vec![f32::NAN; plan.workspace];
        let (workspace, bias) = (slice_mut(&mut workspace), with_bias.then(|| slice(&bias)));
        let destination = Destination { slice: slice_mut(&mut product), mode };
        cpu.matmul(plan, &shape, slice(&left), slice(&right), bias, workspace, destination)
            .expect("legal plan");
        assert_eq!(product, expected, "{shape} {mode:?}");
    }

    #[test]
    fn every_form_is_exact_on_whole_numbers() {
        for instruction_set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
            let options = CpuOptions { threads: Some(2), instruction_set: Some(instruction_set) };
            let cpu = Cpu::new(options).expect("an available instruction set");
            for [m, n, k] in [[1, 1, 1], [5, 2, 70], [32, 37, 129], [100, 33, 1000], [70, 300, 0]] {
                for sides in 0..4 {
                    let (transpose_left, transpose_right) = (sides & 1 == 1, sides & 2 == 2);
                    let shape = MatmulShape { m, n, k, transpose_left, transpose_right };
                    check(&cpu, shape, false, WriteMode::Write);
                    check(&cpu, shape, true, WriteMode::Write);
                    check(&cpu, shape, false, WriteMode::Accumulate);
                }
            }
        }
    }
}
