//! Checks a gradient with autograd alone: `tensor_core`'s types are reached through its signatures.

use autograd::grad_check::grad_check;
use autograd::{Result, StoreBuilder, functions};

fn main() -> Result<()> {
    let mut builder = StoreBuilder::new();
    let weight = builder.parameter("weight", [3], vec![1.0, -2.0, 0.5])?;
    let worst = grad_check(builder, 3, |tape, store| {
        let weight = functions::parameter(tape, store, weight)?;
        functions::mean(tape, &weight)
    })?;
    println!("{worst:?}");
    Ok(())
}
