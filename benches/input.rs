//! The input's way: decoding a photograph-sized JPEG, and the one sampling to a normalised batch.

#![expect(missing_docs, reason = "criterion_group! makes a function without any")]

mod device;

use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastlearn::data::decode_picture;
use image::{ImageFormat, RgbImage};
use tensor_core::Tensor;
use tensor_core::ops::augment::{AugmentPicture, AugmentShape, Border, augment};

const SIZE: usize = 224;
const BATCH: usize = 16;

fn photograph() -> Vec<u8> {
    let wave = |x: u32, y: u32, period: f32| (x as f32 / period).sin() * (y as f32 / 31.0).cos();
    let picture = RgbImage::from_fn(500, 375, |x, y| {
        let level = |period| (127.0 + 120.0 * wave(x, y, period)) as u8;
        image::Rgb([level(17.0), level(23.0), level(41.0)])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Jpeg).expect("it encodes");
    bytes.into_inner()
}

fn inputs(criterion: &mut Criterion) {
    let device = device::device();
    let mut group = device::group(criterion, &device, "input");
    let jpeg = photograph();
    group.throughput(Throughput::Elements(1)).bench_function("decode 500x375", |bencher| {
        bencher.iter(|| decode_picture(&jpeg, Path::new("bench.jpg")).expect("it decodes"));
    });

    let side = SIZE + 22;
    let bytes = vec![100_u8; BATCH * side * side * 3];
    let bytes = Tensor::from_slice(&device, [bytes.len()], &bytes).expect("there is memory");
    let (sine, cosine) = 0.1_f32.sin_cos();
    let pictures: Vec<AugmentPicture> = (0..BATCH)
        .map(|index| AugmentPicture {
            offset: index * side * side * 3,
            height: side,
            width: side,
            geometry: [cosine, -sine, 20.0, sine, cosine, -5.0],
            colour: [1.05, 0.0, 0.0, 0.01, 0.0, 1.05, 0.0, 0.01, 0.0, 0.0, 1.05, 0.01],
            border: Border::Reflect,
        })
        .collect();
    let shape = AugmentShape {
        n: BATCH,
        height: SIZE,
        width: SIZE,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("augment rotated", |bencher| {
        device::measure(bencher, &device, || augment(&shape, &pictures, &bytes).expect("it runs"));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = inputs
}
criterion_main!(benches);
