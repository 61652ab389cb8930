//! The loader's promises: the same batches for any number of threads, faults in their place, an end
//! to its threads, and no more than a few batches ahead.

use std::path::Path;
use std::time::Duration;

use image::{Rgb, RgbImage};
use tensor_core::Tensor;
use tensor_core::ops::augment::augment;
use tensor_core::random::RandomStream;

use super::*;
use crate::Transforms;
use crate::data::Loading;
use crate::picture::shrink;
use crate::transforms::{Canvas, Normalisation, Transform};

/// Pictures of several sizes, number 5 of `broken` if there is one.
fn pictures(count: usize, broken: Option<usize>) -> (tempfile::TempDir, Split) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for i in 0..count {
        let path = folder.path().join(format!("{i:03}.png"));
        let size = 20 + (i as u32 * 7) % 30;
        let image =
            RgbImage::from_fn(size + 5, size, |x, y| Rgb([(x * 9) as u8, (y * 5) as u8, i as u8]));
        match broken == Some(i) {
            true => std::fs::write(&path, b"not a picture").unwrap(),
            false => image.save(&path).unwrap(),
        }
        files.push(path);
    }
    let labels = (0..count as u32).map(|i| i % 3).collect();
    let split = Split::new(folder.path(), files, Labels::One(labels));
    (folder, split)
}

fn loading(workers: usize, cache: usize) -> Loading {
    Loading::default().batch_size(4).workers(workers).seed(9).cache_bytes(cache)
}

fn all(loader: Loader) -> Vec<Batch> {
    loader.collect::<Result<_>>().unwrap()
}

fn assert_same(a: &[Batch], b: &[Batch]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.pixels, b.pixels);
        assert_eq!(a.pictures, b.pictures);
        assert_eq!((&a.labels, &a.indexes), (&b.labels, &b.indexes));
    }
}

#[test]
fn threads_and_cache_change_nothing() {
    let (_folder, split) = pictures(23, None);
    let transforms = Transforms::side_on(16).max_zoom(1.2);
    let want = all(loading(0, 0).shuffled(&split, &transforms, 3).unwrap());
    assert_eq!(want.iter().map(Batch::len).collect::<Vec<_>>(), [4, 4, 4, 4, 4, 3]);
    for workers in [1, 2, 4] {
        for cache in [0, 10_000, 1 << 20] {
            let loading = loading(workers, cache);
            for _ in 0..2 {
                assert_same(&want, &all(loading.shuffled(&split, &transforms, 3).unwrap()));
            }
            assert!(loading.cache.bytes() <= cache);
            assert_eq!(loading.cache.bytes() > 0, cache > 0);
        }
    }
    let other = all(loading(2, 0).shuffled(&split, &transforms, 4).unwrap());
    assert_ne!(want[0].indexes, other[0].indexes);
}

#[test]
fn a_batch_says_where_its_pictures_are() {
    let (_folder, split) = pictures(6, None);
    let batches = all(loading(2, 0).plain(&split, &Transforms::none(16), false).unwrap());
    assert_eq!(batches[1].indexes, [4, 5]);
    assert_eq!(batches[1].labels, Labels::One(vec![1, 2]));
    for batch in &batches {
        let mut end = 0;
        for (picture, index) in batch.pictures.iter().zip(&batch.indexes) {
            assert_eq!(picture.offset, end);
            end += picture.height * picture.width * 3;
            assert_eq!(picture.height.min(picture.width), 16);
            assert_eq!(usize::from(batch.pixels[picture.offset + 2]), *index);
        }
        assert_eq!(end, batch.pixels.len());
        assert_eq!((batch.shape.n, batch.shape.height, batch.shape.width), (batch.len(), 16, 16));
    }
}

/// The picture shrunk and cut by hand, against the batch sampled by the device.
#[test]
fn a_sampled_validation_picture_is_the_middle_of_the_shrunk_one() {
    let (_folder, split) = pictures(9, None);
    let transforms = Transforms::side_on(16).max_zoom(1.1);
    let device = tensor_core::Device::cpu().unwrap();
    for batch in all(loading(1, 0).plain(&split, &transforms, false).unwrap()) {
        let bytes = Tensor::from_slice(&device, [batch.pixels.len()], &batch.pixels).unwrap();
        let sampled = augment(&batch.shape, &batch.pictures, &bytes).unwrap().to_f32().unwrap();
        for (values, index) in sampled.chunks_exact(16 * 16 * 3).zip(&batch.indexes) {
            let original = split.open(*index).unwrap();
            let width = original.width * 16 / original.height;
            let shrunk = shrink(original, 16, width);
            let left = (width - 16).div_ceil(2);
            for (place, value) in values.iter().enumerate() {
                let (pixel, channel) = (place / 3, place % 3);
                let byte = shrunk.pixel(pixel / 16, left + pixel % 16)[channel];
                let Normalisation { mean, std } = Normalisation::IMAGENET;
                let want = (f32::from(byte) / 255.0 - mean[channel]) / std[channel];
                // Normalised values are below 3: a few units in the last place.
                assert!((value - want).abs() < 2e-6, "picture {index}, {place}: {value} {want}");
            }
        }
    }
}

#[test]
fn test_time_passes_differ_and_repeat() {
    let (_folder, split) = pictures(5, None);
    let transforms = Transforms::basic(16);
    let pass = |k| all(loading(1, 0).augmented(&split, &transforms, k).unwrap());
    assert_same(&pass(0), &pass(0));
    assert_eq!(pass(0)[0].indexes, [0, 1, 2, 3]);
    assert_ne!(pass(0)[0].pictures, pass(1)[0].pictures);
}

#[test]
fn a_broken_picture_is_named_and_the_rest_still_comes() {
    let (_folder, split) = pictures(12, Some(5));
    for workers in [0, 3] {
        let results: Vec<_> =
            loading(workers, 0).plain(&split, &Transforms::none(16), false).unwrap().collect();
        let broken = results[1].as_ref().unwrap_err().to_string();
        assert!(broken.contains("005.png"), "{broken}");
        assert!(results[0].is_ok() && results[2].is_ok());
    }
}

#[derive(Debug)]
struct Panics;

impl Transform for Panics {
    fn geometry(&self, _canvas: &mut Canvas, _random: &mut RandomStream) {
        panic!("a fault in a transform");
    }
}

#[test]
fn a_panicking_transform_is_an_error() {
    let (_folder, split) = pictures(3, None);
    let transforms = Transforms::none(16).and(Panics);
    let mut loader = loading(2, 0).shuffled(&split, &transforms, 0).unwrap();
    assert!(loader.next().unwrap().unwrap_err().to_string().contains(".png"));
}

#[test]
fn dropping_a_loader_stops_its_threads() {
    let (_folder, split) = pictures(40, None);
    let mut loader = loading(3, 0).plain(&split, &Transforms::none(16), false).unwrap();
    assert_eq!((loader.len(), loader.pictures()), (10, 40));
    loader.next().unwrap().unwrap();
    assert_eq!(loader.len(), 9);
    let shared = Arc::downgrade(&loader.shared);
    drop(loader);
    assert!(shared.upgrade().is_none());
}

#[test]
fn no_more_than_a_few_batches_are_made_ahead() {
    let (_folder, split) = pictures(40, None);
    let loader = loading(2, 0).plain(&split, &Transforms::none(16), false).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let state = loader.shared.lock();
    assert_eq!(state.ahead.len(), BATCHES_AHEAD);
    assert_eq!(state.next_slot, BATCHES_AHEAD * 4);
}

#[test]
fn settings_are_checked() {
    let split = Split::unlabelled(vec![Path::new("a.png").to_owned()]);
    let transforms = Transforms::none(16);
    assert!(loading(1, 0).batch_size(0).shuffled(&split, &transforms, 0).is_err());
    assert!(loading(1, 0).plain(&split, &Transforms::none(0), false).is_err());
    let mut missing = loading(1, 0).plain(&split, &transforms, false).unwrap();
    assert!(missing.next().unwrap().unwrap_err().to_string().contains("a.png"));
    assert!(missing.next().is_none());
}
