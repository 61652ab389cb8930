//! Plain sums: rows of pixels, read where they lie or in a padded copy, times packed weights.

use super::super::InstructionSet;
use super::super::gemm::{FinishPart, Kernels, RowProduct};
use super::term::{Slices, Term};
use super::weight_gradient::{self, WeightGradient};
use super::{IMPLICIT, PADDED_ROWS, padded, term};
use crate::DType;
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvShape};
use crate::backend::norm::NormShape;
use crate::memory::WriteMode;

/// A convolution by plain sums on one instruction set.
pub(super) struct Direct<'a> {
    pub instruction_set: InstructionSet,
    pub shape: &'a ConvShape,
    /// Whether the input is read in a padded copy.
    pub padded: bool,
}

impl Direct<'_> {
    fn kernels(&self) -> &'static Kernels {
        Kernels::of(self.instruction_set)
    }

    fn terms(&self, direction: ConvDirection) -> Vec<Term> {
        match direction {
            ConvDirection::Forward => term::forward(self.shape, self.padded),
            ConvDirection::InputGradient => term::input_gradient(self.shape),
            ConvDirection::WeightGradient => Vec::new(),
        }
    }

    /// The plan of a direction.
    pub fn plan(&self, dtype: DType, direction: ConvDirection) -> Plan {
        let (shape, terms) = (self.shape, self.terms(direction));
        let workspace = match direction {
            ConvDirection::WeightGradient => {
                weight_gradient::workspace(self.kernels(), shape, self.padded)
            }
            _ if self.padded => padded::len(shape),
            _ => terms.iter().map(Term::depth).max().unwrap_or(0),
        };
        let fuses = direction == ConvDirection::Forward && Slices::new(shape).count == 1;
        Plan {
            variant: if self.padded { PADDED_ROWS } else { IMPLICIT },
            dtype,
            workspace,
            prepared: terms.iter().map(|term| term.panels_len(self.kernels())).sum(),
            reads_twin: false,
            fuses_input: false,
            fuses_statistics: fuses.then(|| shape.output_norm().part_rows()),
            flops: shape.flops(),
            bytes: shape.bytes(dtype),
        }
    }

    /// Packs weights.
    pub fn prepare(&self, direction: ConvDirection, weights: &[f32], mut prepared: &mut [f32]) {
        for term in &self.terms(direction) {
            let len = term.panels_len(self.kernels());
            let panels = prepared.split_off_mut(..len).unwrap_or_default();
            term.panel_source(weights).pack(self.kernels(), panels);
        }
    }

    /// The forward pass, of which `finish` gets the index and rows of each part, or the input gradient.
    pub fn product(
        &self,
        direction: ConvDirection,
        source: &[f32],
        panels: &[f32],
        workspace: &mut [f32],
        (target, mode): (&mut [f32], WriteMode),
        finish: Option<FinishPart>,
    ) {
        let (source, zeros) = if self.padded {
            padded::copy(self.shape, source, workspace);
            (&*workspace, &[][..])
        } else {
            workspace.fill(0.0);
            (source, &*workspace)
        };
        let operands = Operands { source, zeros, panels, mode };
        self.run_terms(&self.terms(direction), operands, target, finish);
    }

    /// Computes all terms, in parts that are those of batch norm's statistics.
    fn run_terms(
        &self,
        terms: &[Term],
        operands: Operands,
        target: &mut [f32],
        finish: Option<FinishPart>,
    ) {
        let kernels = self.kernels();
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

    /// The weight gradient.
    pub fn weight_gradient(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        workspace: &mut [f32],
        target: &mut [f32],
        mode: WriteMode,
    ) {
        let (shape, padded) = (self.shape, self.padded);
        let copied = if padded { padded::len(shape) } else { 0 };
        let (copy, workspace) = workspace.split_at_mut(copied);
        let source = if padded {
            padded::copy(shape, input, copy);
            &*copy
        } else {
            input
        };
        let gradient = WeightGradient { shape, padded, source, output_gradient };
        gradient.run(self.instruction_set, workspace, target, mode);
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
