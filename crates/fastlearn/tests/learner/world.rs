//! The data, the network and the comparisons that the tests share.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use fastlearn::train::{Control, Event, LearnerBuilder, Listener, TrainState};
use fastlearn::{Device, ImageData, Learner, Result, Transforms};
use image::{Rgb, RgbImage};
use models::exchange::export;
use models::head::{GammaStart, HeadOptions};
use models::{Classifier, StateDict};
use tempfile::TempDir;
use tensor_core::CpuOptions;

pub use crate::slim::slim;

/// Pictures of a class that train, and that validate, unless a test wants others.
const TRAIN: usize = 8;
const VALID: usize = 3;

/// A data folder and a cache folder that vanish with the test.
pub struct World {
    root: TempDir,
}

impl World {
    /// 24 pictures of three classes to learn from and 9 to judge by.
    pub fn new() -> World {
        World::of(TRAIN, VALID)
    }

    /// So many pictures a class.
    pub fn of(train: usize, valid: usize) -> World {
        let world = World { root: tempfile::tempdir().expect("a folder") };
        for (split, first, count) in [("train", 0, train), ("valid", train, valid)] {
            for (class, name) in ["bars", "discs", "squares"].into_iter().enumerate() {
                let folder = world.path("data").join(split).join(name);
                fs::create_dir_all(&folder).expect("a folder");
                for number in first..first + count {
                    let file = folder.join(format!("{number:02}.png"));
                    shape(class, number as u32).save(file).expect("a picture");
                }
            }
        }
        world
    }

    /// A path of the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The pictures at 32 pixels, lightly augmented, in batches of 8.
    pub fn data(&self) -> ImageData {
        self.data_with(Transforms::basic(32))
    }

    /// The pictures through these transforms.
    pub fn data_with(&self, transforms: Transforms) -> ImageData {
        let data = ImageData::from_folders(self.path("data"), transforms).expect("data");
        data.batch_size(8).workers(1)
    }

    /// A slim network with a body from elsewhere, frozen.
    pub fn builder(&self) -> LearnerBuilder {
        self.builder_on(self.data(), 2)
    }

    /// The same with other data and so many threads that compute.
    pub fn builder_on(&self, data: ImageData, threads: usize) -> LearnerBuilder {
        let device = device(threads);
        Learner::builder(slim(), data)
            .state(body(&device), "the slim body")
            .head(head())
            .device(&device)
            .cache_folder(self.path("cache"))
    }

    /// What [`builder`](Self::builder) builds.
    pub fn learner(&self) -> Learner {
        self.builder().build().expect("a learner")
    }

    /// The same with every layer group training.
    pub fn unfrozen(&self) -> Learner {
        let mut learner = self.learner();
        learner.unfreeze().expect("unfrozen");
        learner
    }
}

/// A CPU of its own, so that counts of memory are the test's alone.
pub fn device(threads: usize) -> Device {
    let options = CpuOptions { threads: Some(threads), ..CpuOptions::default() };
    Device::cpu_with(options).expect("a device")
}

/// The lesson's head with 16 hidden units.
pub fn head() -> HeadOptions {
    HeadOptions { hidden: vec![16], ..HeadOptions::default() }
}

/// The same without dropout: then a step's number decides nothing.
pub fn head_without_dropout() -> HeadOptions {
    HeadOptions { hidden_dropout: 0.0, last_dropout: 0.0, gamma: GammaStart::One, ..head() }
}

fn body(device: &Device) -> StateDict {
    let (_, store) = Classifier::new(&slim(), 3, &head(), 7, device).expect("a network");
    let mut state = export(&store).expect("exported");
    let names: Vec<String> = state.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names.iter().filter(|name| name.starts_with("head.")) {
        state.remove(name);
    }
    state
}

/// A bar, a disc or a square, each of its own colour, on grey.
fn shape(class: usize, number: u32) -> RgbImage {
    let (left, top) = (4 + number * 5 % 11, 4 + number * 7 % 11);
    let (side, half) = (10 + (number % 4) as i32, 5 + (number % 2) as i32);
    RgbImage::from_fn(32, 32, |x, y| {
        let (x, y) = (x as i32 - left as i32, y as i32 - top as i32);
        let inside = match class {
            0 => (0..side / 3).contains(&x) && (0..16).contains(&y),
            1 => (x - half).pow(2) + (y - half).pow(2) <= half * half,
            _ => (0..side).contains(&x) && (0..side).contains(&y),
        };
        let colours = [[225, 70, 45], [60, 205, 80], [70, 85, 235]];
        if inside { Rgb(colours[class]) } else { Rgb([50 + (number * 23 % 60) as u8; 3]) }
    })
}

/// Every parameter and running statistic by name, as bits.
pub type Bits = BTreeMap<String, Vec<u32>>;

/// All that a learner has learned.
pub fn bits(learner: &Learner) -> Bits {
    let state = export(learner.store()).expect("exported");
    let of = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
    state.iter().map(|(name, tensor)| (name.to_owned(), of(&tensor.values))).collect()
}

/// Names whose values differ.
pub fn changed(before: &Bits, after: &Bits) -> Vec<String> {
    assert_eq!(before.len(), after.len());
    before
        .iter()
        .filter(|(name, bits)| after[*name] != **bits)
        .map(|(name, _)| name.clone())
        .collect()
}

/// True for the name of a running mean or variance.
pub fn is_statistic(name: &str) -> bool {
    name.contains(".running_")
}

/// The losses of all steps and epochs, as bits.
pub fn losses(learner: &Learner) -> Vec<u32> {
    let history = learner.history();
    let steps = history.batches.iter().map(|record| record.loss.to_bits());
    let rows = history.epochs.iter();
    steps
        .chain(rows.flat_map(|row| {
            let valid_loss = row.valid_loss.expect("validated");
            [row.train_loss.to_bits(), valid_loss.to_bits()]
        }))
        .collect()
}

/// Two learners have learned the same from the same, to the last bit.
#[track_caller]
pub fn assert_same(left: &Learner, right: &Learner) {
    assert_eq!(losses(left), losses(right));
    assert_eq!(changed(&bits(left), &bits(right)), [""; 0]);
}

/// Calls a closure at every event.
pub struct Listen<F>(pub F);

impl<F: FnMut(&Event, &mut TrainState) -> Result<Control> + Send> Listener for Listen<F> {
    fn on(&mut self, event: Event, state: &mut TrainState) -> Result<Control> {
        self.0(&event, state)
    }
}

/// Makes closures into listeners; spares their callers the types.
pub fn listen<F>(hear: F) -> Listen<F>
where
    F: FnMut(&Event, &mut TrainState) -> Result<Control> + Send,
{
    Listen(hear)
}

/// Words that a listener writes and a test reads.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    /// Adds a word.
    pub fn write(&self, word: impl Into<String>) {
        self.0.lock().expect("no panic").push(word.into());
    }

    /// All words so far.
    pub fn read(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}
