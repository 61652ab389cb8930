//! Sums, means and maxima over one side of a matrix.

use super::Reference;
use crate::Result;
use crate::backend::reduce::{Axis, ReduceKernels, Reduction};
use crate::memory::{Slice, SliceMut};

impl ReduceKernels for Reference {
    fn reduce(
        &self,
        reduction: Reduction,
        axis: Axis,
        rows: usize,
        columns: usize,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        let (input, output) = (input.host::<f64>(), output.host::<f64>());
        for (i, element) in output.iter_mut().enumerate() {
            let taken: Vec<f64> = match axis {
                Axis::Rows => (0..rows).map(|row| input[row * columns + i]).collect(),
                Axis::Columns => input[i * columns..(i + 1) * columns].to_vec(),
                Axis::All => input.to_vec(),
            };
            *element = match reduction {
                Reduction::Sum => taken.iter().sum(),
                Reduction::Mean => taken.iter().sum::<f64>() / taken.len() as f64,
                Reduction::Maximum => taken.into_iter().fold(f64::NEG_INFINITY, maximum),
            };
        }
        Ok(())
    }
}

/// The larger one, or not-a-number if either is.
fn maximum(left: f64, right: f64) -> f64 {
    if left.is_nan() || left > right { left } else { right }
}
