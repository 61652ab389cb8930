//! Convolution on the engine of `cpu/gemm`: no picture is unfolded. Output pixels read the input
//! where it lies, through one pointer for each tap of the kernel.
//!
//! Variants: `implicit` reads the input itself; `padded_rows` first copies it into pictures with a
//! frame of zeros, where the pixels that a kernel row covers lie side by side, so that three-channel
//! pictures give long sums too; `grouped` is for narrow groups of channels (see [`grouped`]);
//! `winograd_4x4` and `winograd_2x2` compute 3x3 kernels of stride 1 with fewer multiplications (see
//! [`winograd`]).

mod direct;
mod epilogue;
mod grouped;
mod padded;
mod term;
mod weight_gradient;
mod winograd;

#[cfg(test)]
mod tests;

use super::Cpu;
use super::gemm::{FinishPart, Window};
use crate::backend::Plan;
use crate::backend::conv::{ConvDirection, ConvInput, ConvKernels, ConvOutput, ConvShape};
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::{DType, Result};
use direct::Direct;
use epilogue::Epilogue;
use grouped::Grouped;
use winograd::{Tile, Winograd};

const IMPLICIT: &str = "implicit";
const PADDED_ROWS: &str = "padded_rows";
const GROUPED: &str = "grouped";

/// Up to this many channels `padded_rows` is the faster variant.
const FEW_CHANNELS: usize = 4;

/// What computes a plan.
enum Variant<'a> {
    Direct(Direct<'a>),
    Grouped(Grouped<'a>),
    Winograd(Winograd),
}

impl Cpu {
    /// What computes a plan of this backend.
    fn variant<'a>(
        &self,
        plan: &Plan,
        shape: &'a ConvShape,
        direction: ConvDirection,
    ) -> Variant<'a> {
        let instruction_set = self.instruction_set;
        if let Some(tile) = Tile::of_variant(plan.variant) {
            return Variant::Winograd(Winograd::new(tile, instruction_set, shape, direction));
        }
        if plan.variant == GROUPED
            && let Some(grouped) = Grouped::new(instruction_set, shape)
        {
            return Variant::Grouped(grouped);
        }
        Variant::Direct(Direct { instruction_set, shape, padded: plan.variant == PADDED_ROWS })
    }
}

impl ConvKernels for Cpu {
    fn conv_plans(&self, shape: &ConvShape, dtype: DType, direction: ConvDirection) -> Vec<Plan> {
        let instruction_set = self.instruction_set;
        let direct = |padded| Direct { instruction_set, shape, padded }.plan(dtype, direction);
        let few = shape.c <= FEW_CHANNELS;
        let row_of_one = shape.s == 1 && shape.padding == [0, 0];
        let mut plans = match direction {
            ConvDirection::InputGradient => vec![direct(false)],
            _ if shape.groups > 1 || row_of_one => vec![direct(false)],
            _ => vec![direct(few), direct(!few)],
        };
        if let Some(grouped) = Grouped::new(instruction_set, shape) {
            let place = if grouped.is_best() { 0 } else { plans.len() };
            plans.insert(place, grouped.plan(dtype, direction));
        }
        for tile in Tile::ALL.into_iter().filter(|tile| tile.is_legal(shape, direction)) {
            let is_best = winograd::faster_tile(shape, direction) == Some(tile);
            let place = if is_best { 0 } else { plans.len() };
            let winograd = Winograd::new(tile, instruction_set, shape, direction);
            plans.insert(place, winograd.plan(dtype));
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
        let (weights, prepared) = (weights.host::<f32>(), prepared.host::<f32>());
        let variant = self.variant(plan, shape, direction);
        self.install(|| match variant {
            Variant::Direct(direct) => direct.prepare(direction, weights, prepared),
            Variant::Grouped(grouped) => grouped.prepare(direction, weights, prepared),
            Variant::Winograd(winograd) => winograd.prepare(weights, prepared),
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
        let (input, weights) = (input.host::<f32>(), weights.host::<f32>());
        let (workspace, output) = (workspace.host::<f32>(), output.host::<f32>());
        let (direction, mode) = (ConvDirection::Forward, WriteMode::Write);
        let variant = self.variant(plan, shape, direction);
        self.install(|| match variant {
            Variant::Direct(direct) => {
                direct.product(direction, input, weights, workspace, (output, mode), finish);
            }
            Variant::Grouped(grouped) => grouped.product(direction, input, weights, output, mode),
            Variant::Winograd(winograd) => {
                winograd.product(input, weights, workspace, (output, mode), finish);
            }
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
        let (source, weights) = (output_gradient.host::<f32>(), weights.host::<f32>());
        let workspace = workspace.host::<f32>();
        let Destination { slice, mode } = input_gradient;
        let target = slice.host::<f32>();
        let direction = ConvDirection::InputGradient;
        let variant = self.variant(plan, shape, direction);
        self.install(|| match variant {
            Variant::Direct(direct) => {
                direct.product(direction, source, weights, workspace, (target, mode), None);
            }
            Variant::Grouped(grouped) => grouped.product(direction, source, weights, target, mode),
            Variant::Winograd(winograd) => {
                winograd.product(source, weights, workspace, (target, mode), None);
            }
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
        let (input, gradient) = (input.host::<f32>(), output_gradient.host::<f32>());
        let workspace = workspace.host::<f32>();
        let Destination { slice, mode } = weight_gradient;
        let target = slice.host::<f32>();
        let variant = self.variant(plan, shape, ConvDirection::WeightGradient);
        self.install(|| match variant {
            Variant::Direct(direct) => {
                direct.weight_gradient(input, gradient, workspace, target, mode);
            }
            Variant::Grouped(grouped) => {
                grouped.weight_gradient(input, gradient, workspace, target, mode);
            }
            Variant::Winograd(winograd) => {
                winograd.weight_gradient(input, gradient, workspace, target, mode);
            }
        });
        Ok(())
    }
}

/// The window through which both the forward pass and the weight gradient read the input, or its
/// padded copy.
fn input_window(shape: &ConvShape, padded: bool) -> Window {
    if padded { padded::window(shape) } else { term::input_window(shape) }
}
