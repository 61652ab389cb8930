//! Convolves a picture with tensor-core alone.

use tensor_core::ops::conv::{ConvGeometry, forward};
use tensor_core::{Device, Result, Tensor};

fn main() -> Result<()> {
    let device = Device::best()?;
    let picture = Tensor::full(&device, [1, 8, 8, 3], device.activation(), 1.0)?;
    let weights = Tensor::full(&device, [4, 3, 3, 3], device.float(), 0.5)?;
    let output = forward(&picture, &weights, &ConvGeometry::new().padding(1))?;
    println!("{}", output.shape());
    Ok(())
}
