//! Which built-in architecture weights belong to, by their names and shapes.

use super::{StateDict, match_names};
use crate::registry::Arch;

/// The built-in architecture whose tensors these are, `fc` included; none if they are no plain network's.
///
/// ```
/// use models::weights::recognise;
/// use models::{Arch, PlainNetwork, exchange};
/// # fn main() -> models::Result<()> {
/// # let device = tensor_core::Device::best()?;
/// let (_, store) = PlainNetwork::new(Arch::ResNet18.architecture(), 7, 42, &device)?;
/// assert_eq!(recognise(&exchange::export(&store)?), Some(Arch::ResNet18));
/// # Ok(())
/// # }
/// ```
pub fn recognise(state: &StateDict) -> Option<Arch> {
    let classes = state.get("fc.bias")?.values.len();
    Arch::ALL.into_iter().find(|arch| {
        let expected = arch.architecture().tensor_shapes(Some(classes));
        match_names(&expected, state).fits()
    })
}
