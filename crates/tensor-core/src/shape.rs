//! Shapes of at most four dimensions. Pictures are NHWC, convolution weights KRSC, matrices row-major.

use std::fmt;

/// The lengths of a tensor's dimensions, outermost first; at most four.
///
/// ```
/// use tensor_core::Shape;
/// let shape = Shape::from([64, 224, 224, 3]);
/// assert_eq!(shape.elements(), 64 * 224 * 224 * 3);
/// assert_eq!(shape.to_string(), "[n=64 h=224 w=224 c=3]");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; 4],
    rank: u8,
}

impl Shape {
    /// A shape from its lengths; `None` if there are more than four.
    pub fn new(dims: &[usize]) -> Option<Shape> {
        let mut all = [1; 4];
        all.get_mut(..dims.len())?.copy_from_slice(dims);
        Some(Shape { dims: all, rank: dims.len() as u8 })
    }

    /// The lengths, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank()]
    }

    /// How many dimensions there are.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// How many elements a tensor of this shape has.
    pub fn elements(&self) -> usize {
        self.dims().iter().product()
    }

    /// The last length: channels of pictures, columns of a matrix. 1 for a scalar.
    pub fn channels(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// How many rows of [`channels`](Self::channels) elements there are.
    pub fn rows(&self) -> usize {
        self.dims().split_last().map_or(1, |(_, outer)| outer.iter().product())
    }

    /// The same shape with another first length, as a range of the first dimension has.
    pub fn with_first(&self, length: usize) -> Shape {
        let mut shape = *self;
        shape.dims[0] = length;
        shape
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Shape {
        const { assert!(N <= 4, "a shape has at most four dimensions") };
        let mut all = [1; 4];
        all[..N].copy_from_slice(&dims);
        Shape { dims: all, rank: N as u8 }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: &[&str] = match self.rank {
            4 => &["n", "h", "w", "c"],
            2 => &["n", "c"],
            _ => &[],
        };
        f.write_str("[")?;
        for (i, length) in self.dims().iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            match names.get(i) {
                Some(name) => write!(f, "{gap}{name}={length}")?,
                None => write!(f, "{gap}{length}")?,
            }
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
