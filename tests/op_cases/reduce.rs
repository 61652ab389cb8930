//! Sums, means and maxima of matrices.

use tensor_core::backend::Plan;
use tensor_core::ops::reduce::{Axis, Reduction, reduce};
use tensor_core::{Device, Result, Tensor};

use super::input::{Draw, Input, absolute_inputs};
use super::view::View;
use super::{Case, Output, magnitudes_by_reference};

/// Rows and columns.
pub const SIZES: &[[usize; 2]] = &[
    [1, 1],
    [1, 17],
    [33, 1],
    [2, 5],
    [65, 3],
    [7, 1000],
    [5000, 5],
    [300, 129],
    [3, 20_003],
    [2, 16_384],
];

const REDUCTIONS: [Reduction; 3] = [Reduction::Sum, Reduction::Mean, Reduction::Maximum];
const AXES: [Axis; 3] = [Axis::Rows, Axis::Columns, Axis::All];

/// All sizes, reductions and axes, without and with not-a-number; some begin in the middle of a
/// buffer.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for &size in SIZES {
        for reduction in REDUCTIONS {
            for axis in AXES {
                for not_a_number in [false, true] {
                    cases.push(Box::new(Reduce { size, reduction, axis, not_a_number }));
                }
                if size == [300, 129] {
                    let reduce = Reduce { size, reduction, axis, not_a_number: false };
                    cases.push(Box::new(View(Box::new(reduce))));
                }
            }
        }
    }
    cases
}

struct Reduce {
    size: [usize; 2],
    reduction: Reduction,
    axis: Axis,
    not_a_number: bool,
}

impl Case for Reduce {
    fn name(&self) -> String {
        let Reduce { size, reduction, axis, not_a_number } = self;
        let holes = if *not_a_number { " with not-a-number" } else { "" };
        format!("reduce {reduction:?} {axis:?} {size:?}{holes}")
    }

    fn inputs(&self, draw: &mut Draw) -> Vec<Input> {
        // Nearly all negative, so that a maximum that begins at zero is seen.
        let input = draw.normal_about(self.size, -2.0, 1.0);
        let hole = |x: f32| if x > 0.8 { f32::NAN } else { x };
        vec![if self.not_a_number { input.map(hole) } else { input }]
    }

    fn run(&self, _: &Device, _: Option<&Plan>, inputs: &[Tensor]) -> Result<Vec<Output>> {
        let output = reduce(self.reduction, self.axis, &inputs[0])?;
        Ok(vec![Output::new("output", &output)?])
    }

    fn magnitudes(&self, inputs: &[Input], _expected: &[Output]) -> Result<Vec<Vec<f64>>> {
        magnitudes_by_reference(self, &absolute_inputs(inputs))
    }
}
