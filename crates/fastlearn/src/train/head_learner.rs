//! A learner whose body has already done its work: it trains the head on kept activations.

use models::Classifier;
use tensor_core::Device;

use super::activations::{Activations, compute_or_read};
use super::event::{Event, Listeners, tell};
use super::fit::{begin, fit};
use super::history::History;
use super::learner::Learner;
use super::plan::FitPlan;
use super::rate_finder;
use super::soften::Softening;
use super::state::TrainState;
use super::step_options::StepOptions;
use super::task::HeadTask;
use super::validation::validate;
use crate::data::ImageData;
use crate::predict::Predictions;
use crate::schedule::{FinderCurve, Ramp, Rates, Schedule};
use crate::{Error, Result};

/// Trains the head of the [`Learner`] it borrows on activations that were computed once, without
/// augmentation. It can neither unfreeze nor augment: a different type, because fastai's most common
/// mistake was to do either while activations were precomputed. Dropping it gives the learner back
/// with its head trained and its groups as they were.
pub struct HeadLearner<'a> {
    learner: &'a mut Learner,
    /// `None` until they are needed, in a learner that was resumed.
    activations: Option<Activations>,
    /// Augmented views of each training picture; `None` if they are seen plainly.
    views: Option<usize>,
    trainable: Vec<bool>,
}

impl Learner {
    /// Computes the activations below the head once (or reads them from the cache folder) and lends
    /// the learner as one that trains the head on them.
    ///
    /// # Errors
    /// A picture that cannot be read; out of memory.
    pub fn precompute(&mut self) -> Result<HeadLearner<'_>> {
        self.precomputed(None)
    }

    /// As [`precompute`](Self::precompute) with so many augmented views of each training picture: every epoch
    /// learns from one of them in turn, so that the head is trained on augmented pictures at the speed of
    /// activations.
    ///
    /// Computing them takes as many passes over the training pictures, and they are all in memory and in one
    /// cache file: 4 bytes for each view, picture and input of the head (of which ResNet-34 has 1024, so that
    /// 10 views of 10,000 pictures take 410 MB).
    ///
    /// # Errors
    /// As [`precompute`](Self::precompute); [`Error::Setting`] for no views.
    pub fn precompute_views(&mut self, views: usize) -> Result<HeadLearner<'_>> {
        match views {
            0 => Err(Error::setting("the number of views", 0, "it must be at least 1")),
            views => self.precomputed(Some(views)),
        }
    }

    fn precomputed(&mut self, views: Option<usize>) -> Result<HeadLearner<'_>> {
        // What a resumed learner had the head do before is not done again, and its body may have trained on.
        let activations = match self.state.journal.passes_over() {
            true => None,
            false => Some(self.activations(views)?),
        };
        HeadLearner::new(self, activations, views)
    }

    fn activations(&mut self, views: Option<usize>) -> Result<Activations> {
        let (activations, notice) = compute_or_read(self, views)?;
        if let Some(notice) = notice {
            let _ = tell(&mut self.listeners, Event::Notice(&notice), &mut self.state)?;
        }
        Ok(activations)
    }
}

impl<'a> HeadLearner<'a> {
    fn new(
        learner: &'a mut Learner,
        activations: Option<Activations>,
        views: Option<usize>,
    ) -> Result<HeadLearner<'a>> {
        let trainable = learner.state.store.trainable().to_vec();
        learner.freeze()?;
        Ok(HeadLearner { learner, activations, views, trainable })
    }

    /// Trains the head. One rate: there is one layer group.
    ///
    /// # Errors
    /// As [`Learner::fit`].
    pub fn fit(&mut self, rate: f32, schedule: impl Into<Schedule>) -> Result<&History> {
        let plan = self.plan(rate, schedule.into())?;
        self.learner.temperature = None;
        let Learner { state, listeners, .. } = &mut *self.learner;
        if begin(state, &plan, listeners)? {
            self.with_task(|task, state, listeners| fit(task, state, &plan, listeners))?;
        }
        Ok(&self.learner.state.history)
    }

    /// Finds a learning rate for the head. Nothing of the learner changes.
    ///
    /// # Errors
    /// As [`Learner::lr_find`].
    pub fn lr_find(&mut self) -> Result<FinderCurve> {
        let (plan, ramp) = (self.plan(1.0, Schedule::constant(1))?, Ramp::default());
        if let Some(curve) = rate_finder::found_before(&mut self.learner.state, &plan, &ramp)? {
            return Ok(curve);
        }
        let optimizer = self.learner.optimizer;
        self.with_task(|task, state, _| rate_finder::find(task, state, &plan, optimizer, &ramp))
    }

    /// Probabilities of the validation pictures.
    ///
    /// # Errors
    /// Out of memory.
    pub fn predict(&mut self) -> Result<Predictions> {
        let mut predictions = self.with_task(|task, state, _| validate(task, state))?;
        predictions.ids = self.learner.data.valid().file_names();
        Ok(predictions)
    }

    /// Hands out the activations as a task, with what training it changes.
    fn with_task<T>(
        &mut self,
        run: impl FnOnce(&HeadTask, &mut TrainState, &mut Listeners) -> Result<T>,
    ) -> Result<T> {
        let activations = match &mut self.activations {
            Some(activations) => activations,
            empty => empty.insert(self.learner.activations(self.views)?),
        };
        let device = self.learner.device().clone();
        let Learner { classifier, data, state, listeners, softening, .. } = &mut *self.learner;
        run(&head_task(&device, classifier, data, activations, *softening), state, listeners)
    }

    fn plan(&self, rate: f32, schedule: Schedule) -> Result<FitPlan> {
        let plan = self.learner.plan(Rates::from(rate), schedule)?;
        let options = StepOptions { freeze_norms: false, ..plan.options };
        let data = match self.views {
            None => plan.data,
            Some(views) => format!("{}, {views} views", plan.data),
        };
        Ok(FitPlan { options, data, ..plan })
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
