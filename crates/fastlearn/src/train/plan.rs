//! What one fit was asked for.

use autograd::optimizer::{Decay, GroupSettings, StepSettings};
use sha2::{Digest, Sha256};

use super::optimizer_kind::OptimizerKind;
use super::progress::DATA_MARK;
use super::step_options::StepOptions;
use crate::data::ImageData;
use crate::predict::Tta;
use crate::schedule::{Schedule, Settings};

/// What one fit was asked for.
#[derive(Debug, Clone)]
pub(crate) struct FitPlan {
    /// Name of the stage, for the table.
    pub stage: String,
    /// Base learning rate of each layer group.
    pub rates: Vec<f32>,
    /// Weight decay of each layer group.
    pub weight_decay: Vec<f32>,
    /// How weight decay acts.
    pub decay: Decay,
    /// The largest norm of all gradients together.
    pub clip_norm: Option<f32>,
    /// How each step is taken.
    pub options: StepOptions,
    /// How rates move.
    pub schedule: Schedule,
    /// Which optimiser it begins with.
    pub optimizer: OptimizerKind,
    /// Views of the validation pictures that each epoch is also judged by, if there are any.
    pub epoch_tta: Option<Tta>,
    /// A short name of exactly these pictures, their order and what is done to them.
    pub data: String,
}

impl FitPlan {
    /// What a step is told at this point of the schedule.
    pub fn step_settings(&self, settings: Settings) -> StepSettings {
        let group = |(rate, &weight_decay): (&f32, &f32)| GroupSettings {
            rate: rate * settings.factor,
            weight_decay,
        };
        StepSettings {
            groups: self.rates.iter().zip(&self.weight_decay).map(group).collect(),
            momentum: settings.momentum,
            decay: self.decay,
            clip_norm: self.clip_norm,
        }
    }

    /// All of it as text: a resumed learner's fits have to be those of before.
    pub fn in_words(&self) -> String {
        let FitPlan { stage, rates, weight_decay, decay, .. } = self;
        let FitPlan { clip_norm, options, schedule, optimizer, epoch_tta, data, .. } = self;
        let views = epoch_tta.map_or_else(String::new, |tta| format!(", views {tta}"));
        format!(
            "{stage:?}: {schedule:?}, rates {rates:?}, {optimizer:?}, weight decay {weight_decay:?} \
             {decay:?}, clip {clip_norm:?}, {options:?}{views}{DATA_MARK}{data}"
        )
    }
}

/// A short name of exactly these pictures with their labels, their order and what is done to them: the
/// same wherever the folder lies.
pub(super) fn data_mark(data: &ImageData) -> String {
    let mut hash = Sha256::new();
    let (loading, transforms) = (data.loading(), data.transforms().describe());
    let (size, seed, sizes) = (loading.size(), loading.draw_seed(), loading.drawn_sizes());
    hash.update(format!("{size} {seed} {sizes:?} {transforms:?}"));
    for split in [data.train(), data.valid()] {
        let (names, labels, draws) = (split.file_names(), split.labels(), split.draws());
        hash.update(format!("{names:?} {labels:?} {draws:?}"));
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
