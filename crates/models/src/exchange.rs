//! Parameters and running statistics to and from a [`StateDict`], in torchvision's names and layouts.

use autograd::{ParameterId, ParameterStore, StatisticsId};

use crate::weights::match_names;
use crate::{Result, StateDict, WeightTensor};

/// Everything that a store holds, convolution weights as `[out, in, rows, columns]`.
///
/// # Errors
/// If the store's memory cannot be read.
pub fn export(store: &ParameterStore) -> Result<StateDict> {
    let mut state = StateDict::new();
    for id in store.ids() {
        let parameter = store.parameter(id);
        let tensor = WeightTensor {
            shape: parameter.shape.dims().to_vec(),
            values: store.value(id)?.to_f32()?,
        };
        let tensor = if parameter.shape.rank() == 4 { tensor.krsc_to_kcrs()? } else { tensor };
        state.insert(parameter.name.clone(), tensor)?;
    }
    for (id, name) in statistics_names(store) {
        let running = store.running(id)?;
        for (part, tensor) in [("running_mean", running.mean), ("running_var", running.var)] {
            let values = tensor.to_f32()?;
            let tensor = WeightTensor { shape: vec![values.len()], values };
            state.insert(format!("{name}.{part}"), tensor)?;
        }
    }
    Ok(state)
}

/// Which of a store's parameters a file must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    Whole,
    /// All but the head: pre-trained weights under a new head.
    Body,
}

impl Part {
    fn has(self, name: &str) -> bool {
        self == Part::Whole || !(name.starts_with("head.") || name.starts_with("fc."))
    }
}

/// Fills a store from a state; `origin` (a file's name) is for messages. Nothing is changed unless
/// everything fits.
///
/// # Errors
/// [`Error::Weights`](crate::Error) with all missing, unused and wrongly shaped names together.
pub fn import(
    store: &mut ParameterStore,
    state: &StateDict,
    part: Part,
    origin: &str,
) -> Result<()> {
    let parameters: Vec<(ParameterId, String)> = store
        .ids()
        .map(|id| (id, store.parameter(id).name.clone()))
        .filter(|(_, name)| part.has(name))
        .collect();
    let statistics: Vec<_> =
        statistics_names(store).into_iter().filter(|(_, name)| part.has(name)).collect();

    let mut expected = Vec::new();
    for (id, name) in &parameters {
        expected.push((name.clone(), file_shape(store, *id)));
    }
    for (id, name) in &statistics {
        let channels = store.running(*id)?.mean.shape().elements();
        for part in ["running_mean", "running_var"] {
            expected.push((format!("{name}.{part}"), vec![channels]));
        }
    }
    match_names(&expected, state).into_result(origin)?;

    let tensor = |name: &str| state.get(name).expect("every expected name was matched");
    for (id, name) in parameters {
        let tensor = tensor(&name);
        if tensor.shape.len() == 4 {
            store.set_value(id, &tensor.kcrs_to_krsc()?.values)?;
        } else {
            store.set_value(id, &tensor.values)?;
        }
    }
    for (id, name) in statistics {
        let (mean, var) =
            (tensor(&format!("{name}.running_mean")), tensor(&format!("{name}.running_var")));
        store.set_running(id, &mean.values, &var.values)?;
    }
    Ok(())
}

fn statistics_names(store: &ParameterStore) -> Vec<(StatisticsId, String)> {
    store.statistics_ids().zip(store.statistics()).map(|(id, s)| (id, s.name.clone())).collect()
}

/// A parameter's shape as files have it.
fn file_shape(store: &ParameterStore, id: ParameterId) -> Vec<usize> {
    match *store.parameter(id).shape.dims() {
        [k, r, s, c] => vec![k, c, r, s],
        ref dims => dims.to_vec(),
    }
}
