//! A learner whose body has already done its work: it trains the head on kept activations.

use models::Classifier;
use tensor_core::Device;

use super::activations::{Activations, compute_or_read};
use super::event::{Event, Listeners, tell};
use super::fit::{FitPlan, fit, validate};
use super::history::History;
use super::learner::Learner;
use super::rate_finder;
use super::soften::Softening;
use super::step::StepOptions;
use super::task::HeadTask;
use crate::Result;
use crate::data::ImageData;
use crate::predict::Predictions;
use crate::schedule::{FinderCurve, Ramp, Rates, Schedule};

/// Trains the head of the [`Learner`] it borrows on activations that were computed once, without
/// augmentation. It can neither unfreeze nor augment: a different type, because fastai's most common
/// mistake was to do either while activations were precomputed. Dropping it gives the learner back
/// with its head trained and its groups as they were.
pub struct HeadLearner<'a> {
    learner: &'a mut Learner,
    activations: Activations,
    trainable: Vec<bool>,
}

impl Learner {
    /// Computes the activations below the head once (or reads them from the cache folder) and lends
    /// the learner as one that trains the head on them.
    ///
    /// # Errors
    /// A picture that cannot be read; out of memory.
    pub fn precompute(&mut self) -> Result<HeadLearner<'_>> {
        let activations = self.activations()?;
        HeadLearner::new(self, activations)
    }

    fn activations(&mut self) -> Result<Activations> {
        let (activations, notice) = compute_or_read(self)?;
        if let Some(notice) = notice {
            let _ = tell(&mut self.listeners, Event::Notice(&notice), &mut self.state)?;
        }
        Ok(activations)
    }
}

impl<'a> HeadLearner<'a> {
    fn new(learner: &'a mut Learner, activations: Activations) -> Result<HeadLearner<'a>> {
        let trainable = learner.state.store.trainable().to_vec();
        learner.freeze()?;
        Ok(HeadLearner { learner, activations, trainable })
    }

    /// Trains the head. One rate: there is one layer group.
    ///
    /// # Errors
    /// As [`Learner::fit`].
    pub fn fit(&mut self, rate: f32, schedule: impl Into<Schedule>) -> Result<&History> {
        let plan = self.plan(rate, schedule.into())?;
        self.learner.temperature = None;
        let optimizer = self.learner.optimizer.build();
        self.learner.state.optimizer = optimizer;
        let mut listeners: Listeners = std::mem::take(&mut self.learner.listeners);
        let device = self.learner.device().clone();
        let Learner { classifier, data, state, softening, .. } = &mut *self.learner;
        let task = head_task(&device, classifier, data, &self.activations, *softening);
        let fitted = fit(&task, state, &plan, &mut listeners);
        self.learner.listeners = listeners;
        fitted?;
        Ok(&self.learner.state.history)
    }

    /// Finds a learning rate for the head. Nothing of the learner changes.
    ///
    /// # Errors
    /// As [`Learner::lr_find`].
    pub fn lr_find(&mut self) -> Result<FinderCurve> {
        let plan = self.plan(1.0, Schedule::constant(1))?;
        let (device, optimizer) = (self.learner.device().clone(), self.learner.optimizer);
        let Learner { classifier, data, state, softening, .. } = &mut *self.learner;
        let task = head_task(&device, classifier, data, &self.activations, *softening);
        rate_finder::find(&task, state, &plan, optimizer, &Ramp::default())
    }

    /// Probabilities of the validation pictures.
    ///
    /// # Errors
    /// Out of memory.
    pub fn predict(&self) -> Result<Predictions> {
        let Learner { classifier, data, state, softening, .. } = &*self.learner;
        let device = self.learner.device();
        let task = head_task(device, classifier, data, &self.activations, *softening);
        let mut predictions = validate(&task, state)?;
        predictions.ids = data.valid().file_names();
        Ok(predictions)
    }

    fn plan(&self, rate: f32, schedule: Schedule) -> Result<FitPlan> {
        let plan = self.learner.plan(Rates::from(rate), schedule)?;
        let options = StepOptions { freeze_norms: false, ..plan.options };
        Ok(FitPlan { options, ..plan })
    }
}

fn head_task<'a>(
    device: &'a Device,
    classifier: &'a Classifier,
    data: &ImageData,
    activations: &'a Activations,
    softening: Softening,
) -> HeadTask<'a> {
    let Activations { train, valid } = activations;
    let (batch_size, seed) = (data.loading().size(), data.loading().draw_seed());
    let kind = data.label_kind();
    HeadTask { device, classifier, train, valid, kind, softening, batch_size, seed }
}

impl Drop for HeadLearner<'_> {
    fn drop(&mut self) {
        // The flags were the store's own, so their number fits.
        let _ = self.learner.state.store.set_trainable(&self.trainable);
    }
}
