//! The change between torchvision's convolution layout and this project's.

use super::WeightTensor;
use crate::error::{Error, Result};

impl WeightTensor {
    /// Convolution weights from torchvision's `[out, in, rows, columns]` (KCRS) to this project's
    /// `[out, rows, columns, in]` (KRSC). With groups, `in` is the number of input channels of one group.
    ///
    /// # Errors
    /// [`Error::TensorShape`] unless the tensor has four dimensions that its values fill.
    pub fn kcrs_to_krsc(&self) -> Result<Self> {
        self.permuted([0, 2, 3, 1])
    }

    /// The inverse of [`WeightTensor::kcrs_to_krsc`]: `[out, rows, columns, in]` to `[out, in, rows, columns]`.
    ///
    /// # Errors
    /// As [`WeightTensor::kcrs_to_krsc`].
    pub fn krsc_to_kcrs(&self) -> Result<Self> {
        self.permuted([0, 3, 1, 2])
    }

    /// Dimension `d` of the result is dimension `order[d]` of `self`.
    fn permuted(&self, order: [usize; 4]) -> Result<Self> {
        let &[a, b, c, d] = self.shape.as_slice() else {
            return Err(Error::TensorShape {
                name: "convolution weights".to_owned(),
                shape: self.shape.clone(),
                values: self.values.len(),
                problem: "convolution weights have four dimensions".to_owned(),
            });
        };
        self.check("convolution weights")?;
        if self.values.is_empty() {
            // Other lengths beside a zero may be too large to multiply.
            let shape = order.map(|from| self.shape[from]).to_vec();
            return Ok(Self { shape, values: Vec::new() });
        }
        let lengths = [a, b, c, d];
        let strides = [b * c * d, c * d, d, 1];
        let shape = order.map(|from| lengths[from]);
        let step = order.map(|from| strides[from]);

        let mut values = Vec::with_capacity(self.values.len());
        for i in 0..shape[0] {
            for j in 0..shape[1] {
                for k in 0..shape[2] {
                    let start = i * step[0] + j * step[1] + k * step[2];
                    values.extend((0..shape[3]).map(|l| self.values[start + l * step[3]]));
                }
            }
        }
        Ok(Self { shape: shape.to_vec(), values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_moves_to_its_place_and_back() {
        let (out, input, rows, columns) = (2, 3, 4, 5);
        let values = (0..out * input * rows * columns).map(|v| v as f32).collect();
        let kcrs = WeightTensor::new(vec![out, input, rows, columns], values).unwrap();
        let krsc = kcrs.kcrs_to_krsc().unwrap();
        assert_eq!(krsc.shape, [out, rows, columns, input]);
        for k in 0..out {
            for c in 0..input {
                for r in 0..rows {
                    for s in 0..columns {
                        assert_eq!(
                            krsc.values[((k * rows + r) * columns + s) * input + c],
                            kcrs.values[((k * input + c) * rows + r) * columns + s],
                        );
                    }
                }
            }
        }
        assert_eq!(krsc.krsc_to_kcrs().unwrap(), kcrs);
    }

    #[test]
    fn a_tensor_without_values_keeps_its_lengths() {
        let empty = WeightTensor { shape: vec![0, usize::MAX, usize::MAX, 1], values: vec![] };
        assert_eq!(empty.kcrs_to_krsc().unwrap().shape, [0, usize::MAX, 1, usize::MAX]);
        let wrong = WeightTensor { shape: vec![1, 2, 3, 4], values: vec![0.0; 23] };
        assert!(wrong.kcrs_to_krsc().is_err());
    }

    #[test]
    fn other_ranks_are_refused() {
        let linear = WeightTensor::new(vec![2, 3], vec![0.0; 6]).unwrap();
        assert!(linear.kcrs_to_krsc().unwrap_err().to_string().contains("four dimensions"));
    }
}
