//! The public functions: each checks what it was given, allocates, plans, and calls the device's
//! kernels through the one hook that profiles them.
//!
//! Every op has a form that allocates its result and, where a gradient may have to be added to what
//! is there, a form into a [`Destination`](crate::memory::Destination). A file here has the name of
//! its contract in `backend/`.

pub mod augment;
mod check;
pub mod conv;
pub mod dropout;
pub mod loss;
pub mod matmul;
pub mod norm;
pub mod optimizer;
pub mod pointwise;
pub mod pool;
pub mod reduce;

use crate::backend::Plan;
use crate::{Error, Result};

/// The plan of this name among the legal ones.
///
/// # Errors
/// [`Error::IllegalPlan`], which lists the legal ones.
pub fn choose(
    op: &'static str,
    plans: Vec<Plan>,
    variant: &str,
    shape: &dyn std::fmt::Display,
) -> Result<Plan> {
    let names: Vec<_> = plans.iter().map(|plan| plan.variant).collect();
    let found = plans.into_iter().find(|plan| plan.variant == variant);
    found.ok_or_else(|| Error::IllegalPlan {
        op,
        variant: variant.to_string(),
        shape: shape.to_string(),
        legal: names.join(", "),
    })
}

/// The first plan of a device's list, which is never empty.
fn best(plans: Vec<Plan>) -> Plan {
    plans.into_iter().next().expect("a backend offers at least one plan for every legal shape")
}
