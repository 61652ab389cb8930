//! The learner: data, network and training state in one hand.

use std::path::PathBuf;

use autograd::ParameterStore;
use autograd::optimizer::Decay;
use models::head::HeadOptions;
use models::{Architecture, Classifier};
use tensor_core::Device;

use super::event::{Event, Listeners, tell};
use super::fit::{begin, fit};
use super::history::History;
use super::keeper::Keeper;
use super::optimizer_kind::OptimizerKind;
use super::plan::{FitPlan, data_mark};
use super::rate_finder;
use super::soften::Softening;
use super::state::TrainState;
use super::step_options::StepOptions;
use super::summary::{Summary, summarise};
use super::task::{PictureTask, Task};
use crate::data::ImageData;
use crate::metrics::Temperature;
use crate::predict::Tta;
use crate::schedule::{FinderCurve, Ramp, Rates, Schedule};
use crate::{Error, Result};

/// Below this many pixels a body that was pre-trained on large pictures had better stay frozen.
const SMALL: usize = 128;
/// Pixels of the pictures that published bodies were trained on.
const PRETRAINING: usize = 224;

/// A classifier, the pictures it learns from, and where its training stands.
///
/// ```no_run
/// use fastlearn::{Arch, ImageData, Learner, Transforms, schedule::Cycles};
/// # fn main() -> fastlearn::Result<()> {
/// let data = ImageData::from_folders("data/dogscats", Transforms::side_on(224).max_zoom(1.1))?;
/// let mut learner = Learner::pretrained(Arch::ResNet34, data)?;
/// let rate = learner.lr_find()?.suggest().map_or(1e-2, |suggestion| suggestion.rate);
/// learner.precompute()?.fit(rate, 2)?;
/// learner.fit(rate, Cycles::new(3).length(1))?;
/// learner.unfreeze()?;
/// learner.fit([rate / 100.0, rate / 10.0, rate], Cycles::new(3).multiplier(2))?;
/// println!("{:.4}", learner.tta(4)?.scored()?.accuracy());
/// # Ok(())
/// # }
/// ```
pub struct Learner {
    pub(super) architecture: Architecture,
    pub(super) head: HeadOptions,
    pub(super) classifier: Classifier,
    pub(super) data: ImageData,
    pub(super) state: TrainState,
    pub(super) optimizer: OptimizerKind,
    pub(super) weight_decay: Rates,
    pub(super) decay: Decay,
    pub(super) clip_norm: Option<f32>,
    pub(super) freeze_norms: bool,
    pub(super) is_pretrained: bool,
    pub(super) warned_of_size: bool,
    pub(super) softening: Softening,
    pub(super) epoch_tta: Option<Tta>,
    pub(super) stage: String,
    pub(super) cache_folder: Option<PathBuf>,
    pub(super) listeners: Listeners,
    /// Of the weights as they are: none once they change.
    pub(super) temperature: Option<Temperature>,
    /// Also one of the listeners.
    pub(super) keeper: Keeper,
}

impl Learner {
    /// Trains the unfrozen layer groups on augmented pictures. `rates` is one rate for all groups or
    /// one a group; `schedule` is a number of epochs at a constant rate, [`Cycles`](crate::schedule::Cycles)
    /// or any other [`Schedule`].
    ///
    /// # Errors
    /// Settings out of range; a picture that cannot be read, by name; [`Error::Diverged`] if the
    /// loss stops being a number (the weights are then those of the last finished cycle).
    pub fn fit(
        &mut self,
        rates: impl Into<Rates>,
        schedule: impl Into<Schedule>,
    ) -> Result<&History> {
        let plan = self.plan(rates.into(), schedule.into())?;
        self.temperature = None;
        if begin(&mut self.state, &plan, &mut self.listeners)? {
            self.warn_of_small_pictures()?;
            let device = self.device().clone();
            let softening = self.softening;
            let Learner { classifier, data, state, listeners, .. } = self;
            let task = PictureTask { device: &device, classifier, data, softening };
            fit(&task, state, &plan, listeners)?;
        }
        Ok(&self.state.history)
    }

    /// Finds a learning rate: 100 steps from 1e-5 to 10. Nothing of the learner changes.
    ///
    /// # Errors
    /// A picture that cannot be read; out of memory.
    pub fn lr_find(&mut self) -> Result<FinderCurve> {
        self.lr_find_with(1.0, &Ramp::default())
    }

    /// As [`lr_find`](Self::lr_find) with the ratios between the groups' rates and another ramp.
    ///
    /// # Errors
    /// As [`lr_find`](Self::lr_find), and for a ramp out of range.
    pub fn lr_find_with(&mut self, rates: impl Into<Rates>, ramp: &Ramp) -> Result<FinderCurve> {
        let plan = self.plan(rates.into(), Schedule::constant(1))?;
        if let Some(curve) = rate_finder::found_before(&mut self.state, &plan, ramp)? {
            return Ok(curve);
        }
        let (device, optimizer) = (self.device().clone(), self.optimizer);
        let softening = self.softening;
        let Learner { classifier, data, state, .. } = self;
        let task = PictureTask { device: &device, classifier, data, softening };
        rate_finder::find(&task, state, &plan, optimizer, ramp)
    }

    /// Only the head trains.
    ///
    /// # Errors
    /// None in practice: the groups are the learner's own.
    pub fn freeze(&mut self) -> Result<()> {
        self.freeze_to(self.groups() - 1)
    }

    /// Every layer group trains.
    ///
    /// # Errors
    /// None in practice: the groups are the learner's own.
    pub fn unfreeze(&mut self) -> Result<()> {
        self.freeze_to(0)
    }

    /// The groups from `group` on train, those before it do not.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no such group.
    pub fn freeze_to(&mut self, group: usize) -> Result<()> {
        if group >= self.groups() {
            return Err(Error::setting("the layer group", group, "there are 0, 1 and 2"));
        }
        let flags: Vec<bool> = (0..self.groups()).map(|index| index >= group).collect();
        self.train_groups(&flags)
    }

    /// Exactly these layer groups train.
    ///
    /// # Errors
    /// If there is not one flag a group.
    pub fn train_groups(&mut self, trainable: &[bool]) -> Result<()> {
        Ok(self.state.store.set_trainable(trainable)?)
    }

    /// Whether batch norms keep to their running statistics even where their group trains
    /// (fastai's `bn_freeze`: advised for unfrozen networks deeper than ResNet-34).
    pub fn freeze_norms(&mut self, frozen: bool) {
        self.freeze_norms = frozen;
    }

    /// Weight decay, one number or one a layer group, added to the gradient (L2) or decoupled.
    pub fn weight_decay(&mut self, weight_decay: impl Into<Rates>, decay: Decay) {
        (self.weight_decay, self.decay) = (weight_decay.into(), decay);
    }

    /// Scales gradients down to this norm where theirs is larger.
    pub fn clip_norm(&mut self, limit: Option<f32>) {
        self.clip_norm = limit;
    }

    /// Name of the fits from now on, for the table.
    pub fn set_stage(&mut self, stage: impl Into<String>) {
        self.stage = stage.into();
    }

    /// Other pictures of the same classes, such as the same at another size. Activations are
    /// computed again when they are next asked for.
    ///
    /// # Errors
    /// [`Error::Setting`] if the classes are not the same, or a picture has one of them instead of several.
    pub fn set_data(&mut self, data: ImageData) -> Result<()> {
        if data.classes() != self.data.classes() {
            let classes = data.classes().join(", ");
            return Err(Error::setting("the classes", classes, "they must be those of before"));
        }
        if data.label_kind() != self.data.label_kind() {
            let rule = "they must be of the kind they were";
            return Err(Error::setting("the labels", data.label_kind(), rule));
        }
        self.data = data;
        self.keeper.shelf.describe(self.description());
        Ok(())
    }

    /// The same pictures at another size, everything else of the data as it was: first small ones, which
    /// train fast, then larger ones.
    ///
    /// # Errors
    /// [`Error::Setting`] for a size out of range.
    pub fn set_size(&mut self, pixels: usize) -> Result<()> {
        let transforms = self.data.transforms().clone().resized(pixels);
        transforms.training()?;
        self.data = self.data.clone().with_transforms(transforms);
        self.keeper.shelf.describe(self.description());
        Ok(())
    }

    /// Layers with shapes, parameters, groups and what trains.
    ///
    /// # Errors
    /// Out of memory.
    pub fn summary(&self) -> Result<Summary> {
        summarise(
            &self.classifier,
            &self.state.store,
            self.data.transforms().size(),
            self.freeze_norms,
        )
    }

    /// The data.
    pub fn data(&self) -> &ImageData {
        &self.data
    }

    /// The architecture of the body.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The parameters.
    pub fn store(&self) -> &ParameterStore {
        &self.state.store
    }

    /// Everything recorded so far.
    pub fn history(&self) -> &History {
        &self.state.history
    }

    /// The device that computes.
    pub fn device(&self) -> &Device {
        self.state.store.device()
    }

    /// How many layer groups there are: the body's two and the head.
    pub fn groups(&self) -> usize {
        self.state.store.groups()
    }

    /// Says once that small pictures can spoil a pre-trained body that trains.
    fn warn_of_small_pictures(&mut self) -> Result<()> {
        let body = self.groups() - 1;
        let trains = self.state.store.trainable()[..body].contains(&true);
        let size = self.data.transforms().size();
        if trains && self.is_pretrained && size < SMALL && !self.warned_of_size {
            self.warned_of_size = true;
            let notice = format!(
                "the body trains on pictures of {size} pixels: if they are like those of its \
                 pre-training (ImageNet's, of {PRETRAINING} pixels), it forgets what it knew of larger \
                 ones; keep it frozen below {SMALL} pixels. For other kinds, say from above or through a \
                 microscope, small pictures first are fine"
            );
            let _ = tell(&mut self.listeners, Event::Notice(&notice), &mut self.state)?;
        }
        Ok(())
    }

    pub(super) fn task(&self) -> PictureTask<'_> {
        PictureTask {
            device: self.device(),
            classifier: &self.classifier,
            data: &self.data,
            softening: self.softening,
        }
    }

    pub(super) fn plan(&self, rates: Rates, schedule: Schedule) -> Result<FitPlan> {
        schedule.validate()?;
        let groups = self.groups();
        if self.data.train().is_empty() {
            return Err(Error::setting("the training set", "empty", "there must be pictures"));
        }
        Ok(FitPlan {
            stage: self.stage.clone(),
            rates: rates.expand(groups)?,
            weight_decay: self.weight_decay.expand(groups)?,
            decay: self.decay,
            clip_norm: self.clip_norm,
            options: StepOptions { freeze_norms: self.freeze_norms, softening: self.softening },
            schedule,
            optimizer: self.optimizer,
            epoch_tta: self.epoch_tta,
            data: data_mark(&self.data),
        })
    }

    /// How many training batches an epoch has.
    ///
    /// # Errors
    /// If a setting of the loader is out of range.
    pub fn batches_per_epoch(&self) -> Result<usize> {
        Ok(self.task().train_batches(0, 0)?.len())
    }
}
