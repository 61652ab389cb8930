//! Decoded pictures to a normalised batch, in one sampling.

use super::check;
use crate::profile::Call;
use crate::{DType, Error, Result, Tensor};

pub use crate::backend::augment::{AugmentPicture, AugmentShape, Border};

/// Samples each picture of a ragged batch (`bytes`: `U8`, RGB) through its matrices into
/// `[n, height, width, 3]`, normalised.
///
/// # Errors
/// [`Error::Argument`] if a picture is empty, not inside `bytes`, or their number is not `shape.n`;
/// out of memory.
pub fn augment(
    shape: &AugmentShape,
    pictures: &[AugmentPicture],
    bytes: &Tensor,
) -> Result<Tensor> {
    const OP: &str = "augment";
    check::dtype(OP, bytes, DType::U8)?;
    check_pictures(OP, shape, pictures, bytes.shape().elements())?;
    let device = bytes.device();
    let dims = [shape.n, shape.height, shape.width, 3];
    let mut output = Tensor::uninitialised(device, dims, device.activation())?;
    let elements = output.shape().elements();
    let traffic = (bytes.shape().elements() + elements * output.dtype().size()) as u64;
    let call = Call::new(20 * elements as u64, traffic).on(output.shape());
    device.run(OP, call, |backend| {
        backend.augment(shape, pictures, bytes.as_slice(), output.as_slice_mut())
    })?;
    Ok(output)
}

fn check_pictures(
    op: &'static str,
    shape: &AugmentShape,
    pictures: &[AugmentPicture],
    bytes: usize,
) -> Result<()> {
    let refuse = |message| Err(Error::Argument { op, message });
    if pictures.len() != shape.n || shape.height * shape.width == 0 {
        return refuse(format!("{} pictures for a batch {shape:?}", pictures.len()));
    }
    for (index, picture) in pictures.iter().enumerate() {
        let AugmentPicture { offset, height, width, .. } = *picture;
        let length = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(3));
        let end = length.and_then(|length| length.checked_add(offset));
        if length == Some(0) || end.is_none_or(|end| end > bytes) {
            return refuse(format!(
                "picture {index} ({height} x {width} at byte {offset}) is not inside {bytes} bytes"
            ));
        }
        if !picture.geometry.iter().all(|value| value.is_finite()) {
            return refuse(format!("picture {index} has a geometry that is not finite"));
        }
    }
    Ok(())
}
