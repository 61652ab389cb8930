//! Contract of sums and means over one side of a matrix of floats.

use crate::Result;
use crate::memory::{Slice, SliceMut};

/// What a row or a column becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The sum.
    Sum,
    /// The arithmetic mean.
    Mean,
    /// The largest element; not-a-number wins.
    Maximum,
}

/// Which elements of `[rows, columns]` are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Those of a column: `[columns]` results.
    Rows,
    /// Those of a row: `[rows]` results.
    Columns,
    /// All: one result.
    All,
}

/// Sums and means.
pub trait ReduceKernels {
    /// Reduces `[rows, columns]` along `axis`, in a fixed order.
    fn reduce(
        &self,
        reduction: Reduction,
        axis: Axis,
        rows: usize,
        columns: usize,
        input: Slice,
        output: SliceMut,
    ) -> Result<()>;
}
