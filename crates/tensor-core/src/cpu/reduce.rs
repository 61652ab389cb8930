//! Sums, means and maxima of a matrix: vector lanes within a block, blocks joined in f64 in order.

use super::Cpu;
use super::pointwise::parts::{PART, part_rows};
use super::vector::dispatch;
use crate::Result;
use crate::backend::ReduceKernels;
use crate::backend::reduce::{Axis, Reduction};
use crate::memory::{Slice, SliceMut};

/// Independent sums within a block.
const LANES: usize = 32;

/// Elements that are summed in f32 before the sum goes on in f64.
const BLOCK: usize = 64 * LANES;

/// Rows that are summed in f32 before the sum goes on in f64.
const BLOCK_ROWS: usize = 64;

impl ReduceKernels for Cpu {
    fn reduce(
        &self,
        reduction: Reduction,
        axis: Axis,
        rows: usize,
        columns: usize,
        input: Slice,
        output: SliceMut,
    ) -> Result<()> {
        let (input, output) = (input.host::<f32>(), output.host::<f32>());
        let count = match axis {
            Axis::Rows => rows,
            Axis::Columns => columns,
            Axis::All => input.len(),
        };
        let finish = |joined: f64| match reduction {
            Reduction::Mean => (joined / count as f64) as f32,
            Reduction::Sum | Reduction::Maximum => joined as f32,
        };
        match axis {
            Axis::Columns => {
                let part = part_rows(columns);
                let parts = input.chunks(part * columns.max(1)).zip(output.chunks_mut(part));
                self.for_each_part(input.len(), parts, |(input, output)| {
                    for (row, output) in input.chunks_exact(columns).zip(output) {
                        *output = finish(self.reduce_run(reduction, row));
                    }
                });
            }
            Axis::Rows if columns > 1 => {
                let totals = self.reduce_columns(reduction, columns, input);
                output.iter_mut().zip(totals).for_each(|(output, total)| *output = finish(total));
            }
            Axis::Rows | Axis::All => {
                let mut partials = vec![0.0; input.len().div_ceil(PART)];
                let parts = input.chunks(PART).zip(&mut partials);
                self.for_each_part(input.len(), parts, |(input, partial)| {
                    *partial = self.reduce_run(reduction, input);
                });
                output[0] = finish(join(reduction, partials.into_iter()));
            }
        }
        Ok(())
    }
}

impl Cpu {
    /// The sum or maximum of a run of elements.
    fn reduce_run(&self, reduction: Reduction, run: &[f32]) -> f64 {
        match reduction {
            Reduction::Sum | Reduction::Mean => run_sum(self.instruction_set, run),
            Reduction::Maximum => f64::from(run_maximum(self.instruction_set, run)),
        }
    }

    /// The sums or maxima of all columns.
    fn reduce_columns(&self, reduction: Reduction, columns: usize, input: &[f32]) -> Vec<f64> {
        let part = part_rows(columns) * columns;
        let mut partials = vec![0.0; input.len().div_ceil(part) * columns];
        let parts = input.chunks(part).zip(partials.chunks_exact_mut(columns));
        self.for_each_part(input.len(), parts, |(rows, partial)| match reduction {
            Reduction::Sum | Reduction::Mean => column_sums(self.instruction_set, rows, partial),
            Reduction::Maximum => column_maxima(self.instruction_set, rows, partial),
        });
        let column = |column: usize| partials[column..].iter().step_by(columns).copied();
        let totals = (0..columns).map(|index| {
            if partials.is_empty() {
                join(reduction, std::iter::empty())
            } else {
                join(reduction, column(index))
            }
        });
        totals.collect()
    }
}

/// Joins partial results in order.
fn join(reduction: Reduction, partials: impl Iterator<Item = f64>) -> f64 {
    match reduction {
        Reduction::Sum | Reduction::Mean => partials.sum(),
        Reduction::Maximum => {
            partials.fold(
                f64::NEG_INFINITY,
                |best, next| {
                    if next > best || next.is_nan() { next } else { best }
                },
            )
        }
    }
}

/// The larger of two; a not-a-number is larger than all.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

dispatch! {
    fn run_sum(run: &[f32]) -> f64 {
        let mut total = 0.0;
        for block in run.chunks(BLOCK) {
            let mut lanes = [0.0; LANES];
            let rows = block.chunks_exact(LANES);
            for (lane, value) in lanes.iter_mut().zip(rows.remainder()) {
                *lane = *value;
            }
            for row in rows {
                for lane in 0..LANES {
                    lanes[lane] += row[lane];
                }
            }
            total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        }
        total
    }

    fn run_maximum(run: &[f32]) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let rows = run.chunks_exact(LANES);
        for (lane, value) in lanes.iter_mut().zip(rows.remainder()) {
            *lane = *value;
        }
        for row in rows {
            for lane in 0..LANES {
                lanes[lane] = larger(lanes[lane], row[lane]);
            }
        }
        lanes.into_iter().fold(f32::NEG_INFINITY, larger)
    }

    fn column_sums(rows: &[f32], sums: &mut [f64]) {
        let columns = sums.len();
        let mut block_sums = vec![0.0f32; columns];
        for block in rows.chunks(BLOCK_ROWS * columns) {
            block_sums.fill(0.0);
            for row in block.chunks_exact(columns) {
                for i in 0..columns {
                    block_sums[i] += row[i];
                }
            }
            for i in 0..columns {
                sums[i] += f64::from(block_sums[i]);
            }
        }
    }

    fn column_maxima(rows: &[f32], maxima: &mut [f64]) {
        let columns = maxima.len();
        let mut best = rows[..columns].to_vec();
        for row in rows.chunks_exact(columns) {
            for i in 0..columns {
                best[i] = larger(best[i], row[i]);
            }
        }
        for i in 0..columns {
            maxima[i] = f64::from(best[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::pointwise::testing::{normal, on_all_sets, read, write};

    const REDUCTIONS: [Reduction; 3] = [Reduction::Sum, Reduction::Mean, Reduction::Maximum];
    const AXES: [Axis; 3] = [Axis::Rows, Axis::Columns, Axis::All];

    /// The elements of each result.
    fn taken(axis: Axis, rows: usize, columns: usize, input: &[f32]) -> Vec<Vec<f32>> {
        let column = |column: usize| (0..rows).map(|row| input[row * columns + column]).collect();
        match axis {
            Axis::Rows => (0..columns).map(column).collect(),
            Axis::Columns => input.chunks(columns).map(<[f32]>::to_vec).collect(),
            Axis::All => vec![input.to_vec()],
        }
    }

    #[test]
    fn every_reduction_is_right_along_every_axis() {
        for (rows, columns) in [(1, 1), (3, 7), (64, 10), (700, 67), (50_001, 1), (2, 40_003)] {
            let input: Vec<f32> = normal(rows * columns, 1).iter().map(|x| x + 3.0).collect();
            for (reduction, axis) in REDUCTIONS.into_iter().flat_map(|r| AXES.map(|a| (r, a))) {
                let compute = |cpu: &Cpu| {
                    let results = taken(axis, rows, columns, &input).len();
                    let mut output = vec![f32::NAN; results];
                    let to = write(&mut output);
                    cpu.reduce(reduction, axis, rows, columns, read(&input), to).unwrap();
                    output
                };
                on_all_sets(compute, |set, found| {
                    for (found, taken) in found.iter().zip(taken(axis, rows, columns, &input)) {
                        let values = || taken.iter().map(|&x| f64::from(x));
                        let sum: f64 = values().sum();
                        let magnitude: f64 = values().map(f64::abs).sum();
                        let (expected, bound) = match reduction {
                            Reduction::Sum => (sum, magnitude),
                            Reduction::Mean => {
                                (sum / taken.len() as f64, magnitude / taken.len() as f64)
                            }
                            Reduction::Maximum => (values().fold(f64::MIN, f64::max), 0.0),
                        };
                        let distance = (f64::from(*found) - expected).abs();
                        let what = format!("{set} {reduction:?} {axis:?} {rows} {columns}");
                        assert!(distance <= 1e-6 * bound, "{what}: {found} {expected}");
                    }
                });
            }
        }
    }

    #[test]
    fn a_not_a_number_wins_a_maximum() {
        for axis in AXES {
            let mut input = vec![1.0f32; 5 * 41];
            input[3 * 41 + 7] = f32::NAN;
            let compute = |cpu: &Cpu| {
                let mut output = vec![0.0f32; taken(axis, 5, 41, &input).len()];
                let to = write(&mut output);
                cpu.reduce(Reduction::Maximum, axis, 5, 41, read(&input), to).unwrap();
                output
            };
            on_all_sets(compute, |_, found| {
                assert_eq!(found.iter().filter(|x| x.is_nan()).count(), 1, "{axis:?}");
            });
        }
    }
}
