//! The backbone: a small residual network that learns to see, and the file it is kept in.

use std::path::{Path, PathBuf};

use fastlearn::schedule::OneCycle;
use fastlearn::{Device, ImageData, Learner, Transforms};
use models::head::HeadOptions;
use models::weights::weights_path;
use models::{Arch, Architecture, StateDict, exchange};

use super::options::Options;
use super::report::Table;
use super::{Result, Stopwatch, world};

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

/// Trains the network on the known kinds and stores its body in the cache folder. Returns the file.
pub fn pretrain(options: &Options, cache: &Path, device: &Device) -> Result<PathBuf> {
    let watch = Stopwatch::start();
    let (amount, seed) = (options.amount, options.seed);
    let folder = options.world().join("known");
    world::draw(&folder, &world::shapes::KNOWN, amount.known, amount.size, seed)?;
    let transforms = Transforms::side_on(amount.size).max_zoom(1.1);
    let data = ImageData::from_folders(&folder, transforms)?.batch_size(64).seed(seed);
    let mut learner = Learner::builder(architecture(), data)
        .random_weights()
        .head(head())
        .device(device)
        .seed(seed)
        .listener(Table)
        .build()?;
    learner.set_stage("backbone");
    learner.fit(RATE, OneCycle::new(amount.epochs))?;
    let accuracy = learner.predict()?.scored()?.accuracy();
    let file = weights_path(cache, NAME)?;
    body(&learner)?.write(&file)?;
    println!(
        "\n   {:.1} % of held-out pictures are right after {:.0} s. The backbone is in\n   {}",
        accuracy * 100.0,
        watch.seconds(),
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
