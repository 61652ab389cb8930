//! Convolution on the engine of `cpu/gemm`: no picture is unfolded. Output pixels read the input
//! where it lies, through one pointer for each tap of the kernel.
//!
//! Variants: `implicit` reads the input itself; `padded_rows` first copies it into pictures with a
//! frame of zeros, where the pixels that a kernel row covers lie side by side, so that three-channel
//! pictures give long sums too; `grouped` is for narrow groups of channels (see [`grouped`]).

mod epilogue;
mod grouped;
mod padded;
mod term;
mod weight_gradient;

#[cfg(test)]
mod tests;

use super::Cpu;
use super::gemm::{FinishPart, Kernels, RowProduct, Window};
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvKernels, ConvOutput, ConvShape};
use crate::backend::norm::NormShape;
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::{DType, Result};
use epilogue::Epilogue;
use grouped::Grouped;
use term::{Slices, Term};

const IMPLICIT: &str = "implicit";
const PADDED_ROWS: &str = "padded_rows";
const GROUPED: &str = "grouped";

/// Up to this many channels `padded_rows` is the faster variant.
const FEW_CHANNELS: usize = 4;

impl ConvKernels for Cpu {
    fn conv_plans(&self, shape: &ConvShape, dtype: DType, direction: ConvDirection) -> Vec<Plan> {
        let kernels = Kernels::of(self.instruction_set);
        let plan = |variant| {
            let terms = match direction {
                ConvDirection::Forward => term::forward(shape, variant == PADDED_ROWS),
                ConvDirection::InputGradient => term::input_gradient(shape),
                ConvDirection::WeightGradient => Vec::new(),
            };
            let workspace = match direction {
                ConvDirection::WeightGradient => {
                    weight_gradient::workspace(kernels, shape, variant == PADDED_ROWS)
                }
                _ if variant == PADDED_ROWS => padded::len(shape),
                _ => terms.iter().map(Term::depth).max().unwrap_or(0),
            };
            let fuses = direction == ConvDirection::Forward && Slices::new(shape).count == 1;
            let fuses_statistics = fuses.then(|| shape.output_norm().part_rows());
            Plan {
                variant,
                dtype,
                workspace,
                prepared: terms.iter().map(|term| term.panels_len(kernels)).sum(),
                reads_twin: false,
                fuses_input: false,
                fuses_statistics,
                flops: shape.flops(),
                bytes: shape.bytes(dtype),
            }
        };
        let few = shape.c <= FEW_CHANNELS;
        let row_of_one = shape.s == 1 && shape.padding == [0, 0];
        let mut plans = match direction {
            ConvDirection::InputGradient => vec![plan(IMPLICIT)],
            _ if shape.groups > 1 || row_of_one => vec![plan(IMPLICIT)],
            _ if few => vec![plan(PADDED_ROWS), plan(IMPLICIT)],
            _ => vec![plan(IMPLICIT), plan(PADDED_ROWS)],
        };
        if let Some(grouped) = Grouped::new(self.instruction_set, shape) {
            let place = if grouped.is_best() { 0 } else { plans.len() };
            plans.insert(place, grouped.plan(dtype, direction));
        }
        plans
    }

    fn conv_normalises(&self, plan: &Plan) -> bool {
        plan.fuses_statistics.is_some()
    }

    fn conv_prepare(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        direction: ConvDirection,
        weights: Slice,
        prepared: SliceMut,
    ) -> Result<()> {
        let (weights, mut prepared) = (weights.host::<f32>(), prepared.host::<f32>());
        if let Some(grouped) = self.grouped(plan, shape) {
            grouped.prepare(direction, weights, prepared);
            return Ok(());
        }
        let kernels = Kernels::of(self.instruction_set);
        let terms = match direction {
            ConvDirection::Forward => term::forward(shape, plan.variant == PADDED_ROWS),
            ConvDirection::InputGradient => term::input_gradient(shape),
            ConvDirection::WeightGradient => Vec::new(),
        };
        self.install(|| {
            for term in &terms {
                let panels = prepared.split_off_mut(..term.panels_len(kernels)).unwrap_or_default();
                term.panel_source(weights).pack(kernels, panels);
            }
        });
        Ok(())
    }

    fn conv_forward(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        input: ConvInput,
        weights: Slice,
        workspace: SliceMut,
        output: ConvOutput,
    ) -> Result<()> {
        let ConvInput::Plain(input) = input else {
            unreachable!("no plan of this backend says `fuses_input`");
        };
        let (output, epilogue) = Epilogue::of(output);
        let part_rows = plan.fuses_statistics.unwrap_or(0);
        let finish = |part: usize, rows: &mut [f32]| {
            epilogue.finish(self.instruction_set, shape.k, part_rows, part, rows);
        };
        let finish = (!epilogue.is_nothing()).then_some(&finish as FinishPart);
        let padded = plan.variant == PADDED_ROWS;
        let (input, workspace) = (input.host::<f32>(), workspace.host::<f32>());
        let terms = term::forward(shape, padded);
        let grouped = self.grouped(plan, shape);
        self.install(|| {
            if let Some(grouped) = grouped {
                let (direction, mode) = (ConvDirection::Forward, WriteMode::Write);
                return grouped.product(direction, input, weights.host(), output.host(), mode);
            }
            let (source, zeros) = if padded {
                padded::copy(shape, input, workspace);
                (&*workspace, &[][..])
            } else {
                workspace.fill(0.0);
                (input, &*workspace)
            };
            let operands =
                Operands { source, zeros, panels: weights.host(), mode: WriteMode::Write };
            self.run_terms(&terms, operands, output.host(), finish);
        });
        Ok(())
    }

    fn conv_input_gradient(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        output_gradient: Slice,
        weights: Slice,
        workspace: SliceMut,
        input_gradient: Destination,
    ) -> Result<()> {
        let zeros = workspace.host::<f32>();
        let terms = term::input_gradient(shape);
        let Destination { slice, mode } = input_gradient;
        let grouped = self.grouped(plan, shape);
        self.install(|| {
            let source = output_gradient.host();
            if let Some(grouped) = grouped {
                let direction = ConvDirection::InputGradient;
                return grouped.product(direction, source, weights.host(), slice.host(), mode);
            }
            zeros.fill(0.0);
            let operands = Operands { source, zeros, panels: weights.host(), mode };
            self.run_terms(&terms, operands, slice.host(), None);
        });
        Ok(())
    }

    fn conv_weight_gradient(
        &self,
        plan: &Plan,
        shape: &ConvShape,
        input: Slice,
        output_gradient: Slice,
        workspace: SliceMut,
        weight_gradient: Destination,
    ) -> Result<()> {
        let padded = plan.variant == PADDED_ROWS;
        let (input, workspace) = (input.host::<f32>(), workspace.host::<f32>());
        let Destination { slice, mode } = weight_gradient;
        let grouped = self.grouped(plan, shape);
        self.install(|| {
            if let Some(grouped) = grouped {
                let gradient = output_gradient.host();
                return grouped.weight_gradient(input, gradient, workspace, slice.host(), mode);
            }
            let copied = if padded { padded::len(shape) } else { 0 };
            let (copy, workspace) = workspace.split_at_mut(copied);
            let source = if padded {
                padded::copy(shape, input, copy);
                &*copy
            } else {
                input
            };
            let gradient = weight_gradient::WeightGradient {
                shape,
                padded,
                source,
                output_gradient: output_gradient.host(),
            };
            gradient.run(self.instruction_set, workspace, slice.host(), mode);
        });
        Ok(())
    }
}

/// What the terms of a convolution read.
struct Operands<'a> {
    source: &'a [f32],
    zeros: &'a [f32],
    /// The panels of all terms, one term's behind the other's.
    panels: &'a [f32],
    mode: WriteMode,
}

impl Cpu {
    /// What computes a plan of the variant for narrow groups.
    fn grouped<'a>(&self, plan: &Plan, shape: &'a ConvShape) -> Option<Grouped<'a>> {
        let wanted = plan.variant == GROUPED;
        wanted.then(|| Grouped::new(self.instruction_set, shape)).flatten()
    }

    /// Computes all terms, in parts that are those of batch norm's statistics; `finish` as in
    /// [`RowProduct::run`].
    fn run_terms(
        &self,
        terms: &[Term],
        operands: Operands,
        target: &mut [f32],
        finish: Option<FinishPart>,
    ) {
        let kernels = Kernels::of(self.instruction_set);
        let mut panels = operands.panels;
        for term in terms {
            let term_panels = panels.split_off(..term.panels_len(kernels)).unwrap_or_default();
            let nothing_to_add =
                operands.mode == WriteMode::Accumulate && term.window.taps.is_empty();
            if nothing_to_add {
                continue;
            }
            let shape = NormShape { rows: term.window.pixels(), channels: term.columns() };
            let product = RowProduct {
                window: &term.window,
                source: operands.source,
                zeros: operands.zeros,
                depth: term.depth(),
                panels: term_panels,
                columns: term.columns(),
                target: term.target,
                mode: operands.mode,
                part_rows: shape.part_rows(),
            };
            product.run(kernels, target, finish);
        }
    }
}

/// The window through which both the forward pass and the weight gradient read the input, or its
/// padded copy.
fn input_window(shape: &ConvShape, padded: bool) -> Window {
    if padded { padded::window(shape) } else { term::input_window(shape) }
}
