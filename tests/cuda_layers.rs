//! Every distinct convolution of ResNet-18, 34 and 50 and ResNeXt-50 on a CUDA device against
//! Reference: all directions, all formats, every legal plan.
//!
//! Kernels, strides and groups are the networks' own. Pictures are small and the widest layers narrower,
//! so that an emulated device is done in minutes: the rows leave a whole tile and a part of one, and the
//! channels what they leave at full width, nothing, but for more than one tile of them. FASTLEARN_EXTENTS=full takes the networks'
//! own pictures instead, for a real device. All of these tests are ignored unless asked for: `cargo xtask
//! emulator --all` and the bundle for GPU machines ask.

#[allow(dead_code, reason = "only convolutions are of interest here")]
mod op_cases;

#[path = "../benches/gpu/layers.rs"]
mod layers;

#[allow(dead_code, reason = "who runs these tests has seen to it that there is a device")]
mod cuda;

#[path = "cuda/contestant.rs"]
mod contestant;

use models::Arch;
use op_cases::Case;
use op_cases::agreement::assert_agreement;
use op_cases::conv::ConvCase;
use op_cases::format::Format;
use tensor_core::backend::conv::{ConvDirection, ConvShape};

const NETWORKS: [Arch; 4] = [Arch::ResNet18, Arch::ResNet34, Arch::ResNet50, Arch::ResNeXt50_32x4d];

/// Three pictures of 7 by 7 pixels come out: 147 rows, one tile of 128 and 19 rows of another.
const PICTURES: usize = 3;
const SIDE: usize = 7;

fn shapes() -> Vec<ConvShape> {
    let full = std::env::var("FASTLEARN_EXTENTS").is_ok_and(|extents| extents == "full");
    let of_network = |arch: Arch| layers::convolutions(arch.architecture(), 1, 224);
    let shapes = NETWORKS.into_iter().flat_map(of_network).map(|shape| match full {
        true => shape,
        false => reduced(shape),
    });
    layers::distinct(shapes).into_iter().map(|(shape, _)| shape).collect()
}

/// The widest layers: 512 channels of a pixel, or 256 of a window. Groups are narrow as they are.
fn reduced(shape: ConvShape) -> ConvShape {
    let [h, w] = shape.stride.map(|stride| SIDE * stride);
    let widest = match (shape.groups, shape.r) {
        (1, 1) => 512,
        (1, _) => 256,
        _ => usize::MAX,
    };
    let (c, k) = (shape.c.min(widest), shape.k.min(widest));
    ConvShape { n: PICTURES, h, w, c, k, ..shape }
}

fn assert_agrees(format: Format, direction: ConvDirection) {
    let Some(mut contestant) = contestant::contestant(format) else { return };
    // That the same bits come out again is shown by the op cases.
    contestant.twins.clear();
    let case = |shape| Box::new(ConvCase { shape, direction }) as Box<dyn Case>;
    let cases: Vec<_> = shapes().into_iter().map(case).collect();
    assert_agreement(&cuda::some_of(cases), &[contestant]);
}

macro_rules! layers {
    ($($format:ident in $module:ident),*) => {
        $(mod $module {
            use super::{ConvDirection, Format};

            #[test]
            #[ignore = "takes minutes on the emulated driver"]
            fn forward() {
                super::assert_agrees(Format::$format, ConvDirection::Forward);
            }

            #[test]
            #[ignore = "takes minutes on the emulated driver"]
            fn input_gradient() {
                super::assert_agrees(Format::$format, ConvDirection::InputGradient);
            }

            #[test]
            #[ignore = "takes minutes on the emulated driver"]
            fn weight_gradient() {
                super::assert_agrees(Format::$format, ConvDirection::WeightGradient);
            }
        })*
    };
}

layers!(F32 in f32, Bf16 in bf16, Tf32 in tf32);

#[test]
fn the_reduced_layers_keep_what_makes_them_different() {
    let shapes = shapes();
    assert!(shapes.len() > 30, "{}", shapes.len());
    let has = |c, k, r, stride, groups| {
        shapes.iter().any(|shape| {
            (shape.c, shape.k, shape.r, shape.stride[0], shape.groups) == (c, k, r, stride, groups)
        })
    };
    assert!(has(3, 64, 7, 2, 1) && has(256, 256, 3, 2, 1) && has(512, 512, 1, 2, 1));
    assert!(has(128, 128, 3, 1, 32) && has(1024, 1024, 3, 2, 32));
}
