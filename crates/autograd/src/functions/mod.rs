//! The differentiable functions, one small file each: a struct whose fields are what it saves for
//! backward, and a function that runs forward and records it.

mod conv;
mod conv_norm;
mod dropout;
mod loss;
mod matmul;
mod norm;
mod parameter;
mod pointwise;
mod pool;
mod reduce;

pub use conv::conv;
pub use conv_norm::{ConvNorm, conv_norm};
pub use dropout::{dropout, dropout_at};
pub use loss::loss;
pub use matmul::linear;
pub use norm::{Norm, NormMode, batch_norm};
pub use parameter::parameter;
pub use pointwise::{binary, cast, reshape, unary};
pub use pool::{global_pool, max_pool};
pub use reduce::{mean, sum};
