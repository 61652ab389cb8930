//! Files that PyTorch wrote: layouts, shared storages, element types and wrapping come back as the formula's values.

use std::path::Path;

use golden::formula;
use half::{bf16, f16};
use models::StateDict;

mod golden;

/// A tensor's name and shape, and how its element type rounds.
type Expected = (&'static str, &'static [usize], fn(f32) -> f32);

#[test]
fn what_pytorch_saved_is_read_as_the_formula_gives_it() {
    for container in ["legacy", "zip"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let state = StateDict::read(folder.join(format!("{container}.pth"))).expect("read");
        let shapes: [Expected; 7] = [
            ("conv1.weight", &[4, 3, 3, 3], |value| value),
            ("bn1.running_mean", &[4], |value| value),
            ("bn1.running_var", &[4], |value| value),
            ("fc.weight", &[5, 4], |value| value),
            ("fc.bias", &[5], |value| value),
            ("half.weight", &[6], |value| f16::from_f32(value).to_f32()),
            ("brain.weight", &[6], |value| bf16::from_f32(value).to_f32()),
        ];
        for (name, shape, rounded) in shapes {
            let tensor = state.get(name).unwrap_or_else(|| panic!("{container}: {name}"));
            let expected: Vec<f32> =
                formula::parameter(name, shape).into_iter().map(rounded).collect();
            assert_eq!(tensor.shape, shape, "{container}: {name}");
            assert_eq!(tensor.values, expected, "{container}: {name}");
        }
        let counter = state.get("bn1.num_batches_tracked").expect("a counter");
        assert_eq!((counter.shape.as_slice(), counter.values[0]), (&[][..], 1_234_567.0));
        assert_eq!(state.len(), shapes.len() + 1, "{container}");
    }
}
