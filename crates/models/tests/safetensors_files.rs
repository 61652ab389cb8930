//! Safetensors files: round trips, foreign element types, damage of every kind, refusal of other formats.

use std::fs;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use models::weights::match_names;
use models::{Arch, Error, StateDict, WeightTensor};
use safetensors::tensor::{Dtype, TensorView, serialize};

fn sample() -> StateDict {
    let mut state = StateDict::new();
    let values = vec![1.0, -0.0, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, 1e-40];
    state.insert("b.weight", WeightTensor::new(vec![2, 3], values).unwrap()).unwrap();
    state.insert("a.scalar", WeightTensor::new(vec![], vec![7.5]).unwrap()).unwrap();
    state.insert("c.empty", WeightTensor::new(vec![0, 4], vec![]).unwrap()).unwrap();
    state.metadata_mut().insert("classes".into(), "a \"quoted\" name\nand äöü".into());
    state.metadata_mut().insert("arch".into(), "resnet18".into());
    state
}

fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The error of reading `bytes` from a file; its message must name the file.
fn refusal(bytes: &[u8], name: &str) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, name, bytes);
    let error = StateDict::read(&path).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    error
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/state.safetensors");
    let state = sample();
    state.write(&path).unwrap();
    let back = StateDict::read(&path).unwrap();
    assert_eq!(back, state);
    let bits = |state: &StateDict| -> Vec<u32> {
        state.get("b.weight").unwrap().values.iter().map(|v| v.to_bits()).collect()
    };
    assert_eq!(bits(&back), bits(&state));
    assert_eq!(&StateDict::read_metadata(&path).unwrap(), state.metadata());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn the_format_crate_reads_our_file_and_the_bytes_never_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    sample().write(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weight = read.tensor("b.weight").unwrap();
    assert_eq!((weight.dtype(), weight.shape()), (Dtype::F32, [2, 3].as_slice()));
    assert_eq!(weight.data()[..4], 1.0_f32.to_le_bytes());
    for _ in 0..8 {
        sample().write(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn other_element_types_become_f32() {
    let numbers = [0.0, 1.0, -2.5, 65504.0, 6e-8, 1.0 / 3.0];
    let half: Vec<u8> = numbers.iter().flat_map(|v| f16::from_f64(*v).to_le_bytes()).collect();
    let brain: Vec<u8> = numbers.iter().flat_map(|v| bf16::from_f64(*v).to_le_bytes()).collect();
    let double: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    let view = |dtype, bytes| TensorView::new(dtype, vec![6], bytes).unwrap();
    let counter = 123_456_789_i64.to_le_bytes();
    let bytes = serialize(
        [
            ("half", view(Dtype::F16, &half)),
            ("brain", view(Dtype::BF16, &brain)),
            ("double", view(Dtype::F64, &double)),
            ("bn1.num_batches_tracked", TensorView::new(Dtype::I64, vec![], &counter).unwrap()),
        ],
        None,
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state = StateDict::read(file(&folder, "types.safetensors", &bytes)).unwrap();
    // Largest relative distance of a rounded value: half an ulp of 11, 8 and 24 bits; 6e-8 is subnormal in F16.
    for (name, epsilon) in [("half", 4.9e-4), ("brain", 3.91e-3), ("double", 6e-8)] {
        let values = &state.get(name).unwrap().values;
        for (value, number) in values.iter().zip(numbers) {
            let bound = epsilon * number.abs() + 3e-8;
            assert!((f64::from(*value) - number).abs() <= bound, "{name}: {value} for {number}");
        }
    }
    assert_eq!(state.get("bn1.num_batches_tracked").unwrap().values, [123_456_789_i64 as f32]);
}

#[test]
fn an_unknown_element_type_is_named() {
    let bytes =
        serialize([("mask", TensorView::new(Dtype::BOOL, vec![2], &[0, 1]).unwrap())], None)
            .unwrap();
    let error = refusal(&bytes, "mask.safetensors");
    assert!(
        matches!(&error, Error::UnsupportedElementType { tensor, .. } if tensor == "mask"),
        "{error}"
    );
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.safetensors");
    sample().write(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        let error = refusal(&whole[..length], "cut.safetensors");
        assert!(matches!(error, Error::CorruptWeights { .. }), "{length}: {error}");
    }
    let error = refusal(&[whole.as_slice(), &[0]].concat(), "long.safetensors");
    assert!(error.to_string().contains("copy or download it again"), "{error}");
}

#[test]
fn no_changed_byte_of_the_header_brings_it_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    sample().write(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for (place, change) in
        (0..header).flat_map(|place| [1_u8, 2, 0x10, 0x80].map(|change| (place, change)))
    {
        let mut bytes = whole.clone();
        bytes[place] ^= change;
        fs::write(&path, &bytes).unwrap();
        refused += usize::from(StateDict::read(&path).is_err());
    }
    // A changed letter of a name or of the metadata is still a valid file; most other changes are not.
    assert!(refused > header, "{refused} of {}", 4 * header);
}

#[test]
fn sizes_that_lie_are_refused_before_memory_is_taken() {
    let huge = u64::MAX.to_le_bytes();
    let overflow =
        format!(r#"{{"a":{{"dtype":"F32","shape":[{0},{0}],"data_offsets":[0,8]}}}}"#, usize::MAX);
    let beyond =
        r#"{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}"#;
    let wrong = r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#;
    let gap = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let backwards = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#;
    let cases = [
        huge.to_vec(),
        with_header(&overflow, &[0; 8]),
        with_header(beyond, &[0; 8]),
        with_header(wrong, &[0; 8]),
        with_header(gap, &[0; 8]),
        with_header(backwards, &[0; 8]),
        with_header("[1, 2", &[]),
        with_header("\u{0}\u{0}", &[]),
    ];
    for bytes in cases {
        let error = refusal(&bytes, "lying.safetensors");
        assert!(matches!(error, Error::CorruptWeights { .. }), "{error}");
    }
}

#[test]
fn the_content_tells_the_format_and_the_name_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet18-f37072fd.pth");
    sample().write(&path).unwrap();
    assert_eq!(StateDict::read(&path).unwrap(), sample());
    for (bytes, word) in [
        (b"\x89HDF\r\n\x1a\n".as_slice(), "HDF5"),
        (b"\x80\x02}q\x00(X\x06\x00\x00\x00", "pickle"),
        (b"\x1f\x8b\x08", "gzip"),
    ] {
        let error = refusal(bytes, "renamed.safetensors");
        let message = error.to_string();
        assert!(matches!(error, Error::UnsupportedFormat { .. }), "{message}");
        assert!(message.contains(word) && message.contains(".safetensors) and"), "{message}");
    }
}

#[test]
fn a_missing_file_and_an_unwritable_place_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.safetensors");
    let error = StateDict::read(&missing).unwrap_err();
    assert!(matches!(&error, Error::ReadFile { path, .. } if *path == missing), "{error}");
    let below_a_file = file(&folder, "file", b"").join("state.safetensors");
    let error = sample().write(&below_a_file).unwrap_err();
    assert!(matches!(&error, Error::WriteFile { path, .. } if *path == below_a_file), "{error}");
    assert!(error.to_string().contains(below_a_file.to_str().unwrap()), "{error}");
}

/// A file of one's own: `FASTLEARN_TEST_RESNET18=FILE cargo test -p models -- --ignored`.
#[test]
#[ignore = "needs ResNet-18 weights, named by FASTLEARN_TEST_RESNET18"]
fn real_resnet18_weights_fit() {
    let path =
        std::env::var_os("FASTLEARN_TEST_RESNET18").expect("FASTLEARN_TEST_RESNET18 names a file");
    let path = Path::new(&path);
    let state = StateDict::read(path).unwrap();
    let expected = Arch::ResNet18.architecture().tensor_shapes(None);
    let report = match_names(&expected, &state).into_result(path.display().to_string()).unwrap();
    assert_eq!(report.matched.len(), expected.len());
    assert!(
        match_names(&Arch::ResNet34.architecture().tensor_shapes(None), &state)
            .into_result("resnet18")
            .is_err()
    );

    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.safetensors");
    state.write(&copy).unwrap();
    assert_eq!(StateDict::read(&copy).unwrap(), state);
    let whole = fs::read(path).unwrap();
    let error =
        StateDict::read(file(&folder, "cut.safetensors", &whole[..whole.len() / 2])).unwrap_err();
    assert!(matches!(error, Error::CorruptWeights { .. }), "{error}");
}
