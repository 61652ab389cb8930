//! Dropout, element by element.

use super::{Reference, store};
use crate::Result;
use crate::backend::dropout::{DropoutKernels, DropoutMask};
use crate::memory::{Destination, Slice};
use crate::random::{Philox, unit_f32};

impl DropoutKernels for Reference {
    fn dropout(
        &self,
        mask: &DropoutMask,
        step: Option<Slice>,
        input: Slice,
        output: Destination,
    ) -> Result<()> {
        let mask = mask.at(step.map(Slice::host));
        let random = Philox::new(mask.key);
        let kept = 1.0 - f64::from(mask.probability);
        let inputs = input.host::<f64>().iter().enumerate();
        let result: Vec<f64> = inputs
            .map(|(i, &x)| {
                let word = random.block(mask.counter(i / 4))[i % 4];
                if unit_f32(word) < mask.probability { 0.0 } else { x / kept }
            })
            .collect();
        store(output, &result);
        Ok(())
    }
}
