//! How a learner is put together.

use std::path::PathBuf;

use autograd::optimizer::Decay;
use models::exchange::{Part, import};
use models::head::HeadOptions;
use models::weights::{DownloadObserver, Silent};
use models::{Architecture, Classifier, StateDict, WeightsRequest};
use tensor_core::{CudaOptions, Device, Precision};

use super::checkpoint::read_checkpoint;
use super::event::Listener;
use super::interruption::Interruption;
use super::keeper::Keeper;
use super::learner::Learner;
use super::optimizer_kind::OptimizerKind;
use super::soften::Softening;
use super::state::TrainState;
use crate::data::ImageData;
use crate::schedule::Rates;
use crate::{Error, Result};

/// Where a learner's first weights come from.
enum FirstWeights {
    Random,
    Request(WeightsRequest),
    State(StateDict, String),
}

/// Collects the parts of a [`Learner`].
pub struct LearnerBuilder {
    architecture: Architecture,
    data: ImageData,
    device: Option<Device>,
    precision: Option<Precision>,
    weights: FirstWeights,
    head: HeadOptions,
    seed: u64,
    optimizer: OptimizerKind,
    cache_folder: Option<PathBuf>,
    listeners: Vec<Box<dyn Listener>>,
    interruption: Interruption,
    resume: Option<PathBuf>,
}

impl Learner {
    /// A pre-trained body with a new head for the classes of the data; the body is frozen.
    ///
    /// # Errors
    /// If there are no weights (the message names the remedies), or memory is full.
    pub fn pretrained(architecture: impl Into<Architecture>, data: ImageData) -> Result<Learner> {
        Learner::builder(architecture, data).build()
    }

    /// For everything that [`pretrained`](Self::pretrained) decides by itself.
    pub fn builder(architecture: impl Into<Architecture>, data: ImageData) -> LearnerBuilder {
        LearnerBuilder::new(architecture.into(), data)
    }
}

impl LearnerBuilder {
    fn new(architecture: Architecture, data: ImageData) -> LearnerBuilder {
        LearnerBuilder {
            weights: FirstWeights::Request(WeightsRequest::new(architecture.clone())),
            architecture,
            data,
            device: None,
            precision: None,
            head: HeadOptions::default(),
            seed: 42,
            optimizer: OptimizerKind::default(),
            cache_folder: None,
            listeners: Vec::new(),
            interruption: Interruption::new(),
            resume: None,
        }
    }

    /// The device to train on; [`Device::best`] if none is given.
    pub fn device(self, device: &Device) -> LearnerBuilder {
        LearnerBuilder { device: Some(device.clone()), ..self }
    }

    /// What activations and their gradients are kept in; weights and what the optimiser keeps are f32
    /// always. Where no device is given, the best one is opened with it: bf16 where there is a GPU that
    /// has it and f32 elsewhere, if nothing is said.
    pub fn precision(self, precision: Precision) -> LearnerBuilder {
        LearnerBuilder { precision: Some(precision), ..self }
    }

    /// A file of weights, or a name in the cache folder, instead of the published weights.
    pub fn weights(mut self, choice: &str) -> LearnerBuilder {
        let request = WeightsRequest::new(self.architecture.clone()).choosing(choice);
        self.weights = FirstWeights::Request(request);
        self
    }

    /// Pre-trained weights that are in memory already; `origin` names them in messages.
    pub fn state(mut self, state: StateDict, origin: impl Into<String>) -> LearnerBuilder {
        self.weights = FirstWeights::State(state, origin.into());
        self
    }

    /// No pre-trained weights: training from scratch, every layer group at once.
    pub fn random_weights(mut self) -> LearnerBuilder {
        self.weights = FirstWeights::Random;
        self
    }

    /// The folder for weights and activations instead of the user's cache folder.
    pub fn cache_folder(self, folder: impl Into<PathBuf>) -> LearnerBuilder {
        LearnerBuilder { cache_folder: Some(folder.into()), ..self }
    }

    /// Sizes of the head.
    pub fn head(self, head: HeadOptions) -> LearnerBuilder {
        LearnerBuilder { head, ..self }
    }

    /// Seed of first values and dropout; 42 unless told otherwise. Order and augmentation have that
    /// of the data.
    pub fn seed(self, seed: u64) -> LearnerBuilder {
        LearnerBuilder { seed, ..self }
    }

    /// The optimiser of every fit.
    pub fn optimizer(self, optimizer: OptimizerKind) -> LearnerBuilder {
        LearnerBuilder { optimizer, ..self }
    }

    /// Someone who watches training.
    pub fn listener(mut self, listener: impl Listener + 'static) -> LearnerBuilder {
        self.listeners.push(Box::new(listener));
        self
    }

    /// A way to tell the learner from outside that it should end soon.
    pub fn interruption(self, interruption: &Interruption) -> LearnerBuilder {
        LearnerBuilder { interruption: interruption.clone(), ..self }
    }

    /// Goes on from a checkpoint that [`Checkpoints`](super::Checkpoints) wrote, at the exact step.
    ///
    /// The program makes the same calls as the one that was interrupted, on the same data. Fits and
    /// rate finders that were finished return at once, with what they had come to; the fit that was
    /// under way goes on where it stood; whatever comes after is new. In the end there are the same bits
    /// as without the interruption. What is kept in listeners is no part of a checkpoint, and predictions
    /// made between fits that are passed over are those of the checkpoint's weights.
    pub fn resume(self, checkpoint: impl Into<PathBuf>) -> LearnerBuilder {
        LearnerBuilder { resume: Some(checkpoint.into()), ..self }
    }

    /// Finds the weights (downloading them if need be, silently) and builds the network.
    ///
    /// # Errors
    /// If there are no weights (the message names the remedies), they do not fit, or memory is full.
    pub fn build(self) -> Result<Learner> {
        self.build_observed(&mut Silent)
    }

    /// As [`build`](Self::build), telling `observer` of a download.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_observed(self, observer: &mut dyn DownloadObserver) -> Result<Learner> {
        let is_pretrained = !matches!(self.weights, FirstWeights::Random);
        let pretrained = match self.weights {
            // A checkpoint brings all of them.
            _ if self.resume.is_some() => None,
            FirstWeights::Random => None,
            FirstWeights::State(state, origin) => Some((state, origin)),
            FirstWeights::Request(mut request) => {
                request.cache_dir = self.cache_folder.clone().or(request.cache_dir);
                let found = request.resolve(observer)?;
                let state = StateDict::read(&found.path)?;
                Some((state, found.path.display().to_string()))
            }
        };
        let device = open(self.device, self.precision)?;
        let classes = self.data.classes().len();
        let (classifier, mut store) =
            Classifier::new(&self.architecture, classes, &self.head, self.seed, &device)?;
        if let Some((state, origin)) = pretrained {
            import(&mut store, &state, Part::Body, &origin)?;
        }
        let mut state = TrainState::new(store, self.optimizer.build(), self.seed);
        state.interruption = self.interruption;
        if let Some(path) = &self.resume {
            read_checkpoint(&mut state, path)?;
        }
        let (keeper, mut listeners) = (Keeper::default(), self.listeners);
        listeners.push(Box::new(keeper.clone()));
        let mut learner = Learner {
            architecture: self.architecture,
            head: self.head,
            classifier,
            data: self.data,
            state,
            optimizer: self.optimizer,
            weight_decay: Rates::from(0.0),
            decay: Decay::L2,
            clip_norm: None,
            freeze_norms: false,
            is_pretrained,
            warned_of_size: false,
            softening: Softening::default(),
            epoch_tta: None,
            stage: String::new(),
            cache_folder: self.cache_folder,
            listeners,
            temperature: None,
            keeper,
        };
        match is_pretrained {
            true => learner.freeze()?,
            false => learner.unfreeze()?,
        }
        Ok(learner)
    }
}

/// The device that was given, or the best one, if it computes in the precision asked for.
fn open(device: Option<Device>, precision: Option<Precision>) -> Result<Device> {
    let device = match (device, precision) {
        (Some(device), _) => device,
        (None, Some(precision)) => Device::best_with(CudaOptions::new().precision(precision))?,
        (None, None) => Device::best()?,
    };
    match precision {
        Some(precision) if device.activation() != precision.dtype() => Err(Error::setting(
            "the precision",
            format!("{} on {}", precision.dtype(), device.description()),
            "this device has another: open a GPU with it (Device::cuda_with), or leave it out",
        )),
        _ => Ok(device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_that_the_device_lacks_is_an_error() {
        let cpu = || Some(Device::cpu().expect("every machine has a CPU"));
        assert!(open(cpu(), Some(Precision::F32)).is_ok());
        let error = open(cpu(), Some(Precision::Bf16)).expect_err("the CPU computes in f32");
        assert!(error.to_string().contains("bf16"), "{error}");
    }
}
