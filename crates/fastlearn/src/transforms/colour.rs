//! Colour as one matrix on red, green, blue: transforms compose, and one clip comes at the end.

/// A change of colour in the making, and the mean colour of the picture it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Colour {
    mean: [f64; 3],
    matrix: [f64; 12],
}

impl Colour {
    /// No change yet, for a picture with this mean of each channel in 0..1.
    pub fn unchanged(mean: [f64; 3]) -> Colour {
        Colour { mean, matrix: [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0] }
    }

    /// Mean over all pixels and channels of the picture as changed so far, before clipping.
    pub fn mean(&self) -> f64 {
        let changed = |row: &[f64]| (0..3).map(|c| row[c] * self.mean[c]).sum::<f64>() + row[3];
        self.matrix.chunks_exact(4).map(changed).sum::<f64>() / 3.0
    }

    /// Row-major 3x4: what is applied to red, green, blue; the last column is added.
    pub fn matrix(&self) -> [f64; 12] {
        self.matrix
    }

    /// Applies a further 3x4 matrix after what is there.
    pub fn then(&mut self, next: &[f64; 12]) {
        let old = self.matrix;
        for (row, next) in self.matrix.chunks_exact_mut(4).zip(next.chunks_exact(4)) {
            for (column, cell) in row.iter_mut().enumerate() {
                *cell = (0..3).map(|c| next[c] * old[c * 4 + column]).sum();
            }
            row[3] += next[3];
        }
    }

    /// Stretches contrast about the picture's [`mean`](Colour::mean) and adds brightness, in 0..1.
    pub fn light(&mut self, contrast: f64, brightness: f64) {
        let mean = self.mean();
        let add = mean - mean * contrast + brightness;
        let k = contrast;
        self.then(&[k, 0.0, 0.0, add, 0.0, k, 0.0, add, 0.0, 0.0, k, add]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(matrix: &[f64; 12], rgb: [f64; 3]) -> [f64; 3] {
        [0, 1, 2]
            .map(|r| (0..3).map(|c| matrix[r * 4 + c] * rgb[c]).sum::<f64>() + matrix[r * 4 + 3])
    }

    #[test]
    fn lighting_is_about_the_mean_of_all_channels() {
        let mut colour = Colour::unchanged([0.2, 0.5, 0.8]);
        colour.light(1.05, 0.03);
        let got = apply(&colour.matrix(), [0.1, 0.4, 0.9]);
        for (got, x) in got.iter().zip([0.1, 0.4, 0.9]) {
            assert!((got - ((x - 0.5) * 1.05 + 0.5 + 0.03)).abs() < 1e-12);
        }
        assert!((colour.mean() - 0.53).abs() < 1e-12);
    }

    #[test]
    fn matrices_compose_in_order() {
        let first = [0.9, 0.1, 0.0, 0.02, 0.0, 1.1, -0.2, 0.0, 0.3, 0.0, 0.8, -0.01];
        let second = [0.0, 1.0, 0.0, 0.1, 0.5, 0.5, 0.0, 0.0, 0.0, 0.2, 0.7, 0.3];
        let mut colour = Colour::unchanged([0.0; 3]);
        colour.then(&first);
        colour.then(&second);
        let rgb = [0.3, 0.6, 0.2];
        let want = apply(&second, apply(&first, rgb));
        let got = apply(&colour.matrix(), rgb);
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
