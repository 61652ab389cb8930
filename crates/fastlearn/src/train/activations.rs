//! The activations below the head, computed once and kept in the cache folder.
//!
//! A cache file's name is the hash of everything that decides its content: the files in order with
//! their sizes and times, the transform, the type that the body computes in, and its weights. A stale file is therefore never
//! read; it is just another name.

use std::fs;
use std::path::PathBuf;

use autograd::{ParameterStore, Var};
use models::weights::cache_folder;
use models::{Pass, StateDict, WeightTensor};
use sha2::{Digest, Sha256};
use tensor_core::Tensor;

use super::activation_set::ActivationSet;
use super::learner::Learner;
use crate::data::{Loader, Split};
use crate::input::to_device;
use crate::transforms::{Frame, View};
use crate::{Error, Result};

/// Activations of the training pictures and of the validation pictures.
pub(crate) struct Activations {
    /// One set through the validation transform, or one for each augmented view; never empty.
    pub train: Vec<ActivationSet>,
    pub valid: ActivationSet,
}

/// Reads the cache file of exactly this data and body, or computes and writes it. A cache that cannot
/// be written is no reason to fail: the notice says why. `views` is how many augmented views of the
/// training pictures there are to be, if they are not to be seen plainly.
pub(crate) fn compute_or_read(
    learner: &Learner,
    views: Option<usize>,
) -> Result<(Activations, Option<String>)> {
    let file = cache_file(learner, views);
    if let Some(found) = file.as_ref().ok().and_then(|file| read(learner, file, views)) {
        return Ok((found, None));
    }
    let activations = Activations {
        train: train_loaders(learner, views)
            .map(|loader| compute(learner, learner.data.train(), loader?))
            .collect::<Result<_>>()?,
        valid: compute(learner, learner.data.valid(), learner.data.valid_batches()?)?,
    };
    let written = file.and_then(|file| write(&activations, &file));
    let notice = written.err().map(|error| format!("activations are not kept: {error}"));
    Ok((activations, notice))
}

/// What training pictures are seen through: one loader a set.
fn train_loaders(
    learner: &Learner,
    views: Option<usize>,
) -> impl Iterator<Item = Result<Loader>> + use<'_> {
    let (data, loading) = (&learner.data, learner.data.loading());
    (0..views.unwrap_or(1)).map(move |pass| match views {
        None => data.fixed_batches(),
        Some(_) => {
            let view = View { frame: Frame::Training, pass, ..View::PLAIN };
            loading.viewed(data.train(), data.transforms(), &view)
        }
    })
}

fn compute(learner: &Learner, split: &Split, loader: Loader) -> Result<ActivationSet> {
    let columns = learner.classifier.head.inputs();
    let mut values = Vec::with_capacity(split.len() * columns);
    for input in to_device(learner.device(), loader) {
        learner.state.interruption.check()?;
        let mut pass = Pass::predict(&learner.state.store);
        let pictures = Var::constant(input?.tensor);
        let activations = learner.classifier.activations(&mut pass, pictures)?;
        values.extend(activations.value().to_f32()?);
    }
    Ok(ActivationSet {
        values,
        columns,
        labels: split.labels().clone(),
        draws: split.draws().clone(),
    })
}

const VALID: &str = "valid";

fn train_name(view: usize) -> String {
    format!("train-{view}")
}

fn write(activations: &Activations, file: &PathBuf) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    let mut state = StateDict::new();
    let train = activations.train.iter().enumerate();
    let train = train.map(|(view, set)| (train_name(view), set));
    for (name, set) in train.chain([(VALID.to_owned(), &activations.valid)]) {
        let shape = vec![set.rows(), set.columns];
        state.insert(name, WeightTensor { shape, values: set.values.clone() })?;
    }
    Ok(state.write(file)?)
}

/// `None` if there is no such file or it is damaged: then it is computed again.
fn read(learner: &Learner, file: &PathBuf, views: Option<usize>) -> Option<Activations> {
    let state = StateDict::read(file).ok()?;
    let columns = learner.classifier.head.inputs();
    let set = |name: &str, split: &Split| {
        let tensor = state.get(name)?;
        (tensor.shape == [split.len(), columns]).then(|| ActivationSet {
            values: tensor.values.clone(),
            columns,
            labels: split.labels().clone(),
            draws: split.draws().clone(),
        })
    };
    let train = (0..views.unwrap_or(1)).map(|view| set(&train_name(view), learner.data.train()));
    Some(Activations {
        train: train.collect::<Option<_>>()?,
        valid: set(VALID, learner.data.valid())?,
    })
}

fn cache_file(learner: &Learner, views: Option<usize>) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    if let Some(views) = views {
        // Views are drawn by the seed.
        hash.update(format!("{views} views of seed {} ", learner.data.loading().draw_seed()));
    }
    hash.update(learner.architecture.to_json());
    let description = learner.data.transforms().describe();
    hash.update(serde_json::to_vec(&description).unwrap_or_default());
    hash.update(learner.device().activation().to_string());
    hash_body(&mut hash, &learner.state.store)?;
    for split in [learner.data.train(), learner.data.valid()] {
        hash_files(&mut hash, split)?;
    }
    let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = cache_folder(learner.cache_folder.as_deref())?;
    Ok(folder.join("activations").join(format!("{name}.safetensors")))
}

fn hash_body(hash: &mut Sha256, store: &ParameterStore) -> Result<()> {
    let head = store.groups() - 1;
    let mut update = |tensor: Tensor| -> Result<()> {
        tensor.to_f32()?.iter().for_each(|value| hash.update(value.to_le_bytes()));
        Ok(())
    };
    for id in store.ids().filter(|&id| store.parameter(id).group < head) {
        update(store.value(id)?)?;
    }
    for (id, entry) in store.statistics_ids().zip(store.statistics()) {
        if entry.group < head {
            let running = store.running(id)?;
            update(running.mean)?;
            update(running.var)?;
        }
    }
    Ok(())
}

fn hash_files(hash: &mut Sha256, split: &Split) -> Result<()> {
    hash.update(split.len().to_le_bytes());
    for path in split.files() {
        let metadata = fs::metadata(path).map_err(|error| Error::io(path, error))?;
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(metadata.len().to_le_bytes());
        hash.update(since.map_or(0, |since| since.as_nanos()).to_le_bytes());
    }
    Ok(())
}
