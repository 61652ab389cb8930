//! The backbone: a small residual network that learns to see, and the file it is kept in.

use std::path::{Path, PathBuf};
use std::time::Instant;

use fastlearn::schedule::OneCycle;
use fastlearn::{Device, ImageData, Learner, Transforms};
use models::head::HeadOptions;
use models::weights::weights_path;
use models::{Arch, Architecture, StateDict, exchange};

use super::world::{Counts, draw, shapes};
use super::{Result, Table};

/// Its name in the cache folder, for `--weights`.
pub const NAME: &str = "quickstart";
/// Peak of the one cycle that it is trained with.
pub const RATE: f32 = 0.04;

/// A residual network with one block a stage, a quarter as wide as ResNet-18.
pub fn architecture() -> Architecture {
    Architecture {
        name: NAME.into(),
        layers: [1, 1, 1, 1],
        stem_width: 16,
        sources: [].as_slice().into(),
        ..Arch::ResNet18.into()
    }
}

/// A single layer: the kinds are told apart by the body or not at all.
pub fn head() -> HeadOptions {
    HeadOptions { hidden: Vec::new(), last_dropout: 0.1, ..HeadOptions::default() }
}

/// How much it learns from, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schooling {
    /// Side of the pictures in pixels.
    pub size: usize,
    /// Pictures of each known kind.
    pub pictures: Counts,
    /// Epochs.
    pub epochs: usize,
    /// Seed of pictures, order and augmentation.
    pub seed: u64,
}

/// Enough for a backbone that others can learn from.
pub const SCHOOLING: Schooling =
    Schooling { size: 64, pictures: Counts { train: 400, valid: 10 }, epochs: 9, seed: 42 };

/// Where the schooling is written in the file's metadata.
const SCHOOLING_KEY: &str = "schooling";

/// The file in the cache folder, if its backbone had exactly this schooling.
pub fn find(cache: &Path, schooling: Schooling) -> Option<PathBuf> {
    let file = weights_path(cache, NAME).ok()?;
    let metadata = StateDict::read_metadata(&file).ok()?;
    (metadata.get(SCHOOLING_KEY) == Some(&format!("{schooling:?}"))).then_some(file)
}

/// Draws the known kinds in `folder`, trains the network on them and stores its body in the cache
/// folder. Returns the file.
pub fn pretrain(
    folder: &Path,
    cache: &Path,
    schooling: Schooling,
    device: &Device,
) -> Result<PathBuf> {
    let begun = Instant::now();
    let Schooling { size, pictures, epochs, seed } = schooling;
    draw(folder, &shapes::KNOWN, pictures, size, seed)?;
    let transforms = Transforms::side_on(size).max_zoom(1.1);
    let data = ImageData::from_folders(folder, transforms)?.batch_size(64).seed(seed);
    let mut learner = Learner::builder(architecture(), data)
        .random_weights()
        .head(head())
        .device(device)
        .seed(seed)
        .listener(Table::default())
        .build()?;
    learner.set_stage("backbone");
    learner.fit(RATE, OneCycle::new(epochs))?;
    let accuracy = learner.predict()?.scored()?.accuracy();
    let file = weights_path(cache, NAME)?;
    let mut body = body(&learner)?;
    body.metadata_mut().insert(SCHOOLING_KEY.to_string(), format!("{schooling:?}"));
    body.write(&file)?;
    println!(
        "\n   {:.1} % of held-out pictures are right after {:.0} s. The backbone is in\n   {}",
        accuracy * 100.0,
        begun.elapsed().as_secs_f64(),
        file.display()
    );
    Ok(file)
}

/// The learner's body without its head, under the names that published weights have. The metadata
/// say which network it is, so that `--weights` alone is enough.
fn body(learner: &Learner) -> Result<StateDict> {
    let mut body = StateDict::new();
    for (name, tensor) in exchange::export(learner.store())?.iter() {
        if !name.starts_with("head.") {
            body.insert(name, tensor.clone())?;
        }
    }
    let description = learner.architecture().to_json();
    body.metadata_mut().insert("architecture".to_string(), description);
    Ok(body)
}
