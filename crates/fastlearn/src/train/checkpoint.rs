//! A learner's whole state as one `.safetensors` file, from which a fit goes on at the exact step.
//!
//! Tensors are the flat buffers as they lie; all else is one JSON text in the metadata. When such files
//! are written is the business of `checkpoints`.

use std::collections::BTreeMap;
use std::path::Path;

use autograd::{HostSnapshot, ParameterStore};
use models::{StateDict, WeightTensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::history::History;
use super::progress::{Call, FitUnderWay, Journal};
use super::state::TrainState;
use crate::{Error, Result};

/// Raised with every change of what is written.
const VERSION: u32 = 1;
const VERSION_KEY: &str = "fastlearn.checkpoint.version";
const STATE_KEY: &str = "fastlearn.checkpoint.state";
/// Names of the tensors.
const STORE: &str = "store";
const KEPT: &str = "kept";
const OPTIMIZER: &str = "optimizer.";

/// What is no tensor.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    /// The program that wrote it, for people.
    fastlearn: String,
    /// Names and shapes of all parameters and statistics, as a hash.
    network: String,
    device: String,
    seed: u64,
    epochs_begun: usize,
    steps: u64,
    optimizer_steps: u64,
    calls: Vec<Call>,
    under_way: Option<FitUnderWay>,
    history: History,
}

impl TrainState {
    /// Writes a checkpoint: whole, or not at all. To be called at [`Event::Settled`](super::Event::Settled),
    /// when no step is under way.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let under_way = (!self.plan.is_empty())
            .then(|| FitUnderWay { plan: self.plan.clone(), progress: self.fit.clone() });
        let saved = Saved {
            fastlearn: env!("CARGO_PKG_VERSION").to_owned(),
            network: network_mark(&self.store),
            device: self.store.device().description(),
            seed: self.seed,
            epochs_begun: self.epochs_begun,
            steps: self.steps,
            optimizer_steps: self.optimizer.steps(),
            calls: self.journal.done.clone(),
            under_way,
            history: self.history.clone(),
        };
        let text = serde_json::to_string(&saved).map_err(|e| Error::Serialise(e.to_string()))?;
        let mut file = StateDict::new();
        file.metadata_mut().insert(VERSION_KEY.to_owned(), VERSION.to_string());
        file.metadata_mut().insert(STATE_KEY.to_owned(), text);
        insert_snapshot(&mut file, STORE, self.store.host_snapshot()?)?;
        if let Some(kept) = &self.kept {
            insert_snapshot(&mut file, KEPT, kept.to_host()?)?;
        }
        for (name, tensor) in self.optimizer.state() {
            insert(&mut file, format!("{OPTIMIZER}{name}"), tensor.to_f32()?)?;
        }
        Ok(file.write(path)?)
    }
}

/// Brings a checkpoint into a new learner's state. Nothing is changed unless all of it fits.
pub(super) fn read_checkpoint(state: &mut TrainState, path: &Path) -> Result<()> {
    let fault = |reason: String| Error::Model { path: path.to_owned(), reason };
    let mut file = StateDict::read(path)?;
    let saved = read_saved(&file).map_err(&fault)?;
    if saved.network != network_mark(&state.store) {
        return Err(fault("it is of another architecture, head or number of classes".to_owned()));
    }
    if saved.seed != state.seed {
        let (seed, now) = (saved.seed, state.seed);
        return Err(fault(format!("it was trained with seed {seed}, not {now}")));
    }
    let store = take_snapshot(&mut file, STORE).ok_or_else(|| fault("it has no weights".into()))?;
    let store = state.store.upload(&store)?;
    let kept = take_snapshot(&mut file, KEPT);
    let kept = kept.map(|kept| state.store.upload(&kept)).transpose()?;
    let buffers: BTreeMap<String, Vec<f32>> = file
        .iter()
        .filter_map(|(name, tensor)| {
            Some((name.strip_prefix(OPTIMIZER)?.to_owned(), tensor.values.clone()))
        })
        .collect();
    state.optimizer.restore(&state.store, &buffers, saved.optimizer_steps)?;
    state.store.restore(&store)?;
    state.kept = kept;
    state.epochs_begun = saved.epochs_begun;
    state.steps = saved.steps;
    state.journal = Journal::resumed(saved.calls, saved.under_way, saved.history);
    Ok(())
}

fn read_saved(file: &StateDict) -> Result<Saved, String> {
    let text = |key: &str| file.metadata().get(key).ok_or("it is no checkpoint of fastlearn");
    let version = text(VERSION_KEY)?;
    if *version != VERSION.to_string() {
        return Err(format!(
            "it is a checkpoint of format version {version}, this program reads version {VERSION}; go \
             on with the fastlearn that wrote it, or train again"
        ));
    }
    serde_json::from_str(text(STATE_KEY)?).map_err(|error| format!("it cannot be read: {error}"))
}

fn insert(file: &mut StateDict, name: String, values: Vec<f32>) -> Result<()> {
    file.insert(name, WeightTensor { shape: vec![values.len()], values })?;
    Ok(())
}

fn insert_snapshot(file: &mut StateDict, name: &str, snapshot: HostSnapshot) -> Result<()> {
    insert(file, format!("{name}.values"), snapshot.values)?;
    insert(file, format!("{name}.running"), snapshot.running)
}

fn take_snapshot(file: &mut StateDict, name: &str) -> Option<HostSnapshot> {
    let values = file.remove(&format!("{name}.values"))?.values;
    let running = file.remove(&format!("{name}.running"))?.values;
    Some(HostSnapshot { values, running })
}

/// A short name of exactly this network's parameters and statistics.
fn network_mark(store: &ParameterStore) -> String {
    let mut hash = Sha256::new();
    for parameter in store.parameters() {
        hash.update(format!("{} {} {}\n", parameter.name, parameter.shape, parameter.group));
    }
    for entry in store.statistics() {
        hash.update(format!("{} {}\n", entry.name, entry.group));
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
