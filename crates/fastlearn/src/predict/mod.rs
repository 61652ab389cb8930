//! From pictures to probabilities: plain predictions, test-time augmentation, and a trained model
//! that needs no data set.

mod calibration;
mod ensemble;
mod predictions;
mod predictor;
mod tta;

pub use ensemble::Ensemble;
pub use predictions::Predictions;
pub use predictor::Predictor;
pub(crate) use tta::mean;
pub use tta::{TestTimeAugmentation, Tta};

use autograd::{ParameterStore, Var};
use models::{Classifier, Layer, Pass};

use crate::Result;
use crate::data::{LabelKind, Loader};
use crate::input::to_device;

/// Probabilities of whatever a loader brings, in its order; `kind` says whether classes exclude each
/// other, and `before_batch` can end it with an error.
pub(crate) fn predict_loader(
    classifier: &Classifier,
    store: &ParameterStore,
    kind: LabelKind,
    loader: Loader,
    before_batch: impl Fn() -> Result<()>,
) -> Result<Predictions> {
    let mut predictions = Predictions::none_of(kind, classifier.head.classes());
    predictions.ids = loader.ids();
    for input in to_device(store.device(), loader) {
        before_batch()?;
        let input = input?;
        let mut pass = Pass::predict(store);
        let logits = classifier.forward(&mut pass, Var::constant(input.tensor))?;
        predictions.push(logits.value(), &input.labels)?;
    }
    Ok(predictions)
}
