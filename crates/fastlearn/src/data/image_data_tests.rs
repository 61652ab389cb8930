//! From a folder of small pictures to batches, and the settings that are refused before any work.

use image::{Rgb, RgbImage};

use super::*;
use crate::data::{Batch, Labels};

fn folder() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (number, file) in
        ["train/a/1", "train/a/2", "train/a/3", "train/b/4", "train/b/5", "valid/b/6", "test/7"]
            .iter()
            .enumerate()
    {
        let path = root.path().join(format!("{file}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(30, 24, Rgb([number as u8; 3])).save(path).unwrap();
    }
    root
}

#[test]
fn a_folder_becomes_batches() {
    let root = folder();
    let data = ImageData::from_folders(root.path(), Transforms::side_on(16)).unwrap();
    let data = data.batch_size(2).workers(1).seed(5);
    assert_eq!(data.classes(), ["a", "b"]);
    assert_eq!((data.train().len(), data.valid().len(), data.test().unwrap().len()), (5, 1, 1));
    let batches: Vec<Batch> = data.train_batches(0).unwrap().collect::<Result<_>>().unwrap();
    // The last one of five pictures joins the batch before.
    assert_eq!(batches.iter().map(Batch::len).collect::<Vec<_>>(), [2, 3]);
    for batch in &batches {
        assert_eq!(batch.labels, data.train().labels().select(&batch.indexes));
    }
    let fixed: Vec<Batch> = data.fixed_batches().unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(
        fixed.iter().flat_map(|batch| batch.indexes.clone()).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    assert_eq!(data.valid_batches().unwrap().next().unwrap().unwrap().labels, Labels::One(vec![1]));
    assert_eq!(data.augmented_batches(1).unwrap().len(), 1);
    let test = data.test().unwrap();
    let files = data.files(test.files().to_vec()).unwrap().next().unwrap().unwrap();
    assert_eq!(files.labels, Labels::Unknown);
    assert_eq!(files.pixels[0], 6);
    assert_eq!(data.train().open(0).unwrap().pixel(0, 0), [0; 3]);
}

#[test]
fn a_limit_and_a_shard_make_an_epoch_smaller() {
    let root = folder();
    let data = ImageData::from_folders(root.path(), Transforms::none(16)).unwrap().workers(0);
    let quick = data.clone().limit(2);
    assert_eq!(*quick.train().labels(), Labels::One(vec![0, 1]));
    assert_eq!(quick.valid().len(), 1);
    assert_eq!(data.clone().shard(1, 2).train_batches(0).unwrap().pictures(), 3);
    assert!(data.shard(2, 2).train_batches(0).is_err());
}

#[test]
fn wrong_settings_are_found_before_any_work() {
    let root = folder();
    let zoom = Transforms::none(16).max_zoom(0.9);
    let error = ImageData::from_folders(root.path(), zoom).unwrap_err();
    assert!(error.to_string().starts_with("zoom is 1 to 0.9"), "{error}");
}
