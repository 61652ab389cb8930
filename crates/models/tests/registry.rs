//! The rows against torchvision: names, shapes, counts; and the weight sources against their own addresses.

use std::fmt::Write as _;

use models::registry::BlockKind;
use models::weights::{Checksum, WeightFormat};
use models::{Arch, Architecture};
use sha2::{Digest, Sha256};

/// Architecture, trainable values, and the sha256 of one line `name [shape]` per entry of `state_dict()` without
/// `num_batches_tracked`: torchvision 0.29.2, `resnet101_32x4d` as `ResNet(Bottleneck, [3, 4, 23, 3], groups=32,
/// width_per_group=4)`.
const TORCHVISION: [(Arch, usize, &str); 10] = [
    (Arch::ResNet18, 11689512, "d7173cd3f0d31e987165572eb61c1d0e9fe08b82e163911b3786becd7803b12b"),
    (Arch::ResNet34, 21797672, "fb671cc91bce36a6e6ca974f38ad8f825bab1ddd8cc4df9a69e7cf67bd658d30"),
    (Arch::ResNet50, 25557032, "a8cc8b0cd128de330c5b836bf53b53ae39c96add3c9688636ba159e4e3765cb3"),
    (Arch::ResNet101, 44549160, "d6b4f3a496d670e4109d9394cf0ae747a75733c7ede1f40d14c7b9eb93c75ed9"),
    (Arch::ResNet152, 60192808, "555992c2ec193a786e6542049e72b4c91d00330e65ad6d3d13bd8cae2dd2b3ea"),
    (
        Arch::WideResNet50_2,
        68883240,
        "ff19738b10e40aba4bfdde15d39673542c676755a76b71241603ea4483ecb8ea",
    ),
    (
        Arch::ResNeXt50_32x4d,
        25028904,
        "868af80672cdddb7a70c4df64b88a36fe27bbc3326b7f16b3789ae860ac56be4",
    ),
    (
        Arch::ResNeXt101_32x4d,
        44177704,
        "760c470461163deb83c693bc73c8f10905b3164a3d3d550c75f88f44fde0d0f7",
    ),
    (
        Arch::ResNeXt101_32x8d,
        88791336,
        "94225a87272e9db59d7ccb946a38ccfa703da1926c5976767878cdf263e2720b",
    ),
    (
        Arch::ResNeXt101_64x4d,
        83455272,
        "29745b908f267eda81bf77f65aa46e3af40c6b95ad8dae9f907894fa6f00e6e0",
    ),
];

fn sha256(text: &str) -> String {
    let mut digits = String::new();
    for byte in Sha256::digest(text) {
        write!(digits, "{byte:02x}").unwrap();
    }
    digits
}

#[test]
fn names_and_shapes_are_torchvisions() {
    for (arch, parameters, digest) in TORCHVISION {
        let architecture = arch.architecture();
        let lines: String = architecture
            .tensor_shapes(Some(1000))
            .iter()
            .map(|(name, shape)| format!("{name} {shape:?}\n"))
            .collect();
        assert_eq!(sha256(&lines), digest, "{arch}\n{lines}");
        assert_eq!(architecture.parameter_count(Some(1000)), parameters, "{arch}");
        architecture.check().unwrap();
    }
}

#[test]
fn groups_are_cut_after_the_second_stage() {
    for arch in Arch::ALL {
        let architecture = arch.architecture();
        assert_eq!(
            [0, 1, 2, 3].map(|stage| architecture.stage_group(stage)),
            [0, 0, 1, 1],
            "{arch}"
        );
    }
}

#[test]
fn published_digits_have_the_right_form() {
    let hex = |digits: &str| digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    for source in Arch::ALL.iter().flat_map(|arch| arch.architecture().sources.iter()) {
        let address = &source.address;
        assert!(address.starts_with("https://"), "{address}");
        assert!(source.size.bytes().is_some() && !source.licence.is_empty(), "{address}");
        match (&source.sha256, source.format) {
            (Checksum::Full(digits), WeightFormat::Safetensors) => {
                assert!(digits.len() == 64 && hex(digits), "{address}");
            }
            (Checksum::Prefix(digits), WeightFormat::Pth) => {
                assert!(digits.len() == 8 && hex(digits), "{address}");
                assert!(address.ends_with(&format!("-{digits}.pth")), "{address}");
            }
            (Checksum::Unpublished, WeightFormat::Safetensors) => {}
            other => panic!("{address}: {other:?}"),
        }
    }
    for arch in Arch::ALL {
        let source = arch.architecture().preferred_source().unwrap();
        // f32 values, running statistics and a header: a rounded size is within 2 % of the parameters' bytes.
        let parameters = 4.0 * arch.architecture().parameter_count(Some(1000)) as f64;
        let ratio = source.size.bytes().unwrap() as f64 / parameters;
        assert!((0.995..1.02).contains(&ratio), "{arch}: {ratio}");
    }
}

#[test]
fn impossible_rows_are_refused_by_field() {
    let resnet: Architecture = Arch::ResNet18.into();
    let cases = [
        (Architecture { layers: [2, 0, 2, 2], ..resnet.clone() }, "layers"),
        (Architecture { stem_width: 0, ..resnet.clone() }, "stem_width"),
        (Architecture { groups: 32, ..resnet.clone() }, "basic blocks"),
        (Architecture { stages_in_first_group: 5, ..resnet.clone() }, "stages_in_first_group"),
        (
            Architecture {
                block: BlockKind::Bottleneck,
                stem_width: 8,
                groups: 32,
                width_per_group: 4,
                ..resnet
            },
            "no whole channels",
        ),
    ];
    for (row, word) in cases {
        let message = row.check().unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("resnet18"), "{message}");
    }
}
