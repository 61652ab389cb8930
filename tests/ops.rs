//! Every op on the CPU against Reference, and every analytic gradient against a numeric one. The cases
//! are in `op_cases/`, a file for each op family; CUDA devices are held against them in `cuda_ops.rs`.

mod op_cases;

use op_cases::agreement::{Contestant, assert_agreement};
use op_cases::format::Format;
use op_cases::gradient::assert_gradients;
use op_cases::{Case, poisoned};
use tensor_core::{CpuOptions, Device, InstructionSet, Result};

/// The CPU with each instruction set that it has, with 1, 2 and 4 threads.
fn contestants() -> Result<Vec<Contestant>> {
    let available = InstructionSet::ALL.into_iter().filter(|set| set.is_available());
    let open = |set, threads| {
        let options = CpuOptions { threads: Some(threads), instruction_set: Some(set) };
        Device::cpu_with(options).map(poisoned)
    };
    available
        .map(|set| {
            let (device, twins) = (open(set, 1)?, vec![open(set, 2)?, open(set, 4)?]);
            let (name, format) = (format!("CPU {set}"), Format::F32);
            Ok(Contestant { name, device, twins, format, widening: 1.0, without: None })
        })
        .collect()
}

fn assert_agrees(cases: &[Box<dyn Case>]) {
    assert_agreement(cases, &contestants().expect("every machine has a CPU"));
}

macro_rules! agreement {
    ($($family:ident),*) => {
        mod agrees_with_reference {
            $(#[test]
            fn $family() {
                super::assert_agrees(&super::op_cases::$family::cases());
            })*
        }
    };
}

macro_rules! gradients {
    ($($family:ident),*) => {
        mod gradients_are_those_of_the_function {
            $(#[test]
            fn $family() {
                super::assert_gradients(&super::op_cases::$family::differentiable());
            })*
        }
    };
}

agreement!(augment, conv, dropout, loss, matmul, norm, optimizer, pointwise, pool, reduce);
gradients!(conv, dropout, loss, matmul, norm, pointwise, pool);
