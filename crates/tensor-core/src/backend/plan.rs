//! What an op will do, decided before it runs.

/// How an op runs for one shape: a pure function of shape, element type, direction and device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The name of the algorithm, such as `implicit`.
    pub variant: &'static str,
    /// Elements of the device's float type that it needs as scratch space.
    pub workspace: usize,
    /// Elements of the weights in the layout that it reads, or 0 if it reads them as they are.
    pub prepared: usize,
    /// True if it applies scale, shift and ReLU to its input while reading it.
    pub fuses_input: bool,
    /// True if it takes batch-norm statistics of its output while writing it.
    pub fuses_statistics: bool,
    /// Floating-point operations that the op stands for (a multiply-add is two).
    pub flops: u64,
    /// Bytes that must at least be read and written.
    pub bytes: u64,
}
