//! What an op will do, decided before it runs.

use crate::DType;

/// How an op runs for one shape: a pure function of shape, element type, direction and device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The name of the algorithm, such as `implicit`.
    pub variant: &'static str,
    /// Type of the activations that it reads and writes.
    pub dtype: DType,
    /// Elements of the device's [`float`](super::Backend::float) type that it needs as scratch space.
    pub workspace: usize,
    /// Elements, of type `dtype`, of the weights in the layout that it reads, or 0 if it reads the
    /// float weights as they are.
    pub prepared: usize,
    /// True if that layout is the weights' own order, only in `dtype`: a twin of the parameters serves
    /// as it is, and `conv_prepare` is never asked for it.
    pub reads_twin: bool,
    /// True if it applies scale, shift and ReLU to its input while reading it.
    pub fuses_input: bool,
    /// Rows of a part, if it takes batch-norm statistics of its output while writing it.
    pub fuses_statistics: Option<usize>,
    /// Floating-point operations that the op stands for (a multiply-add is two).
    pub flops: u64,
    /// Bytes that must at least be read and written.
    pub bytes: u64,
}
