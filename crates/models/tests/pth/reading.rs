//! Files as PyTorch writes them: every container, element type, layout and wrapping.

use half::{bf16, f16};

use crate::containers::{Container, Contents, Storage, Tensor};
use crate::{Random, read};

/// Two plain tensors of their own storages.
pub fn sample() -> Contents {
    let mut random = Random(7);
    let storages = vec![Storage::floats(&random.floats(54)), Storage::floats(&random.floats(2))];
    let tensors =
        vec![Tensor::whole("conv1.weight", 0, &[2, 3, 3, 3]), Tensor::whole("bn1.bias", 1, &[2])];
    Contents { storages, tensors, ..Contents::default() }
}

#[test]
fn every_container_gives_the_values_that_were_written() {
    for container in Container::ALL {
        for parameters in [false, true] {
            let contents = Contents { parameters, ..sample() };
            let state = read(&contents.write(container)).unwrap();
            let mut random = Random(7);
            let weight = state.get("conv1.weight").unwrap();
            assert_eq!(weight.shape, [2, 3, 3, 3], "{container:?}");
            assert_eq!(weight.values, random.floats(54), "{container:?}");
            assert_eq!(state.get("bn1.bias").unwrap().values, random.floats(2), "{container:?}");
            assert_eq!(state.len(), 2);
        }
    }
}

#[test]
fn nesting_and_wrappers_are_taken_off() {
    for container in Container::ALL {
        for key in ["state_dict", "model_state_dict", "model"] {
            let mut contents = Contents { nested: Some(key), ..sample() };
            for tensor in &mut contents.tensors {
                tensor.name.insert_str(0, "module.");
            }
            let state = read(&contents.write(container)).unwrap();
            let names: Vec<&str> = state.iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["bn1.bias", "conv1.weight"], "{container:?} {key}");
        }
    }
    // One name without the wrapper: it is a module of that name.
    let mut contents = sample();
    contents.tensors[0].name = "module.conv1.weight".to_owned();
    let state = read(&contents.zip()).unwrap();
    assert!(state.get("module.conv1.weight").is_some());
}

#[test]
fn views_of_a_shared_storage_follow_offsets_and_strides() {
    let values = Random(11).floats(60);
    for container in Container::ALL {
        let tensor = |name: &str, offset, shape: &[i64], strides: &[i64]| Tensor {
            offset,
            strides: strides.to_vec(),
            ..Tensor::whole(name, 0, shape)
        };
        let contents = Contents {
            storages: vec![Storage::floats(&values)],
            tensors: vec![
                tensor("tail", 50, &[10], &[1]),
                tensor("transposed", 2, &[3, 4], &[1, 5]),
                // [2, 3, 2, 4] kept with its channels last.
                tensor("channels_last", 6, &[2, 3, 2, 4], &[24, 1, 12, 3]),
                tensor("expanded", 9, &[4, 2], &[0, 1]),
                tensor("scalar", 59, &[], &[]),
                tensor("empty", 60, &[0, 7], &[7, 1]),
            ],
            ..Contents::default()
        };
        let state = read(&contents.write(container)).unwrap();
        let get = |name: &str| state.get(name).unwrap();
        assert_eq!(get("tail").values, values[50..], "{container:?}");
        assert_eq!(
            (get("scalar").values[0], get("empty").shape.as_slice()),
            (values[59], &[0, 7][..])
        );
        assert_eq!(get("expanded").values, values[9..11].repeat(4));
        let transposed = (0..3).flat_map(|i| (0..4).map(move |j| 2 + i + 5 * j));
        assert_eq!(
            get("transposed").values,
            transposed.map(|place| values[place]).collect::<Vec<_>>()
        );
        let mut expected = Vec::new();
        for n in 0..2 {
            for c in 0..3 {
                for h in 0..2 {
                    for w in 0..4 {
                        expected.push(values[6 + 24 * n + c + 12 * h + 3 * w]);
                    }
                }
            }
        }
        assert_eq!(get("channels_last").values, expected, "{container:?}");
    }
}

#[test]
fn element_types_become_f32_in_both_byte_orders() {
    let numbers = [0.0, 1.0, -2.5, 1.0 / 3.0, 3000.0];
    type Bytes = fn(f64) -> Vec<u8>;
    let kinds: [(&str, usize, Bytes, f64); 6] = [
        ("Float", 4, |v| (v as f32).to_le_bytes().into(), 6e-8),
        ("Double", 8, |v| v.to_le_bytes().into(), 6e-8),
        ("Half", 2, |v| f16::from_f64(v).to_le_bytes().into(), 4.9e-4),
        ("BFloat16", 2, |v| bf16::from_f64(v).to_le_bytes().into(), 3.91e-3),
        ("Long", 8, |v| (v as i64).to_le_bytes().into(), 0.0),
        ("Int", 4, |v| (v as i32).to_le_bytes().into(), 0.0),
    ];
    for (class, element, to_bytes, tolerance) in kinds {
        for container in Container::ALL {
            for order in [None, Some("little"), Some("big")] {
                // Only the third container says its order; the others are little-endian on every machine.
                if order.is_some() && container != Container::Zip {
                    continue;
                }
                let reversed = |value| {
                    let mut bytes: Vec<u8> = to_bytes(value);
                    if order == Some("big") {
                        bytes.reverse();
                    }
                    bytes
                };
                let storage = Storage {
                    class,
                    element,
                    bytes: numbers.into_iter().flat_map(reversed).collect(),
                };
                let contents = Contents {
                    storages: vec![storage],
                    tensors: vec![Tensor::whole("t", 0, &[5])],
                    byte_order: order,
                    ..Contents::default()
                };
                let state = read(&contents.write(container)).unwrap();
                for (value, number) in state.get("t").unwrap().values.iter().zip(numbers) {
                    let number = if tolerance == 0.0 { number.trunc() } else { number };
                    let distance = (f64::from(*value) - number).abs();
                    assert!(distance <= tolerance * number.abs(), "{class}: {value} for {number}");
                }
            }
        }
    }
}

#[test]
fn an_archive_with_64_bit_numbers_is_read() {
    let plain = sample().zip();
    let end = plain.len() - 22;
    let number = |place: usize| u32::from_le_bytes(plain[place..place + 4].try_into().unwrap());
    let entries = u16::from_le_bytes([plain[end + 8], plain[end + 9]]);
    let mut file = plain[..end].to_vec();
    file.extend(b"PK\x06\x06");
    file.extend(44_u64.to_le_bytes());
    file.extend([0; 12]);
    file.extend(u64::from(entries).to_le_bytes().repeat(2));
    file.extend(u64::from(number(end + 12)).to_le_bytes());
    file.extend(u64::from(number(end + 16)).to_le_bytes());
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend((end as u64).to_le_bytes());
    file.extend([1, 0, 0, 0]);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([0xff; 12]);
    file.extend([3, 0]);
    file.extend(b"end");
    assert_eq!(read(&file).unwrap(), read(&plain).unwrap());
}

/// A file of one's own, in any container: `FASTLEARN_TEST_PTH=FILE cargo test -p models --test pth -- --ignored`.
#[test]
#[ignore = "needs a .pth file, named by FASTLEARN_TEST_PTH"]
fn a_real_file_is_read() {
    let path = std::env::var_os("FASTLEARN_TEST_PTH").expect("FASTLEARN_TEST_PTH names a file");
    let state = models::StateDict::read(path).unwrap();
    for (name, tensor) in state.iter() {
        let sum: f64 = tensor.values.iter().map(|&value| f64::from(value)).sum();
        println!("{name} {:?} {sum:.6}", tensor.shape);
    }
}
