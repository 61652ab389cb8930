//! Batch normalisation over `[rows, channels]`: launches of `kernels/norm.cu`; the backward parts are in
//! [`backward`]. Blocks lie over the rows as `rows.rs` chooses.

mod backward;

use super::Cuda;
use super::launch::{DeviceParameter, index};
use super::rows::{ROW_THREADS, RowTiles, pack};
use crate::backend::NormKernels;
use crate::backend::norm::{NormBackward, NormFactors, NormShape, NormStatistics};
use crate::memory::{Destination, Slice, SliceMut};
use crate::{DType, Result};

/// Channels and lanes of a block of the kernels that walk over parts.
const JOIN_WIDTH: usize = 32;
const JOIN_LANES: usize = 16;
const JOIN_THREADS: usize = JOIN_WIDTH * JOIN_LANES;

/// More parts than this are first joined group by group: sixteen a lane.
const MOST_PARTS: usize = 16 * JOIN_LANES;

/// Threads of a block of the kernel that has a thread a channel.
const CHANNEL_THREADS: usize = 256;

/// What `norm_apply` does, beside its pointers.
#[repr(C)]
#[derive(Clone, Copy)]
struct Apply {
    tiles: RowTiles,
    relu: u32,
}

// SAFETY: 32-bit numbers in the order of the kernel's own struct.
unsafe impl DeviceParameter for Apply {}

/// How `norm_join` joins parts.
#[repr(C)]
#[derive(Clone, Copy)]
struct Join {
    parts: u32,
    group: u32,
    channels: u32,
}

// SAFETY: 32-bit numbers in the order of the kernel's own struct.
unsafe impl DeviceParameter for Join {}

/// Numbers of `norm_finalise`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Finalise {
    parts: u32,
    channels: u32,
    epsilon: f32,
    momentum: f32,
}

// SAFETY: 32-bit numbers in the order of the kernel's own struct.
unsafe impl DeviceParameter for Finalise {}

/// Gamma, beta and epsilon: what scale and shift are made of, beside the statistics.
struct Affine<'a> {
    gamma: Slice<'a>,
    beta: Slice<'a>,
    epsilon: f64,
}

/// Old and new running values, and the batch's share in the new ones.
struct RunningValues<'a> {
    mean: Slice<'a>,
    var: Slice<'a>,
    new_mean: SliceMut<'a>,
    new_var: SliceMut<'a>,
    momentum: f64,
}

impl NormKernels for Cuda {
    fn norm_statistics(&self, shape: &NormShape, input: Slice, partials: SliceMut) -> Result<()> {
        const OP: &str = "norm.statistics";
        index(OP, "the partial statistics", partials.len())?;
        let NormShape { rows, channels } = *shape;
        let pack = pack(channels, input.dtype(), &[input.address(), partials.address()]);
        let tiles = RowTiles::of_parts(OP, [rows, channels], shape.part_rows(), pack)?;
        self.launch("norm", &format!("norm_statistics_{}", input.dtype()))?
            .read(input)
            .write(&partials)
            .value(tiles)
            .run(tiles.grid(), ROW_THREADS)
    }

    fn norm_finalise(
        &self,
        shape: &NormShape,
        statistics: NormStatistics,
        gamma: Slice,
        beta: Slice,
        epsilon: f64,
        factors: NormFactors,
    ) -> Result<()> {
        let affine = Affine { gamma, beta, epsilon };
        match statistics {
            NormStatistics::Running { mean, var } => {
                self.finalise_running(mean, var, affine, factors)
            }
            NormStatistics::Batch {
                partials,
                running_mean: mean,
                running_var: var,
                new_mean,
                new_var,
                momentum,
            } => {
                let running = RunningValues { mean, var, new_mean, new_var, momentum };
                self.finalise_batch(shape.channels, partials, running, affine, factors)
            }
        }
    }

    fn norm_apply(
        &self,
        shape: &NormShape,
        input: Slice,
        scale: Slice,
        shift: Slice,
        addend: Option<Slice>,
        relu: bool,
        output: SliceMut,
    ) -> Result<()> {
        let NormShape { rows, channels } = *shape;
        let mut addresses = vec![input.address(), scale.address(), shift.address()];
        addresses.extend(addend.map(|addend| addend.address()));
        addresses.push(output.address());
        let pack = pack(channels, input.dtype(), &addresses);
        let tiles = RowTiles::of_any_rows("norm.apply", [rows, channels], pack)?;
        self.launch("norm", &format!("norm_apply_{}", input.dtype()))?
            .read(input)
            .read(scale)
            .read(shift)
            .read_optional(addend)
            .write(&output)
            .value(Apply { tiles, relu: u32::from(relu) })
            .run(tiles.grid(), ROW_THREADS)
    }

    fn norm_backward_reduce(
        &self,
        shape: &NormShape,
        backward: NormBackward,
        workspace: SliceMut,
        sums: SliceMut,
    ) -> Result<()> {
        self.backward_reduce(shape, &backward, workspace, sums)
    }

    fn norm_backward_apply(
        &self,
        shape: &NormShape,
        backward: NormBackward,
        gamma: Slice,
        sums: Option<Slice>,
        input_gradient: Option<Destination>,
        addend_gradient: Option<Destination>,
    ) -> Result<()> {
        self.backward_apply(shape, &backward, gamma, sums, input_gradient, addend_gradient)
    }
}

impl Cuda {
    /// Factors and new running values from the statistics of parts, however many there are.
    fn finalise_batch(
        &self,
        channels: usize,
        partials: Slice,
        running: RunningValues,
        affine: Affine,
        factors: NormFactors,
    ) -> Result<()> {
        let parts = partials.len() / (3 * channels);
        index("norm.finalise", "the partial statistics", partials.len())?;
        if parts <= MOST_PARTS {
            return self.finalise_parts(channels, partials, running, affine, factors);
        }
        let group = group_of(parts);
        let groups = parts.div_ceil(group);
        let len = groups * 3 * channels;
        let mut joined = self.memory.allocate(len * DType::F32.size())?;
        self.launch("norm", "norm_join_f32")?
            .read(partials)
            .write(&joined.slice_mut(DType::F32, 0, len))
            .value(Join { parts: parts as u32, group: group as u32, channels: channels as u32 })
            .run([channels.div_ceil(JOIN_WIDTH), groups, 1], JOIN_THREADS)?;
        // The block may go back to the pool as soon as this is launched: whoever gets it next uses it
        // later in the same stream.
        self.finalise_parts(channels, joined.slice(DType::F32, 0, len), running, affine, factors)
    }

    fn finalise_parts(
        &self,
        channels: usize,
        partials: Slice,
        running: RunningValues,
        affine: Affine,
        factors: NormFactors,
    ) -> Result<()> {
        let numbers = Finalise {
            parts: (partials.len() / (3 * channels)) as u32,
            channels: channels as u32,
            epsilon: affine.epsilon as f32,
            momentum: running.momentum as f32,
        };
        self.launch("norm", "norm_finalise_f32")?
            .read(partials)
            .read(running.mean)
            .read(running.var)
            .read(affine.gamma)
            .read(affine.beta)
            .write(&running.new_mean)
            .write(&running.new_var)
            .write(&factors.mean)
            .write(&factors.inv_std)
            .write(&factors.scale)
            .write(&factors.shift)
            .value(numbers)
            .run([channels.div_ceil(JOIN_WIDTH), 1, 1], JOIN_THREADS)
    }

    fn finalise_running(
        &self,
        mean: Slice,
        var: Slice,
        affine: Affine,
        factors: NormFactors,
    ) -> Result<()> {
        let channels = affine.gamma.len();
        self.launch("norm", "norm_finalise_running_f32")?
            .read(mean)
            .read(var)
            .read(affine.gamma)
            .read(affine.beta)
            .write(&factors.mean)
            .write(&factors.inv_std)
            .write(&factors.scale)
            .write(&factors.shift)
            .value(index("norm.finalise", "gamma", channels)?)
            .value(affine.epsilon as f32)
            .run([channels.div_ceil(CHANNEL_THREADS), 1, 1], CHANNEL_THREADS)
    }
}

/// Parts that are joined first if there are many: about as many groups as there are parts in each, so
/// that both steps are short.
fn group_of(parts: usize) -> usize {
    (parts.saturating_sub(1).isqrt() + 1).next_multiple_of(JOIN_LANES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_parts_are_few_and_short() {
        for parts in [MOST_PARTS + 1, 3186, 25_088, 1 << 20] {
            let group = group_of(parts);
            assert!(group.is_multiple_of(JOIN_LANES) && parts.div_ceil(group) <= group, "{parts}");
        }
    }
}
