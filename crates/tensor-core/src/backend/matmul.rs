//! Contract of matrix multiplication: row-major matrices, either side transposed in place.

use std::fmt;

use super::Plan;
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

/// `[m, k] x [k, n] -> [m, n]`; a transposed side is stored as `[k, m]` or `[n, k]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatmulShape {
    /// Rows of the product.
    pub m: usize,
    /// Columns of the product.
    pub n: usize,
    /// Length of the sums.
    pub k: usize,
    /// The left matrix is stored as `[k, m]`.
    pub transpose_left: bool,
    /// The right matrix is stored as `[n, k]`.
    pub transpose_right: bool,
}

impl MatmulShape {
    /// Floating-point operations.
    pub fn flops(&self) -> u64 {
        2 * (self.m * self.n * self.k) as u64
    }

    /// Bytes of the three matrices of this type.
    pub fn bytes(&self, dtype: DType) -> u64 {
        ((self.m * self.k + self.k * self.n + self.m * self.n) * dtype.size()) as u64
    }
}

impl fmt::Display for MatmulShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |transposed| if transposed { "T" } else { "" };
        let (left, right) = (mark(self.transpose_left), mark(self.transpose_right));
        write!(f, "[{} {}]{left} x [{} {}]{right}", self.m, self.k, self.k, self.n)
    }
}

/// Matrix multiplication.
pub trait MatmulKernels {
    /// Every legal plan for this shape and type of matrices, the best first; never empty for a type
    /// that the backend supports. `prepared` is 0: both sides are read as they are.
    fn matmul_plans(&self, shape: &MatmulShape, dtype: DType) -> Vec<Plan>;

    /// `left x right`, plus `bias` (`[n]` floats, added to each row) if there is one. The three
    /// matrices are of the plan's type.
    fn matmul(
        &self,
        plan: &Plan,
        shape: &MatmulShape,
        left: Slice,
        right: Slice,
        bias: Option<Slice>,
        workspace: SliceMut,
        product: Destination,
    ) -> Result<()>;
}
