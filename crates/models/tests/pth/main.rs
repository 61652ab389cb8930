//! `.pth` files in the three containers of `torch.save`: what is read, and what hostile files are met with.

mod containers;
mod hostile;
mod memory;
mod pickles;
mod reading;

use std::fs;

use models::{Error, StateDict};

/// Reads bytes as a file; an error must name the file.
fn read(bytes: &[u8]) -> Result<StateDict, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.of.any.name");
    fs::write(&path, bytes).unwrap();
    let read = StateDict::read(&path);
    if let Err(error) = &read {
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    read
}

/// The message of a refusal.
fn refusal(bytes: &[u8]) -> String {
    match read(bytes) {
        Ok(state) => panic!("{} tensors were read", state.len()),
        Err(error) => error.to_string(),
    }
}

/// The splitmix64 stream.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }
}
