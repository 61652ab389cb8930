//! Plans: pure functions of shape, type, direction and device.

use super::*;
use crate::backend::conv::ConvDirection::{Forward, InputGradient, WeightGradient};

const AMPERE: Abilities = Abilities { capability: Capability::new(8, 0), tf32: false };
const TURING: Abilities = Abilities { capability: Capability::new(7, 5), tf32: false };

fn square(n: usize, extent: usize, c: usize, k: usize, kernel: usize, stride: usize) -> ConvShape {
    ConvShape {
        n,
        h: extent,
        w: extent,
        c,
        k,
        r: kernel,
        s: kernel,
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        groups: 1,
    }
}

fn variants(shape: &ConvShape, dtype: DType, direction: ConvDirection) -> Vec<&'static str> {
    plans(shape, dtype, direction, &AMPERE).iter().map(|plan| plan.variant).collect()
}

#[test]
fn tiles_grow_with_the_product() {
    let wide = square(64, 28, 128, 128, 3, 1);
    assert_eq!(variants(&wide, DType::F32, Forward)[0], "implicit_128x128");
    let narrow = square(64, 56, 64, 64, 3, 1);
    assert_eq!(variants(&narrow, DType::F32, Forward)[0], "implicit_64x64");
    let small = square(1, 7, 512, 512, 3, 1);
    assert_eq!(variants(&small, DType::F32, Forward)[0], "implicit_64x64");
}

#[test]
fn every_shape_has_a_plan_of_each_type_and_direction() {
    let odd = square(1, 13, 5, 17, 3, 1);
    let grouped = ConvShape { groups: 5, ..square(2, 8, 5, 15, 3, 2) };
    for shape in [odd, grouped, square(2, 64, 3, 64, 7, 2)] {
        for direction in [Forward, InputGradient, WeightGradient] {
            for dtype in [DType::F32, DType::Bf16] {
                assert!(!variants(&shape, dtype, direction).is_empty(), "{shape} {dtype}");
            }
            assert!(plans(&shape, DType::Bf16, direction, &TURING).is_empty(), "{shape}");
            assert!(plans(&shape, DType::F64, direction, &AMPERE).is_empty(), "{shape}");
        }
    }
}

#[test]
fn groups_and_few_channels_have_kernels_of_their_own() {
    let resnext = ConvShape { groups: 32, ..square(8, 56, 128, 128, 3, 1) };
    assert_eq!(variants(&resnext, DType::Bf16, Forward), ["grouped_x4", "grouped_any"]);
    let depthwise = ConvShape { groups: 17, ..square(8, 56, 17, 17, 3, 1) };
    assert_eq!(variants(&depthwise, DType::F32, InputGradient), ["grouped_any"]);
    let first = square(8, 224, 3, 64, 7, 2);
    assert_eq!(variants(&first, DType::F32, Forward)[0], "stem");
    assert_eq!(variants(&first, DType::F32, WeightGradient)[0], "stem");
    assert_eq!(variants(&first, DType::Bf16, Forward)[..2], ["stem_mma", "stem"]);
    assert_eq!(variants(&first, DType::Bf16, WeightGradient)[..2], ["stem_mma", "stem"]);
    assert_eq!(variants(&first, DType::F32, InputGradient), ["implicit_any"]);
}

#[test]
fn plans_say_what_they_fuse_and_read() {
    let shape = square(64, 28, 128, 128, 3, 1);
    let forward = &plans(&shape, DType::F32, Forward, &AMPERE)[0];
    assert_eq!(forward.fuses_statistics, Some(128));
    assert!(forward.fuses_input && forward.prepared == 0);
    let odd = square(8, 28, 127, 127, 3, 1);
    let forward = &plans(&odd, DType::Bf16, Forward, &AMPERE)[0];
    assert_eq!((forward.fuses_statistics, forward.prepared), (Some(64), odd.weight_len()));
    assert!(forward.reads_twin);
    let backward = &plans(&shape, DType::F32, InputGradient, &AMPERE)[0];
    assert!(!backward.fuses_input && backward.fuses_statistics.is_none());
}

#[test]
fn parts_of_a_weight_gradient_cover_the_pixels_once() {
    for (extent, tiles) in [(1, 1), (7, 3), (56, 9), (56, 5000), (224, 1)] {
        let shape = square(3, extent, 16, 16, 3, 1);
        let split::Split { parts, part_pixels } = split::Split::new(&shape, tiles, 528, 256);
        let pixels = shape.output_rows();
        assert!((parts - 1) * part_pixels < pixels && pixels <= parts * part_pixels);
        assert!(parts == 1 || part_pixels >= 256, "{parts} parts of {part_pixels}");
    }
}

#[test]
fn workspaces_hold_one_sum_a_part() {
    let shape = square(64, 56, 64, 64, 3, 1);
    for plan in plans(&shape, DType::F32, WeightGradient, &AMPERE) {
        assert_eq!(plan.workspace % shape.weight_len(), 0, "{}", plan.variant);
        assert!(plan.workspace > 0, "{} leaves most of a device idle", plan.variant);
    }
}

#[test]
fn what_32_bits_cannot_index_is_refused() {
    let refused = extents::Extents::new(FORWARD, &square(4096, 224, 64, 64, 3, 1));
    let text = refused.expect_err("13 billion elements").to_string();
    assert!(text.contains("conv.forward") && text.contains("the input"), "{text}");
    let padded = ConvShape { padding: [1 << 30; 2], ..square(1, 3, 1, 1, 1, 1 << 30) };
    assert!(extents::Extents::new(FORWARD, &padded).is_err());
}
