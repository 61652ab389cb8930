//! The linear tape: forward runs at once and records what backward will need; backward pops.
//!
//! A node is recorded only if one of its inputs or parameters needs a gradient, so a frozen body
//! records and keeps nothing.

use tensor_core::memory::Destination;
use tensor_core::ops::norm::Running;
use tensor_core::ops::pointwise::{constant, copy_into};
use tensor_core::{DType, Shape, Tensor};

use crate::{Error, ParameterId, ParameterStore, Result, StatisticsId};

/// A value on its way through the network, and the node that made it, if one was recorded.
#[derive(Clone, Debug)]
pub struct Var {
    value: Tensor,
    node: Option<usize>,
}

impl Var {
    /// A value that needs no gradient, such as a batch of pictures.
    pub fn constant(value: Tensor) -> Var {
        Var { value, node: None }
    }

    /// The value.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// The value's shape.
    pub fn shape(&self) -> Shape {
        self.value.shape()
    }

    /// True if a gradient will come back to this value.
    pub fn needs_gradient(&self) -> bool {
        self.node.is_some()
    }
}

/// One differentiable function as it was applied: a struct whose fields are what it saved.
pub trait Function: Send {
    /// Hands the gradients of inputs and parameters on. `gradient` is that of the output.
    ///
    /// # Errors
    /// Those of the ops it calls.
    fn backward(self: Box<Self>, gradient: Tensor, backward: &mut Backward) -> Result<()>;
}

struct Node {
    function: Option<Box<dyn Function>>,
    inputs: Vec<Option<usize>>,
    /// Type of the value, and so of its gradient.
    dtype: DType,
}

/// What a forward pass recorded.
#[derive(Default)]
pub struct Tape {
    nodes: Vec<Node>,
    statistics: Vec<(StatisticsId, Running)>,
    silent: bool,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Tape {
        Tape::default()
    }

    /// A tape that never records: for prediction.
    pub fn silent() -> Tape {
        Tape { silent: true, ..Tape::default() }
    }

    /// How many functions were recorded.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True if nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A value whose gradient [`backward_to`](Self::backward_to) returns: an input to be
    /// differentiated by.
    pub fn leaf(&mut self, value: Tensor) -> Var {
        self.push(value, None, Vec::new())
    }

    /// True if a function of these inputs and parameters has to be recorded.
    pub fn records(
        &self,
        store: &ParameterStore,
        inputs: &[&Var],
        parameters: &[ParameterId],
    ) -> bool {
        !self.silent
            && (inputs.iter().any(|input| input.needs_gradient())
                || parameters.iter().any(|&id| store.is_trainable(id)))
    }

    /// Records a function that made `value` from `inputs`, and returns the value as a `Var`.
    pub fn record(
        &mut self,
        value: Tensor,
        inputs: &[&Var],
        function: impl Function + 'static,
    ) -> Var {
        let inputs = inputs.iter().map(|input| input.node).collect();
        self.push(value, Some(Box::new(function)), inputs)
    }

    /// Records a function of inputs alone if any of them needs a gradient; `function` is only
    /// made then.
    pub fn record_if_needed(
        &mut self,
        value: Tensor,
        inputs: &[&Var],
        function: impl FnOnce() -> Box<dyn Function>,
    ) -> Var {
        if self.silent || !inputs.iter().any(|input| input.needs_gradient()) {
            return Var::constant(value);
        }
        let inputs = inputs.iter().map(|input| input.node).collect();
        self.push(value, Some(function()), inputs)
    }

    fn push(
        &mut self,
        value: Tensor,
        function: Option<Box<dyn Function>>,
        inputs: Vec<Option<usize>>,
    ) -> Var {
        self.nodes.push(Node { function, inputs, dtype: value.dtype() });
        Var { value, node: Some(self.nodes.len() - 1) }
    }

    /// Keeps the running statistics that a batch norm will have if this step is taken.
    pub fn hold_statistics(&mut self, id: StatisticsId, new: Running) {
        self.statistics.push((id, new));
    }

    /// What batch norms have held so far: the running values that they will have.
    pub fn held_statistics(&self) -> &[(StatisticsId, Running)] {
        &self.statistics
    }

    /// Goes back from a `[1]` loss: writes the gradients of all trainable parameters into the store
    /// and hands it the batch statistics to be committed with the optimiser's step.
    ///
    /// # Errors
    /// [`Error::NothingToDifferentiate`] if nothing was recorded; those of the functions.
    pub fn backward(self, loss: &Var, store: &mut ParameterStore) -> Result<()> {
        let loss_value = &loss.value;
        let gradient = constant(loss_value.device(), loss.shape(), loss_value.dtype(), 1.0)?;
        self.backward_to(loss, gradient, store, &[]).map(drop)
    }

    /// Goes back from any value with a given gradient, and returns the gradients of some
    /// [`leaf`](Self::leaf) values (`None`: the value does not depend on that leaf).
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub fn backward_to(
        self,
        from: &Var,
        gradient: Tensor,
        store: &mut ParameterStore,
        leaves: &[&Var],
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(last) = from.node else { return Err(Error::NothingToDifferentiate) };
        let dtypes: Vec<DType> = self.nodes.iter().map(|node| node.dtype).collect();
        let mut gradients: Vec<Option<Tensor>> = vec![None; self.nodes.len()];
        gradients[last] = Some(gradient);
        // Popping frees what each function saved as soon as it has run.
        let mut nodes = self.nodes;
        nodes.truncate(last + 1);
        while let Some(Node { function, inputs, .. }) = nodes.pop() {
            let Some(function) = function else { continue };
            if let Some(gradient) = gradients[nodes.len()].take() {
                let (inputs, dtypes, gradients) = (&inputs, &dtypes, &mut gradients);
                let mut backward = Backward { inputs, dtypes, gradients, store };
                function.backward(gradient, &mut backward)?;
            }
        }
        store.hold_statistics(self.statistics);
        let mut taken = |leaf: &&Var| leaf.node.and_then(|node| gradients[node].take());
        Ok(leaves.iter().map(&mut taken).collect())
    }
}

/// What a function sees while it goes backward.
pub struct Backward<'a> {
    inputs: &'a [Option<usize>],
    dtypes: &'a [DType],
    gradients: &'a mut Vec<Option<Tensor>>,
    store: &'a mut ParameterStore,
}

impl Backward<'_> {
    /// The parameters.
    pub fn store(&self) -> &ParameterStore {
        self.store
    }

    /// True if there is an input at this position and it needs a gradient.
    pub fn needs(&self, input: usize) -> bool {
        self.inputs.get(input).is_some_and(Option::is_some)
    }

    /// Hands an input a gradient that exists already: the first is moved, a later one added.
    ///
    /// # Errors
    /// Out of memory.
    pub fn pass(&mut self, input: usize, gradient: Tensor) -> Result<()> {
        let Some(&Some(node)) = self.inputs.get(input) else { return Ok(()) };
        if self.gradients[node].is_none() {
            self.gradients[node] = Some(gradient);
            return Ok(());
        }
        let mut sum = self.take_unique(node)?;
        copy_into(&gradient, Destination::accumulate(sum.as_slice_mut()))?;
        self.gradients[node] = Some(sum);
        Ok(())
    }

    /// Lets a kernel write an input's gradient, in the input's type: into a new buffer, or added to what
    /// is there.
    /// Nothing is computed if the input needs none.
    ///
    /// # Errors
    /// Those of `compute`; out of memory.
    pub fn input_gradient(
        &mut self,
        input: usize,
        shape: Shape,
        compute: impl FnOnce(Destination) -> tensor_core::Result<()>,
    ) -> Result<()> {
        let Some(&Some(node)) = self.inputs.get(input) else { return Ok(()) };
        let gradient = if self.gradients[node].is_some() {
            let mut sum = self.take_unique(node)?;
            compute(Destination::accumulate(sum.as_slice_mut()))?;
            sum
        } else {
            let mut fresh = Tensor::uninitialised(self.store.device(), shape, self.dtypes[node])?;
            compute(Destination::write(fresh.as_slice_mut()))?;
            fresh
        };
        self.gradients[node] = Some(gradient);
        Ok(())
    }

    /// Lets a kernel write a parameter's gradient, if it is trainable.
    ///
    /// # Errors
    /// Those of `compute`; out of memory.
    pub fn parameter_gradient(
        &mut self,
        id: ParameterId,
        compute: impl FnOnce(Destination) -> tensor_core::Result<()>,
    ) -> Result<()> {
        if self.store.is_trainable(id) {
            compute(self.store.gradient_destination(id)?)?;
        }
        Ok(())
    }

    /// A gradient that may be added to: one moved in from another node may still be shared.
    fn take_unique(&mut self, node: usize) -> Result<Tensor> {
        let mut sum = self.gradients[node].take().expect("the caller saw a gradient here");
        if sum.is_unique() { Ok(sum) } else { Ok(sum.duplicate()?) }
    }
}
