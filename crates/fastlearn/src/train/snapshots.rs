//! Weights that a learner has kept: an ensemble of cycles' ends, an average, the best epoch.

use std::path::{Path, PathBuf};

use models::StateDict;
use models::exchange::{Part, import};

use super::batch_statistics::recompute;
use super::history::EpochRow;
use super::keeper::{BEST, BestBy, average_name, last_fit, snapshot_name};
use super::learner::Learner;
use super::progress::Call;
use crate::data::Split;
use crate::predict::{Predictions, Tta, mean};
use crate::{Error, Result};

impl Learner {
    /// Weights are kept as model files in this folder from now on, not in memory: each predicts by itself,
    /// and those of a run that was interrupted are still there when it goes on.
    pub fn keep_in(&mut self, folder: impl AsRef<Path>) {
        self.keeper.shelf.move_to(folder.as_ref().to_owned(), self.description());
    }

    /// Keeps the weights at the end of each cycle from now on (Huang et al., *Snapshot ensembles*, 2017);
    /// [`snapshots`](Self::snapshots) predicts with them all. Each takes the memory of the weights, on the
    /// host; the next fit begins anew.
    pub fn keep_snapshots(&mut self) {
        self.keeper.keeping().snapshots = true;
    }

    /// Keeps the weights at the end of each epoch from this one of a fit on (from 0), to be averaged by
    /// [`use_average`](Self::use_average) (Izmailov et al., *Averaging weights leads to wider optima and
    /// better generalization*, 2018). Each takes the memory of the weights, on the host.
    pub fn average_from(&mut self, epoch: usize) {
        self.keeper.keeping().average_from = Some(epoch);
    }

    /// Keeps the weights of the best epoch of each fit from now on; [`use_best`](Self::use_best) brings
    /// them back.
    pub fn keep_best(&mut self, by: BestBy) {
        self.keeper.keeping().best = Some(by);
    }

    /// The weights that [`keep_snapshots`](Self::keep_snapshots) has kept of the last fit.
    pub fn snapshots(&mut self) -> Snapshots<'_> {
        let (first, rows) = last_fit(&self.state.history);
        let names = (1..=rows.len()).map(|epochs| snapshot_name(first + epochs));
        let names = names.filter(|name| self.keeper.shelf.has(name)).collect();
        Snapshots { learner: self, names }
    }

    /// Goes over to the mean of the weights that [`average_from`](Self::average_from) has kept of the last
    /// fit, and lets the batch norms that train see every training picture once more: their statistics
    /// belong to weights, not to means of them. Returns how many weights it is the mean of.
    ///
    /// # Errors
    /// [`Error::Setting`] if none were kept; a picture that cannot be read; out of memory. Nothing has
    /// changed then.
    pub fn use_average(&mut self) -> Result<usize> {
        let (first, rows) = last_fit(&self.state.history);
        let names = (1..=rows.len()).map(|epochs| average_name(first + epochs));
        let names: Vec<String> = names.filter(|name| self.keeper.shelf.has(name)).collect();
        self.average("the average of epochs", &names)
    }

    /// Goes back to the weights of the best epoch of the last fit; returns its row.
    ///
    /// # Errors
    /// [`Error::Setting`] unless [`keep_best`](Self::keep_best) was asked for before the fit.
    pub fn use_best(&mut self) -> Result<EpochRow> {
        let row = self.exchange("the best epoch", |learner| {
            let by = learner.keeper.keeping().best.clone().unwrap_or(BestBy::Loss);
            let (first, rows) = last_fit(&learner.state.history);
            match by.best_of(rows)? {
                Some(row) if learner.keeper.shelf.has(BEST) => {
                    let row = first + row.epoch;
                    learner.keeper.shelf.restore(BEST, &mut learner.state.store)?;
                    Ok(row)
                }
                _ => Err(nothing_kept("ask for `keep_best` before the fit, and validate")),
            }
        })?;
        Ok(self.state.history.epochs.get(row).cloned().unwrap_or_default())
    }

    /// Takes other weights, unless a learner that was resumed has them already; `take` returns what is to
    /// be noted of them. A learner that goes on knows the whole history, so `take` alone may look at it.
    fn exchange(
        &mut self,
        plan: &str,
        take: impl FnOnce(&mut Learner) -> Result<usize>,
    ) -> Result<usize> {
        if let Some(detail) = self.state.journal.exchanged_before(plan)? {
            return Ok(detail);
        }
        let detail = take(self)?;
        self.temperature = None;
        let plan = plan.to_owned();
        self.state.journal.done.push(Call::Exchange { plan, detail });
        Ok(detail)
    }

    fn average(&mut self, plan: &str, names: &[String]) -> Result<usize> {
        self.exchange(plan, |learner| {
            let Some(averaged) = learner.mean_of(names)? else {
                return Err(nothing_kept(
                    "ask for `average_from` or `keep_snapshots` before the fit",
                ));
            };
            let before = learner.state.store.snapshot()?;
            let imported = import(&mut learner.state.store, &averaged, Part::Whole, plan);
            let done = imported.map_err(Error::from).and_then(|()| recompute(learner));
            if done.is_err() {
                learner.state.store.restore(&before)?;
            }
            done.map(|()| names.len())
        })
    }

    /// The mean of kept weights, summed in f64; `None` of none.
    fn mean_of(&self, names: &[String]) -> Result<Option<StateDict>> {
        let Some((first, others)) = names.split_first() else { return Ok(None) };
        let mut mean = self.keeper.shelf.get(first)?;
        let tensors: Vec<String> = mean.iter().map(|(name, _)| name.to_owned()).collect();
        let others: Result<Vec<StateDict>> =
            others.iter().map(|name| self.keeper.shelf.get(name)).collect();
        let others = others?;
        for name in tensors {
            let Some(mut tensor) = mean.remove(&name) else { continue };
            for (index, value) in tensor.values.iter_mut().enumerate() {
                let of = |state: &StateDict| state.get(&name).map_or(0.0, |t| t.values[index]);
                let sum: f64 = others.iter().map(|state| f64::from(of(state))).sum();
                *value = ((f64::from(*value) + sum) / (others.len() + 1) as f64) as f32;
            }
            mean.insert(name, tensor)?;
        }
        Ok(Some(mean))
    }
}

/// Kept weights of one fit, and the learner whose network they belong to. Whatever is asked of them, the
/// learner's own weights are afterwards what they were, unless it is told otherwise.
///
/// ```no_run
/// # fn main() -> fastlearn::Result<()> {
/// # let mut learner: fastlearn::Learner = unimplemented!();
/// use fastlearn::schedule::Cycles;
/// learner.keep_snapshots();
/// learner.fit(0.01, Cycles::new(5).length(2))?;
/// println!("{:.4}", learner.snapshots().tta(4)?.scored()?.accuracy());
/// # Ok(())
/// # }
/// ```
pub struct Snapshots<'a> {
    learner: &'a mut Learner,
    names: Vec<String>,
}

impl Snapshots<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True if none was kept.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Their names, such as `snapshot-007` after seven epochs: those of their files.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The mean of all snapshots' probabilities of the validation pictures. It costs as much as that many
    /// predictions.
    ///
    /// # Errors
    /// [`Error::Setting`] if none was kept; as [`Learner::predict`].
    pub fn predict(&mut self) -> Result<Predictions> {
        self.tta(0)
    }

    /// As [`predict`](Self::predict), each by test-time augmentation.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn tta(&mut self, tta: impl Into<Tta>) -> Result<Predictions> {
        let valid = self.learner.data.valid().clone();
        self.tta_split(&valid, tta)
    }

    /// As [`tta`](Self::tta), of any pictures.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn tta_split(&mut self, split: &Split, tta: impl Into<Tta>) -> Result<Predictions> {
        let tta = tta.into();
        let opinions = self.each(|learner| learner.tta_split(split, tta))?;
        match opinions.is_empty() {
            false => Ok(mean(&opinions)),
            true => Err(nothing_kept("ask for `keep_snapshots` before the fit")),
        }
    }

    /// The predictions of each snapshot by itself, in order.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predictions(&mut self) -> Result<Vec<Predictions>> {
        self.each(|learner| learner.predict())
    }

    /// The learner goes over to the mean of their weights; as [`Learner::use_average`].
    ///
    /// # Errors
    /// As [`Learner::use_average`].
    pub fn average(self) -> Result<()> {
        self.learner.average("the average of snapshots", &self.names).map(drop)
    }

    /// The learner goes back to one of them.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no such snapshot.
    pub fn restore(self, index: usize) -> Result<()> {
        let Snapshots { learner, names } = self;
        let plan = format!("the snapshot {index}");
        learner.exchange(&plan, |learner| {
            let Some(name) = names.get(index) else {
                let rule = "it must be below the number of snapshots";
                return Err(Error::setting("the snapshot", index, rule));
            };
            learner.keeper.shelf.restore(name, &mut learner.state.store)?;
            Ok(index)
        })?;
        Ok(())
    }

    /// Writes each as a model file into a folder; returns the files.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let metadata = self.learner.description().metadata()?;
        let write = |name: &String| {
            let mut state = self.learner.keeper.shelf.get(name)?;
            state.metadata_mut().extend(metadata.clone());
            let file = folder.as_ref().join(format!("{name}.safetensors"));
            state.write(&file)?;
            Ok(file)
        };
        self.names.iter().map(write).collect()
    }

    /// Asks something of the learner with each snapshot's weights, and brings back its own.
    fn each<T>(&mut self, ask: impl Fn(&Learner) -> Result<T>) -> Result<Vec<T>> {
        let own = self.learner.state.store.snapshot()?;
        let temperature = self.learner.temperature.take();
        let ask_one = |learner: &mut Learner, name: &String| {
            learner.keeper.shelf.restore(name, &mut learner.state.store)?;
            ask(learner)
        };
        let answers = self.names.iter().map(|name| ask_one(self.learner, name)).collect();
        self.learner.temperature = temperature;
        self.learner.state.store.restore(&own)?;
        answers
    }
}

fn nothing_kept(rule: &'static str) -> Error {
    Error::setting("the number of kept weights", 0, rule)
}
