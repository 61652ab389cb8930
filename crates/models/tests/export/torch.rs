//! `.pth` and `.safetensors` for PyTorch.

use std::fs;

use models::weights::TorchFormat;
use models::{Arch, Architecture, Error, StateDict, WeightTensor};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use crate::filled;

fn slim() -> Architecture {
    Architecture { layers: [1; 4], stem_width: 8, ..Arch::ResNet18.into() }
}

#[test]
fn both_containers_are_read_back_with_a_counter_for_every_norm() {
    let state = filled(&slim().tensor_shapes(Some(3)));
    let folder = tempfile::tempdir().unwrap();
    for format in [TorchFormat::Pth, TorchFormat::Safetensors] {
        let path = folder.path().join("exported");
        state.write_for_torch(&path, format).unwrap();
        let mut back = StateDict::read(&path).unwrap();
        let counters: Vec<String> =
            back.iter().map(|(name, _)| name.to_owned()).filter(|name| is_counter(name)).collect();
        let norms = state.iter().filter(|(name, _)| name.ends_with(".running_var")).count();
        assert_eq!(counters.len(), norms, "{format:?}");
        for counter in counters {
            let counter = back.remove(&counter).unwrap();
            assert_eq!((counter.shape, counter.values), (vec![], vec![0.0]));
        }
        assert_eq!(back, state, "{format:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

fn is_counter(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}

#[test]
fn safetensors_have_whole_numbers_aligned_and_the_metadata() {
    let mut state = filled(&[("bn1.running_var".to_owned(), vec![3])]);
    let counter = WeightTensor::new(vec![], vec![1234.0]).unwrap();
    state.insert("bn1.num_batches_tracked", counter).unwrap();
    state.metadata_mut().insert("classes".into(), "[\"cat\"]".into());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exported.safetensors");
    state.write_for_torch(&path, TorchFormat::Safetensors).unwrap();
    let bytes = fs::read(&path).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let counter = read.tensor("bn1.num_batches_tracked").unwrap();
    assert_eq!((counter.dtype(), counter.data()), (Dtype::I64, 1234_i64.to_le_bytes().as_slice()));
    // PyTorch views the bytes as 64-bit numbers where they lie: behind 12 bytes of floats it could not.
    let start = counter.data().as_ptr() as usize - bytes.as_ptr() as usize;
    assert_eq!(start % 8, 0);
    assert_eq!(&StateDict::read_metadata(&path).unwrap(), state.metadata());
}

/// The checksums and the layout that other readers of zip archives go by.
#[test]
fn a_pth_is_a_sound_archive_with_aligned_storages() {
    let state = filled(&[("fc.weight".to_owned(), vec![2, 5]), ("fc.bias".to_owned(), vec![2])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exported.pth");
    state.write_for_torch(&path, TorchFormat::Pth).unwrap();
    let bytes = fs::read(&path).unwrap();
    let short = |place: usize| usize::from(u16::from_le_bytes([bytes[place], bytes[place + 1]]));
    let word = |place: usize| u32::from_le_bytes(bytes[place..place + 4].try_into().unwrap());
    let (mut place, mut names) = (0, Vec::new());
    while bytes[place..].starts_with(b"PK\x03\x04") {
        let (checksum, length) = (word(place + 14), word(place + 22) as usize);
        let start = place + 30 + short(place + 26) + short(place + 28);
        names.push(str::from_utf8(&bytes[place + 30..][..short(place + 26)]).unwrap());
        assert_eq!(start % 64, 0, "{names:?}");
        assert_eq!(crc32(&bytes[start..start + length]), checksum, "{names:?}");
        place = start + length;
    }
    let expected = ["data.pkl", "byteorder", "data/0", "data/1", "version"];
    assert_eq!(names, expected.map(|name| format!("archive/{name}")));
    // Entries in the order of the names: `fc.bias` comes first.
    assert!(bytes[place..].starts_with(b"PK\x01\x02"));
}

/// The checksum of ISO 3309, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

#[test]
fn an_unwritable_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let below = file.join("exported.pth");
    let error = StateDict::new().write_for_torch(&below, TorchFormat::Pth).unwrap_err();
    assert!(matches!(&error, Error::WriteFile { path, .. } if *path == below), "{error}");
}
