//! Files for other programs, read back by readers of these tests' own: what PyTorch and onnxruntime make of them is
//! checked with them (`cargo xtask export-check`).

mod onnx;
mod torch;

use models::{StateDict, WeightTensor};

/// Every value differs from its neighbours, and from those of other names.
fn filled(shapes: &[(String, Vec<usize>)]) -> StateDict {
    let mut state = StateDict::new();
    for (place, (name, shape)) in shapes.iter().enumerate() {
        let count: usize = shape.iter().product();
        let values =
            (0..count).map(|index| ((place * 31 + index * 7) % 251) as f32 / 50.0).collect();
        state.insert(name.clone(), WeightTensor::new(shape.clone(), values).unwrap()).unwrap();
    }
    state
}
