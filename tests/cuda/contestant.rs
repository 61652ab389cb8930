//! A CUDA device as one that is held against Reference.

use tensor_core::cuda::{CudaOptions, Precision};

use crate::cuda::open;
use crate::op_cases::agreement::Contestant;
use crate::op_cases::format::Format;
use crate::op_cases::poisoned;

/// How much farther off than rounded ones the sums of tensor cores may be: they cut off.
const CUT_OFF: f64 = 4.0;

/// The device that multiplies in this format, handing out memory full of not-a-number; its twin is
/// itself, run once more.
pub fn contestant(format: Format) -> Option<Contestant> {
    let single = CudaOptions::new().precision(Precision::F32);
    let options = match format {
        Format::F32 => single,
        Format::Tf32 => single.tf32(true),
        Format::Bf16 => CudaOptions::new().precision(Precision::Bf16),
    };
    let device = poisoned(open(options)?);
    let without = match format {
        Format::Tf32 => Some(open(single)?),
        Format::F32 | Format::Bf16 => None,
    };
    Some(Contestant {
        name: format!("CUDA {format:?}"),
        twins: vec![device.clone()],
        device,
        format,
        widening: if format == Format::F32 { 1.0 } else { CUT_OFF },
        without,
    })
}
