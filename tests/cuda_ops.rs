//! Every op case on a CUDA device against Reference: in f32 and in bf16, products and convolutions in
//! TF32 too, by every legal plan, into memory full of not-a-number, and with the same bits in a second
//! run.
//!
//! Where there is no device, the cases run on the emulated driver in a process of their own.

#[allow(dead_code, reason = "the gradients' tables are for the tests of the CPU")]
mod op_cases;

#[path = "cuda/contestant.rs"]
mod contestant;
mod cuda;

use op_cases::Case;
use op_cases::agreement::{Contestant, assert_agreement};
use op_cases::format::Format;
use tensor_core::ops::loss::{self, Loss, LossValues, Target};
use tensor_core::{DType, Result, Tensor};

fn assert_agrees(format: Format, cases: Vec<Box<dyn Case>>) {
    if let Some(contestant) = contestant::contestant(format) {
        assert_agreement(&cuda::some_of(cases), &[contestant]);
    }
}

macro_rules! agreement {
    ($format:ident in $module:ident: $($family:ident),*) => {
        mod $module {
            $(#[test]
            fn $family() {
                super::assert_agrees(super::Format::$format, super::op_cases::$family::cases());
            })*
        }
    };
}

agreement!(F32 in f32: augment, conv, dropout, loss, matmul, norm, optimizer, pointwise, pool, reduce);
agreement!(Bf16 in bf16: augment, conv, matmul, norm, optimizer, pointwise, pool);
agreement!(Tf32 in tf32: conv, matmul);

/// Classes that lie on the device cannot be checked without waiting for it.
#[test]
fn a_class_that_does_not_exist_makes_its_loss_not_a_number() -> Result<()> {
    let Some(Contestant { device, .. }) = contestant::contestant(Format::F32) else {
        return Ok(());
    };
    for classes in [5, 300] {
        let logits = Tensor::zeros(&device, [4, classes], DType::F32)?;
        let indices = Tensor::from_slice(&device, [4], &[0, -1, classes as i32, 4])?;
        let (target, loss) = (Target::Classes(indices), Loss::CrossEntropy);
        let LossValues { values, log_probabilities } = loss::loss(loss, &logits, &target)?;
        let is_lost: Vec<bool> = values.to_f32()?.iter().map(|value| value.is_nan()).collect();
        assert_eq!(is_lost, [false, true, true, false], "{classes} classes");
        assert!(log_probabilities.to_f32()?.iter().all(|value| value.is_finite()));
    }
    Ok(())
}

#[test]
fn on_the_emulated_driver() {
    cuda::emulated::run_again(&["forward", "reverse"], &[]);
}
