//! Matrix multiplication, one sum after the other.

use super::{Reference, store};
use crate::backend::Plan;
use crate::backend::matmul::{MatmulKernels, MatmulShape};
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

impl MatmulKernels for Reference {
    fn matmul_plans(&self, shape: &MatmulShape, dtype: DType) -> Vec<Plan> {
        vec![Plan {
            variant: "reference",
            dtype,
            workspace: 0,
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
        _workspace: SliceMut,
        product: Destination,
    ) -> Result<()> {
        let &MatmulShape { m, n, k, transpose_left, transpose_right } = shape;
        let (left, right) = (left.host::<f64>(), right.host::<f64>());
        let bias = bias.map(Slice::host::<f64>);
        let mut sums = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                let mut sum = bias.map_or(0.0, |bias| bias[j]);
                for l in 0..k {
                    let a = if transpose_left { left[l * m + i] } else { left[i * k + l] };
                    let b = if transpose_right { right[j * k + l] } else { right[l * n + j] };
                    sum += a * b;
                }
                sums[i * n + j] = sum;
            }
        }
        store(product, &sums);
        Ok(())
    }
}
