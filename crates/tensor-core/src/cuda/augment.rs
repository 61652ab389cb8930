//! Decoded pictures to the normalised batch: uploads the table of pictures and launches
//! `kernels/augment.cu`.

use super::Cuda;
use super::launch::{DeviceParameter, index};
use crate::backend::AugmentKernels;
use crate::backend::augment::{AugmentPicture, AugmentShape, Border};
use crate::memory::{Buffer, Slice, SliceMut};
use crate::{DType, Result};

const OP: &str = "augment";
const THREADS: usize = 256;

/// The most blocks along the second dimension of a grid; the kernel takes further pictures in turn.
const GRID_Y: usize = 65_535;

/// A picture as the kernel reads it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
struct Picture {
    offset: i32,
    height: i32,
    width: i32,
    border: i32,
    geometry: [f32; 6],
    colour: [f32; 12],
}

impl Picture {
    fn new(picture: &AugmentPicture) -> Result<Picture> {
        let AugmentPicture { offset, height, width, geometry, colour, border } = picture;
        // The kernel blends bytes: its matrix brings them to 0..1 too.
        let mut from_bytes = *colour;
        for row in from_bytes.chunks_exact_mut(4) {
            row[..3].iter_mut().for_each(|factor| *factor /= 255.0);
        }
        Ok(Picture {
            offset: index(OP, "the batch's bytes", *offset)?,
            height: index(OP, "a column of a picture", *height)?,
            width: index(OP, "a row of a picture", *width)?,
            border: match border {
                Border::Reflect => 0,
                Border::Zero => 1,
                Border::Edge => 2,
            },
            geometry: *geometry,
            colour: from_bytes,
        })
    }
}

/// The output's size and what normalises it, as the kernel takes them.
#[repr(C)]
#[derive(Clone, Copy)]
struct Sampling {
    n: i32,
    height: i32,
    width: i32,
    bytes: i32,
    mean: [f32; 3],
    inverse_std: [f32; 3],
}

// SAFETY: 32-bit numbers in the order of the kernel's own struct.
unsafe impl DeviceParameter for Sampling {}

impl AugmentKernels for Cuda {
    fn augment(
        &self,
        shape: &AugmentShape,
        pictures: &[AugmentPicture],
        bytes: Slice,
        output: SliceMut,
    ) -> Result<()> {
        index(OP, "the output", output.len())?;
        let sampling = Sampling {
            n: shape.n as i32,
            height: shape.height as i32,
            width: shape.width as i32,
            bytes: index(OP, "the batch's bytes", bytes.len())?,
            mean: shape.mean,
            inverse_std: shape.std.map(|std| 1.0 / std),
        };
        let table = self.upload_pictures(pictures)?;
        let blocks = (shape.height * shape.width).div_ceil(THREADS);
        self.launch("augment", &format!("augment_sample_{}", output.dtype()))?
            .read(bytes)
            .read(table.slice(DType::U8, 0, table.bytes()))
            .write(&output)
            .value(sampling)
            .run([blocks, shape.n.min(GRID_Y), 1], THREADS)
    }
}

impl Cuda {
    /// The pictures as a table on the device. Its block may go back to the pool after the launch: whoever
    /// gets it next uses it later in the same stream.
    fn upload_pictures(&self, pictures: &[AugmentPicture]) -> Result<Buffer> {
        let rows = pictures.iter().map(Picture::new).collect::<Result<Vec<_>>>()?;
        let length = size_of_val(rows.as_slice());
        // SAFETY: a row consists of 32-bit numbers without gaps, so every byte is initialised.
        let bytes = unsafe { std::slice::from_raw_parts(rows.as_ptr().cast::<u8>(), length) };
        let table = self.memory.allocate(length)?;
        // SAFETY: the block was just allocated with this length.
        unsafe { table.memory().copy_from_host(bytes, table.address())? };
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_row_of_22_numbers() {
        let picture = AugmentPicture {
            offset: 7,
            height: 3,
            width: 5,
            geometry: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            colour: [255.0, 0.0, 0.0, 1.0, 0.0, 510.0, 0.0, 2.0, 0.0, 0.0, 255.0, 3.0],
            border: Border::Edge,
        };
        let row = Picture::new(&picture).expect("small");
        assert_eq!(size_of::<Picture>(), 22 * 4);
        assert_eq!([row.offset, row.height, row.width, row.border], [7, 3, 5, 2]);
        assert_eq!(row.colour, [1.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 1.0, 3.0]);
    }

    #[test]
    fn a_picture_beyond_32_bits_is_refused() {
        let picture = AugmentPicture {
            offset: 1 << 31,
            height: 1,
            width: 1,
            geometry: [0.0; 6],
            colour: [0.0; 12],
            border: Border::Zero,
        };
        let refused = Picture::new(&picture).expect_err("an offset of 2 GiB");
        assert!(refused.to_string().contains("augment"), "{refused}");
    }
}
