//! Training: the loop, the learner around it, and what may listen to it.
//!
//! [`Learner`] is what users hold; [`HeadLearner`] trains its head alone on activations computed once.
//! Both hand a task to the one loop in `fit`. How rates move is `schedule`'s business, where
//! batches come from `data`'s, and what predictions are worth `metrics`'s.

mod activation_set;
mod activations;
mod advice;
mod batch_statistics;
mod builder;
mod checkpoint;
mod checkpoints;
mod event;
mod fit;
mod head_learner;
mod history;
mod interruption;
mod keeper;
mod learner;
mod memory_full;
mod optimizer_kind;
mod plan;
mod predicting;
mod progress;
mod rate_finder;
mod recorded;
mod regularisation;
mod saving;
mod shelf;
mod snapshots;
mod soften;
mod state;
mod step;
mod step_options;
mod stepper;
mod summary;
mod target;
mod task;
mod timing;
mod validation;

pub use advice::{Advice, advise};
pub use builder::LearnerBuilder;
pub use checkpoints::{Checkpoints, Every};
pub use event::{Control, Event, Listener};
pub use head_learner::HeadLearner;
pub use history::{BatchRecord, EpochRow, History};
pub use interruption::Interruption;
pub use keeper::BestBy;
pub use learner::Learner;
pub use optimizer_kind::OptimizerKind;
pub use snapshots::Snapshots;
pub use state::TrainState;
pub use summary::{Summary, SummaryRow};
pub use timing::PictureTimes;

pub use crate::model_file::{ModelDescription, read_model};
