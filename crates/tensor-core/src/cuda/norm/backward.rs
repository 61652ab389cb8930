//! The two backward parts of batch normalisation: launches of `kernels/norm_backward.cu`.

use super::{JOIN_THREADS, JOIN_WIDTH};
use crate::Result;
use crate::backend::norm::{NormBackward, NormShape};
use crate::cuda::Cuda;
use crate::cuda::launch::DeviceParameter;
use crate::cuda::rows::{ROW_THREADS, RowTiles, pack};
use crate::memory::{Address, Destination, Slice, SliceMut, WriteMode};

/// The most parts of the first stage of the reduction: two for each block that a large chip holds.
const MOST_PARTS: usize = 1024;

/// What `norm_backward_apply` does, beside its pointers.
#[repr(C)]
#[derive(Clone, Copy)]
struct Apply {
    tiles: RowTiles,
    accumulate_input: u32,
    accumulate_addend: u32,
}

// SAFETY: 32-bit numbers in the order of the kernel's own struct.
unsafe impl DeviceParameter for Apply {}

impl Cuda {
    /// Sums over the rows: parts into the workspace, then over the parts.
    pub(super) fn backward_reduce(
        &self,
        shape: &NormShape,
        backward: &NormBackward,
        workspace: SliceMut,
        sums: SliceMut,
    ) -> Result<()> {
        let NormShape { rows, channels } = *shape;
        let dtype = backward.input.dtype();
        let mut addresses = addresses(backward);
        addresses.push(workspace.address());
        let block_rows = shape.part_rows().max(rows.div_ceil(MOST_PARTS));
        let pack = pack(channels, dtype, &addresses);
        let tiles = RowTiles::of_parts("norm.backward_reduce", [rows, channels], block_rows, pack)?;
        self.launch("norm_backward", &format!("norm_backward_reduce_{dtype}"))?
            .read(backward.output_gradient)
            .read_optional(backward.relu_output)
            .read(backward.input)
            .read(backward.mean)
            .write(&workspace)
            .value(tiles)
            .run(tiles.grid(), ROW_THREADS)?;
        self.launch("norm_backward", "norm_backward_join_f32")?
            .read(workspace.as_slice())
            .read(backward.inv_std)
            .write(&sums)
            .value(tiles.parts() as u32)
            .value(channels as u32)
            .run([(2 * channels).div_ceil(JOIN_WIDTH), 1, 1], JOIN_THREADS)
    }

    /// Both gradients in one pass.
    pub(super) fn backward_apply(
        &self,
        shape: &NormShape,
        backward: &NormBackward,
        gamma: Slice,
        sums: Option<Slice>,
        input_gradient: Option<Destination>,
        addend_gradient: Option<Destination>,
    ) -> Result<()> {
        let NormShape { rows, channels } = *shape;
        let dtype = backward.input.dtype();
        let destinations = [&input_gradient, &addend_gradient].map(Option::as_ref);
        let mut addresses = addresses(backward);
        addresses.push(gamma.address());
        addresses.extend(sums.map(|sums| sums.address()));
        addresses.extend(destinations.into_iter().flatten().map(|to| to.slice.address()));
        let pack = pack(channels, dtype, &addresses);
        let tiles = RowTiles::of_any_rows("norm.backward_apply", [rows, channels], pack)?;
        let [accumulate_input, accumulate_addend] =
            destinations.map(|to| u32::from(to.is_some_and(|to| to.mode == WriteMode::Accumulate)));
        let [input_gradient, addend_gradient] = destinations.map(|to| to.map(|to| &to.slice));
        self.launch("norm_backward", &format!("norm_backward_apply_{dtype}"))?
            .read(backward.output_gradient)
            .read_optional(backward.relu_output)
            .read(backward.input)
            .read(backward.mean)
            .read(backward.inv_std)
            .read(gamma)
            .read_optional(sums)
            .write_optional(input_gradient)
            .write_optional(addend_gradient)
            .value(Apply { tiles, accumulate_input, accumulate_addend })
            .run(tiles.grid(), ROW_THREADS)
    }
}

/// Where everything lies that both parts read in packs.
fn addresses(backward: &NormBackward) -> Vec<Address> {
    let NormBackward { output_gradient, relu_output, input, mean, inv_std, .. } = backward;
    let all = [Some(*output_gradient), *relu_output, Some(*input), Some(*mean), Some(*inv_std)];
    all.into_iter().flatten().map(|slice| slice.address()).collect()
}
