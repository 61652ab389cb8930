//! A step for which there is no memory: it is taken again in parts.
//!
//! Nothing of a step that fails remains: gradients and batch statistics wait in buffers of their own for the
//! optimiser, which comes last and asks for all its memory before it writes. How a step is taken in parts
//! is `step`'s business.

use super::event::{Control, Event, Listeners, tell};
use super::state::TrainState;
use crate::{Error, Result};

/// The fewest pictures of a part: a batch norm cannot learn from one.
const FEWEST: usize = 2;

/// Takes a step on so many pictures, in ever more parts for as long as memory is too small. How many
/// there are in the end is remembered for the rest of the fit.
pub(super) fn retrying<T>(
    state: &mut TrainState,
    pictures: usize,
    listeners: &mut Listeners,
    mut step: impl FnMut(&mut TrainState) -> Result<T>,
) -> Result<T> {
    let before = state.fit.parts;
    loop {
        match step(state) {
            Err(error) if error.is_out_of_memory() => {
                state.fit.parts = more_parts(error, pictures, state, listeners)?;
            }
            Ok(taken) if state.fit.parts != before => {
                let notice = format!(
                    "memory is full: from here on each batch is learned from in {} parts, whose \
                     gradients are added up",
                    state.fit.parts
                );
                let _ = tell(listeners, Event::Notice(&notice), state)?;
                return Ok(taken);
            }
            other => return other,
        }
    }
}

/// In how many parts the step is tried next; the error, if there are no smaller ones.
fn more_parts(
    error: Error,
    pictures: usize,
    state: &mut TrainState,
    listeners: &mut Listeners,
) -> Result<usize> {
    let (parts, most) = (state.fit.parts, pictures / FEWEST);
    let wanted = match tell(listeners, Event::MemoryFull { pictures, parts }, state)? {
        Control::RetryInParts(wanted) => wanted.max(parts + 1),
        Control::Stop => return Err(error),
        _ => 2 * parts,
    };
    if parts >= most { Err(error) } else { Ok(wanted.min(most)) }
}
