//! One way through a network: the tape, the parameters, what batch norms and dropout do, and which
//! activations to keep.

use std::collections::HashMap;

use autograd::functions::{NormMode, dropout_at};
use autograd::{ParameterStore, Result, StatisticsId, Tape, Var};
use tensor_core::backend::dropout::DropoutMask;
use tensor_core::random::Philox;
use tensor_core::{Shape, Tensor};

/// Which mean and variance each batch norm uses, and whether dropout acts.
#[derive(Debug, Clone, PartialEq)]
pub struct PassMode {
    norms: Option<Vec<NormMode>>,
    dropout: Option<(u64, u64)>,
}

impl PassMode {
    /// Prediction: running statistics everywhere, no dropout.
    pub fn evaluate() -> PassMode {
        PassMode { norms: None, dropout: None }
    }

    /// Training: one mode a batch norm (in the order of the store's statistics), and dropout drawn
    /// from `(seed, step)`.
    pub fn train(norms: Vec<NormMode>, seed: u64, step: u64) -> PassMode {
        PassMode { norms: Some(norms), dropout: Some((seed, step)) }
    }

    /// As fastai trains: a batch norm whose layer group trains uses the batch's statistics, a frozen
    /// one the running ones.
    pub fn train_groups(store: &ParameterStore, seed: u64, step: u64) -> PassMode {
        let mode = |group: usize| {
            if store.trainable()[group] { NormMode::Batch } else { NormMode::Running }
        };
        let norms = store.statistics().iter().map(|entry| mode(entry.group)).collect();
        PassMode::train(norms, seed, step)
    }
}

/// A layer's name and what came out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceRow {
    /// The layer's name, such as `layer1.0.conv1`.
    pub layer: String,
    /// Shape of its output.
    pub output: Shape,
}

/// What a layer sees while it runs forward.
pub struct Pass<'a> {
    /// Where functions are recorded.
    pub tape: Tape,
    store: &'a ParameterStore,
    mode: PassMode,
    step: Option<Tensor>,
    watched: HashMap<String, Option<Var>>,
    trace: Option<Vec<TraceRow>>,
}

impl<'a> Pass<'a> {
    /// A pass that records what training needs.
    pub fn new(store: &'a ParameterStore, mode: PassMode) -> Pass<'a> {
        let (tape, watched) = (Tape::new(), HashMap::new());
        Pass { tape, store, mode, step: None, watched, trace: None }
    }

    /// A pass that records nothing: prediction.
    pub fn predict(store: &'a ParameterStore) -> Pass<'a> {
        Pass { tape: Tape::silent(), ..Pass::new(store, PassMode::evaluate()) }
    }

    /// Draws dropout from a step that lies on the device (`[2]` words of type `I32`, the lower first)
    /// instead of the mode's, for passes that are recorded and run again.
    pub fn at_step(self, step: &Tensor) -> Pass<'a> {
        Pass { step: Some(step.clone()), ..self }
    }

    /// Keeps the activation of this tap, such as `layer4.1`.
    pub fn watch(mut self, tap: impl Into<String>) -> Pass<'a> {
        self.watched.insert(tap.into(), None);
        self
    }

    /// Notes every layer's output shape.
    pub fn tracing(mut self) -> Pass<'a> {
        self.trace = Some(Vec::new());
        self
    }

    /// The parameters.
    pub fn store(&self) -> &'a ParameterStore {
        self.store
    }

    /// Which statistics this batch norm uses.
    pub fn norm_mode(&self, id: StatisticsId) -> NormMode {
        let position = || self.store.statistics_ids().position(|other| other == id);
        match &self.mode.norms {
            Some(modes) => position().map_or(NormMode::Running, |index| modes[index]),
            None => NormMode::Running,
        }
    }

    /// What dropout layer `layer` makes of `input`: the input itself when dropout does not act.
    ///
    /// # Errors
    /// If the probability is not in `[0, 1)`; out of memory.
    pub fn dropout(&mut self, layer: u64, probability: f32, input: Var) -> Result<Var> {
        let Some((seed, step)) = self.mode.dropout.filter(|_| probability > 0.0) else {
            return Ok(input);
        };
        let key = Philox::new(seed).derive(layer).key();
        let mask = DropoutMask { key, step, probability };
        dropout_at(&mut self.tape, mask, self.step.as_ref(), &input)
    }

    /// Called by a layer with its output, under its name.
    pub fn tap(&mut self, layer: &str, output: &Var) {
        if let Some(kept) = self.watched.get_mut(layer) {
            *kept = Some(output.clone());
        }
        if let Some(trace) = &mut self.trace {
            trace.push(TraceRow { layer: layer.to_string(), output: output.shape() });
        }
    }

    /// The activation of a watched tap, once the pass has gone by it.
    pub fn watched(&self, tap: &str) -> Option<&Var> {
        self.watched.get(tap)?.as_ref()
    }

    /// Every layer's output shape, in the order they ran; empty unless [`tracing`](Self::tracing).
    pub fn trace(&self) -> &[TraceRow] {
        self.trace.as_deref().unwrap_or_default()
    }
}

/// A part of a network: it holds names of parameters, never tensors, so that any store runs on it.
pub trait Layer {
    /// Runs forward.
    ///
    /// # Errors
    /// If the input's shape does not fit; out of memory.
    fn forward(&self, pass: &mut Pass, input: Var) -> Result<Var>;
}
